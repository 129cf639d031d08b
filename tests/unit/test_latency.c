/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of sampled latencies: buckets without gaps, quantiles, and how a publisher finds its pace. */
#include "unit.h"

#include "latency.h"

#define LAST (SHMBUS_LATENCY_BUCKETS - 1)

UNIT(latency, buckets_have_no_gaps)
{
    for (unsigned i = 0; i < SHMBUS_LATENCY_BUCKETS; i++) {
        check_eq(latency_bucket(latency_start(i)), i);
        check(i == 0 || latency_start(i) > latency_start(i - 1));
        check(i == 0 || latency_start(i) == shmbus_latency_bound(i - 1));
        check(i == LAST || latency_bucket(shmbus_latency_bound(i) - 1) == i);
    }
    check(shmbus_latency_bound(LAST) == UINT64_MAX);
    check(shmbus_latency_bound(LAST + 1) == UINT64_MAX);
    check(shmbus_latency_bound(UINT32_MAX) == UINT64_MAX);
}

UNIT(latency, buckets_are_as_fine_as_is_told)
{
    const struct {
        uint64_t ns;
        unsigned bucket;
    } known[] = {{0, 0},
                 {15, 0},
                 {16, 1},
                 {63, 3},
                 {64, 4},
                 {79, 4},
                 {80, 5},
                 {127, 7},
                 {128, 8},
                 {159, 8},
                 {160, 9},
                 {1024, 20},
                 {1279, 20},
                 {1280, 21},
                 {UINT64_C(1) << 35, 4 + 29 * 4},
                 {UINT64_C(7) << 33, LAST},
                 {UINT64_C(1) << 36, LAST},
                 {UINT64_MAX, LAST}};
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++) {
        check_eq(latency_bucket(known[i].ns), known[i].bucket);
    }
    for (unsigned i = LATENCY_LINEAR; i < LAST; i++) { /* a quarter of a power of two: at most 25 % wide */
        check(4 * (shmbus_latency_bound(i) - latency_start(i)) <= latency_start(i));
    }
}

UNIT(latency, adds_and_clears)
{
    static struct shm_latency latency;
    uint64_t sum = 0;
    for (uint64_t ns = 1; ns < UINT64_C(1) << 40; ns *= 3) {
        latency_add(&latency, ns);
        latency_add(&latency, 1);
        sum += ns + 1;
        check_eq(load64_relaxed(&latency.largest), ns);
        check_eq(load64_relaxed(&latency.sum), sum);
    }
    check_eq(load64_relaxed(&latency.buckets[0]), 26 + 3); /* and 1, 3, 9 */
    check_eq(load64_relaxed(&latency.buckets[latency_bucket(27)]), 1);
    latency_clear(&latency);
    check_eq(load64_relaxed(&latency.sum), 0);
    check_eq(load64_relaxed(&latency.largest), 0);
    for (unsigned i = 0; i < SHMBUS_LATENCY_BUCKETS; i++) {
        check_eq(load64_relaxed(&latency.buckets[i]), 0);
    }
}

/* ------------------------------------------------------------------------------------------ quantiles */

static shmbus_latency histogram(const uint64_t *samples, unsigned count)
{
    shmbus_latency latency = {.samples = count};
    for (unsigned i = 0; i < count; i++) {
        latency.sum_ns += samples[i];
        latency.largest_ns = samples[i] > latency.largest_ns ? samples[i] : latency.largest_ns;
        latency.buckets[latency_bucket(samples[i])]++;
    }
    return latency;
}

UNIT(latency, quantiles_of_nothing_and_of_one)
{
    const shmbus_latency nothing = {0};
    check_eq(shmbus_latency_quantile(&nothing, 0.5), 0);
    check_eq(shmbus_latency_quantile(NULL, 0.5), 0);
    const shmbus_latency one = histogram((const uint64_t[]){1000}, 1);
    check_eq(shmbus_latency_quantile(&one, 1), 1000);
    check_eq(shmbus_latency_quantile(&one, 7), 1000);
    check(shmbus_latency_quantile(&one, 0.5) >= 896 && shmbus_latency_quantile(&one, 0.5) <= 1000);
    check_eq(shmbus_latency_quantile(&one, -1), 896);
    const shmbus_latency endless = histogram((const uint64_t[]){UINT64_C(1) << 40}, 1);
    check_eq(shmbus_latency_quantile(&endless, 1), INT64_C(1) << 40);
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

/* Of 1 to 100 µs, evenly: right to the width of a bucket, and never falling. */
UNIT(latency, quantiles_of_an_even_spread)
{
    uint64_t samples[1000];
    for (unsigned i = 0; i < 1000; i++) {
        samples[i] = 1000 + 99 * i;
    }
    const shmbus_latency even = histogram(samples, 1000);
    uint64_t before = 0;
    for (unsigned percent = 0; percent <= 100; percent++) {
        const uint64_t found = shmbus_latency_quantile(&even, percent / 100.0);
        const uint64_t right = 1000 + 990 * percent;
        check(found >= before && found <= even.largest_ns);
        check(found + found / 4 >= right && right + right / 4 >= found);
        before = found;
    }
    check_eq(before, even.largest_ns);
}

/* --------------------------------------------------------------------------------------------- the pace */

/* A publisher that sends every `interval` picoseconds; how long its last of `samples` took. */
static uint64_t run(struct latency_sampler *sampler, uint64_t *now_ps, uint64_t interval, unsigned samples)
{
    uint64_t took = 0;
    for (unsigned i = 0; i < samples; i++) {
        const uint32_t before = sampler->step;
        const uint32_t step = latency_step(sampler, *now_ps / 1000);
        check(step >= 1 && step <= LATENCY_STEP_MAX);
        check_eq(step, sampler->step);
        check(step <= 2 * (before > 0 ? before : 1));
        took = step * interval;
        *now_ps += took;
    }
    return took / 1000;
}

/* From 1 to 10^8 messages a second: each millisecond, but for who sends less, and for who sends 4,096 in less. */
UNIT(latency, settles_near_a_millisecond)
{
    for (uint64_t rate = 1; rate <= 100000000; rate += rate / 7 + 1) {
        struct latency_sampler sampler = {0};
        uint64_t now = UINT64_C(3600000000000000);
        const uint64_t interval = UINT64_C(1000000000000) / rate;
        for (unsigned i = 0; i < 50; i++) {
            const uint64_t took = run(&sampler, &now, interval, i == 0 ? 20 : 1);
            if (interval / 1000 >= LATENCY_INTERVAL_NS) {
                check_eq(sampler.step, 1);
            } else if (sampler.step < LATENCY_STEP_MAX) {
                check(took <= LATENCY_INTERVAL_NS + 1000 && 2 * took >= LATENCY_INTERVAL_NS - 1000);
            } else {
                check(took <= LATENCY_INTERVAL_NS);
            }
        }
        check((sampler.step == LATENCY_STEP_MAX) == (interval * LATENCY_STEP_MAX <= UINT64_C(1000000000)));
    }
}

UNIT(latency, slows_down_at_once_and_speeds_up_slowly)
{
    struct latency_sampler sampler = {0};
    uint64_t now = UINT64_C(3600000000000000);
    (void)run(&sampler, &now, 10000, 20); /* 10^8 a second */
    check_eq(sampler.step, LATENCY_STEP_MAX);
    now += UINT64_C(5000000000000); /* and then nothing for 5 s */
    check_eq(latency_step(&sampler, now / 1000), 1);
    for (unsigned i = 1; i <= 12; i++) { /* a clock that stands still */
        check_eq(latency_step(&sampler, now / 1000), 1u << i);
    }
    check_eq(latency_step(&sampler, now / 1000), LATENCY_STEP_MAX);
    check_eq(latency_step(&sampler, now / 1000 - 1), 1); /* or goes back: it went on for very long */
}
