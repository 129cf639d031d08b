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

/*
 * What one round of one contestant gave. Round trips have times in ns, and those of waiting the CPU time of each;
 * a stream has a rate; wake-ups have times, and how many there were per message.
 */
enum figure {
    FIGURE_MIN,
    FIGURE_P50,
    FIGURE_P95,
    FIGURE_P99,
    FIGURE_P999,
    FIGURE_MAX,
    FIGURE_P75, /* in JSON only, for plots */
    FIGURE_P90,
    FIGURE_RATE,
    FIGURE_CPU_ASKER,
    FIGURE_CPU_ANSWERER,
    FIGURE_WAKES,
    FIGURE_SLEEPS,
    FIGURES
};

struct figures {
    double value[FIGURES];
};

/*
 * Sorts `samples` (ticks, in steps of `step`) and fills the times, min to p90. Where the counter's step is a good
 * part of what is measured, percentiles are interpolated within it, as of any grouped data.
 */
void stats_percentiles(uint32_t *samples, size_t count, uint32_t step, double ticks_per_ns,
                       struct figures *figures);

/* Of `count` values, which stay as they are; NAN when there are none. */
double stats_median(const double *values, size_t count);
double stats_least(const double *values, size_t count);
double stats_most(const double *values, size_t count);

#endif
