/* SPDX-License-Identifier: Apache-2.0 */
/* The buckets of a histogram, how often a publisher samples, and what quantiles are. */
#include "unit.h"

#include "latency.h"

UNIT(latency, buckets_follow_each_other_without_a_gap)
{
    for (unsigned i = 0; i < SHMBUS_LATENCY_BUCKETS; i++) {
        check_eq(latency_bucket(latency_start(i)), i);
        if (i + 1 < SHMBUS_LATENCY_BUCKETS) {
            check_eq(shmbus_latency_bound(i), latency_start(i + 1));
            check_eq(latency_bucket(shmbus_latency_bound(i) - 1), i);
        }
    }
    check_eq(latency_start(0), 0);
    check_eq(latency_start(4), 64);
    check_eq(latency_bucket(63), 3);
    check_eq(latency_bucket(UINT64_MAX), SHMBUS_LATENCY_BUCKETS - 1);
    check_eq(shmbus_latency_bound(SHMBUS_LATENCY_BUCKETS - 1), UINT64_MAX);
}

/* An eighth of a value at most: a quarter of its power of two. */
UNIT(latency, buckets_are_narrow)
{
    for (unsigned i = 4; i + 1 < SHMBUS_LATENCY_BUCKETS; i++) {
        check((shmbus_latency_bound(i) - latency_start(i)) * 4 <= latency_start(i));
    }
}

/* The time between samples that a publisher of one message each `interval` ns comes to. */
static uint64_t settled(uint64_t interval)
{
    struct latency_sampler sampler = {0};
    uint64_t now = 1000000000;
    uint32_t step = 0;
    for (unsigned i = 0; i < 40; i++) {
        const uint32_t next = latency_step(&sampler, now);
        check(next >= 1 && next <= LATENCY_STEP_MAX);
        check(next <= 2 * (step > 0 ? step : 1));
        step = next;
        now += step * interval;
    }
    return step * interval;
}

UNIT(latency, is_sampled_about_every_millisecond)
{
    for (uint64_t interval = 300; interval <= 500000; interval *= 3) {
        check(settled(interval) > LATENCY_INTERVAL_NS / 3 && settled(interval) <= 2 * LATENCY_INTERVAL_NS);
    }
    check_eq(settled(5), 5 * LATENCY_STEP_MAX);
    check_eq(settled(20000000), 20000000); /* each message */
}

UNIT(latency, is_sampled_more_often_as_soon_as_the_stream_is_slow)
{
    struct latency_sampler sampler = {.last = 1000, .step = LATENCY_STEP_MAX};
    check_eq(latency_step(&sampler, 1000 + UINT64_C(1000000000) * LATENCY_STEP_MAX), 1);
    sampler = (struct latency_sampler){.last = 5000, .step = 4};
    check_eq(latency_step(&sampler, 5000), 8); /* a clock that stands still */
}

UNIT(latency, quantiles_lie_on_a_line_within_a_bucket)
{
    shmbus_latency latency = {.samples = 4, .largest_ns = 110};
    check_eq(shmbus_latency_quantile(&(shmbus_latency){0}, 0.5), 0);
    check_eq(shmbus_latency_quantile(NULL, 0.5), 0);
    latency.buckets[latency_bucket(64)] = 2;  /* 64 to 80 */
    latency.buckets[latency_bucket(100)] = 2; /* 96 to 112, cut at the largest */
    check_eq(shmbus_latency_quantile(&latency, 0), 64);
    check_eq(shmbus_latency_quantile(&latency, 0.25), 72);
    check_eq(shmbus_latency_quantile(&latency, 0.5), 80);
    check_eq(shmbus_latency_quantile(&latency, 0.75), 103);
    check_eq(shmbus_latency_quantile(&latency, 1), 110);
    check_eq(shmbus_latency_quantile(&latency, 7), 110);
}
