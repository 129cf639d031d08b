/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sampled latencies: which messages say when they are sent, and the histogram of when they were seen.
 *
 *   call              who                        may overlap with
 *   latency_see       the consumer's one user    everybody's reading of the histogram
 *   latency_add       the member's one user      everybody's reading of the histogram
 *   latency_clear     who takes the entry        the same: a reader may see half of it cleared
 *   others            anybody                    pure arithmetic, or the sampler's one user
 *
 * killed        a sample may be in its bucket and not yet in the sum
 *
 * A publisher samples a message about every LATENCY_INTERVAL_NS, whatever its rate: it reads the clock at each sample
 * and learns from it how many messages to let pass until the next. So a slow stream is sampled whole, and a fast one
 * pays for two readings of a clock per LATENCY_STEP_MAX messages. See docs/decisions/0025.
 */
#ifndef SHMBUS_BUS_LATENCY_H
#define SHMBUS_BUS_LATENCY_H

#include "atomics.h"
#include "layout.h"

#ifndef LATENCY_INTERVAL_NS /* a simulation has a time of its own */
#define LATENCY_INTERVAL_NS UINT64_C(1000000)
#endif
#define LATENCY_STEP_MAX 4096u
#define LATENCY_STEP_WOKEN                                                                                   \
    64u /* at most so many to the next, once somebody had to be woken: it is not so fast then */

/* What a publisher remembers from one sample to the next. */
struct latency_sampler {
    uint64_t last; /* nanoseconds */
    uint32_t step; /* messages */
};

/* At a sample: how many messages further the next one is. */
static inline uint32_t latency_step(struct latency_sampler *sampler, uint64_t now)
{
    const uint64_t took = now - sampler->last;
    const uint64_t step = sampler->step > 0 ? sampler->step : 1;
    const uint64_t fit = took > 0 ? step * LATENCY_INTERVAL_NS / took : LATENCY_STEP_MAX;
    const uint64_t next = fit < 2 * step ? fit : 2 * step; /* slowly up: a burst may be over soon */
    sampler->step = next < 1 ? 1 : next < LATENCY_STEP_MAX ? (uint32_t)next : LATENCY_STEP_MAX;
    sampler->last = now;
    return sampler->step;
}

#define LATENCY_LINEAR 4u /* buckets of 16 ns each; from 64 ns on each power of two has four */

/* The bucket of so many nanoseconds. */
static inline unsigned latency_bucket(uint64_t ns)
{
    if (ns < 64) {
        return (unsigned)(ns / 16);
    }
    const unsigned power = 63u - (unsigned)__builtin_clzll(ns);
    const unsigned quarter = (unsigned)(ns >> (power - 2)) & 3u;
    const unsigned index = LATENCY_LINEAR + (power - 6) * 4 + quarter;
    return index < SHMBUS_LATENCY_BUCKETS ? index : SHMBUS_LATENCY_BUCKETS - 1;
}

/* Where bucket `index` starts. */
static inline uint64_t latency_start(unsigned index)
{
    if (index < LATENCY_LINEAR) {
        return UINT64_C(16) * index;
    }
    const unsigned power = 6 + (index - LATENCY_LINEAR) / 4;
    return (UINT64_C(4) + (index - LATENCY_LINEAR) % 4) << (power - 2);
}

static inline void latency_add(struct shm_latency *latency, uint64_t ns)
{
    count_relaxed(&latency->buckets[latency_bucket(ns)], 1);
    count_relaxed(&latency->sum, ns);
    if (ns > load64_relaxed(&latency->largest)) {
        store64_relaxed(&latency->largest, ns);
    }
}

static inline void latency_clear(struct shm_latency *latency)
{
    store64_relaxed(&latency->sum, 0);
    store64_relaxed(&latency->largest, 0);
    for (unsigned i = 0; i < SHMBUS_LATENCY_BUCKETS; i++) {
        store64_relaxed(&latency->buckets[i], 0);
    }
}

struct consumer;

/*
 * The message that `consumer` has found says when it was sent, and it is `now`: counts that in its member's histogram,
 * and how far the tail is ahead. Once, however often it is peeked, or refused and found again.
 */
void latency_see(struct consumer *consumer, struct shm_latency *latency, uint64_t now);

#endif
