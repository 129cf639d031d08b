/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Latencies in power-of-two buckets, each cut into 16: percentiles are right to 7%. One writer at a time, no
 * pointer inside, so it may lie in shared memory. A kill in the middle loses at most one sample.
 */
#ifndef DEMO_HISTOGRAM_H
#define DEMO_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_CUTS 16
#define HISTOGRAM_OCTAVES 40 /* the last ends at 2^43 ns, 2.4 hours */

typedef struct histogram {
    uint64_t buckets[HISTOGRAM_OCTAVES * HISTOGRAM_CUTS];
    uint64_t count;
    uint64_t max;
} histogram;

/* Counts one latency of `ns`; what is below 0 counts as 0. */
void histogram_add(histogram *h, int64_t ns);

void histogram_join(histogram *h, const histogram *other);

/* The ns that `share` (0..1) of the latencies do not exceed; 0 when there are none. */
uint64_t histogram_percentile(const histogram *h, double share);

/* Octave 0 is everything below 16 ns; octave k begins at 2^(k + 3) ns. */
uint64_t histogram_octave_from(int octave);
uint64_t histogram_octave_count(const histogram *h, int octave);

#endif
