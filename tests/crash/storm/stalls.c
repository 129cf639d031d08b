/* SPDX-License-Identifier: Apache-2.0 */
#include "stalls.h"

#include <stdio.h>

#define NS_PER_US 1000u

static unsigned bucket_of(uint64_t ns)
{
    const uint64_t us = ns / NS_PER_US;
    if (us < 8) {
        return (unsigned)us;
    }
    const unsigned log = 63u - (unsigned)__builtin_clzll(us);
    const unsigned bucket = 8 * (log - 2) + (unsigned)(us >> (log - 3) & 7);
    return bucket < STALLS_BUCKETS ? bucket : STALLS_BUCKETS - 1;
}

/* Where the next bucket begins. */
static uint64_t end_of(unsigned bucket)
{
    const unsigned next = bucket + 1;
    return NS_PER_US * (next < 8 ? next : (uint64_t)(8 + next % 8) << (next / 8 - 1));
}

static void add(struct stalls_histogram *histogram, const struct worker *worker, uint64_t ns)
{
    atomic_fetch_add(&histogram->buckets[bucket_of(ns)], 1);
    atomic_fetch_add(&histogram->count, 1);
    uint64_t max = atomic_load(&histogram->max);
    while (max < ns && !atomic_compare_exchange_weak(&histogram->max, &max, ns)) {
    }
    if (max < ns) {
        (void)snprintf(histogram->worst, sizeof histogram->worst, "%s of \"%s\": %s", worker->name,
                       worker->channel, atomic_load(&worker->doing));
    }
}

void stalls_strike(struct stalls *stalls, enum stalls_kind kind)
{
    const uint64_t count = atomic_load(&stalls->count);
    struct stalls_strike *strike = &stalls->strikes[count % STALLS_STRIKES];
    atomic_store(&strike->kind, kind);
    atomic_store(&strike->at, shmbus_now());
    atomic_store(&stalls->count, count + 1);
}

void stalls_progress(struct worker *worker)
{
    struct stalls *stalls = worker->context;
    const uint64_t count = atomic_load_explicit(&stalls->count, memory_order_acquire);
    const uint64_t first = worker->struck;
    if (count == first) {
        return;
    }
    worker->struck = count;
    /* Several since: the first one counts. */
    const struct stalls_strike *strike = &stalls->strikes[first % STALLS_STRIKES];
    const int64_t ns = shmbus_now() - atomic_load(&strike->at);
    add(&stalls->histograms[atomic_load(&strike->kind)], worker, (uint64_t)(ns > 0 ? ns : 0));
}

uint64_t stalls_figure(const struct stalls_histogram *histogram, unsigned permille)
{
    const uint64_t count = atomic_load(&histogram->count);
    const uint64_t wanted = (count * permille + 999) / 1000;
    uint64_t sum = 0;
    for (unsigned i = 0; i < STALLS_BUCKETS; i++) {
        sum += atomic_load(&histogram->buckets[i]);
        if (sum >= wanted && sum > 0) {
            return end_of(i);
        }
    }
    return 0;
}
