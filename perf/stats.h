/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures out of samples, and medians out of rounds.
 *
 * concurrency   one thread
 * killed        nothing shared is written
 */
#ifndef SHMBUS_PERF_STATS_H
#define SHMBUS_PERF_STATS_H

#include <stddef.h>
#include <stdint.h>

/* What one round of one contestant gave. A round trip has the first six, in ns; a stream the last. */
enum figure {
    FIGURE_MIN,
    FIGURE_P50,
    FIGURE_P95,
    FIGURE_P99,
    FIGURE_P999,
    FIGURE_MAX,
    FIGURE_RATE,
    FIGURES
};

struct figures {
    double value[FIGURES];
};

/*
 * Sorts `samples` (ticks, in steps of `step`) and fills all but the rate. Where the counter's step is a good
 * part of what is measured, percentiles are interpolated within it, as of any grouped data.
 */
void stats_percentiles(uint32_t *samples, size_t count, uint32_t step, double ticks_per_ns,
                       struct figures *figures);

/* Of `count` values, which stay as they are; NAN when there are none. */
double stats_median(const double *values, size_t count);
double stats_least(const double *values, size_t count);
double stats_most(const double *values, size_t count);

#endif
