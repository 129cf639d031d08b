/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/timing.h"

double clock_ticks_per_ns(void)
{
    int64_t from_ns = clock_ns();
    uint64_t from = clock_ticks();
    while (clock_ns() - from_ns < 50000000)
        cpu_relax();
    uint64_t ticks = clock_ticks() - from;
    return (double)ticks / (double)(clock_ns() - from_ns);
}

void clock_pass(int64_t ns, bool asleep)
{
    int64_t end = clock_ns() + ns;
    struct timespec until = {.tv_sec = end / 1000000000, .tv_nsec = end % 1000000000};
    if (asleep)
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    while (clock_ns() < end)
        cpu_relax();
}

#define GAPS 2000u
#define STEP_LEAST 8u /* less does not matter */
#define STEP_MOST 64u

/* How many of the gaps are multiples of `step`, up to the 1 by which readings within one step differ. */
static unsigned gaps_fitting(const uint64_t *gaps, uint64_t step)
{
    unsigned fitting = 0;
    for (unsigned i = 0; i < GAPS; i++)
        fitting += (gaps[i] + 1) % step <= 2;
    return fitting;
}

uint32_t clock_step(void)
{
    uint64_t gaps[GAPS];
    uint64_t last = clock_ticks();
    for (unsigned i = 0; i < GAPS; i++) {
        for (unsigned k = 0; k < i % 29; k++)
            fence_compiler();
        uint64_t now = clock_ticks();
        gaps[i] = now - last;
        last = now;
    }
    uint32_t best = STEP_MOST;
    for (uint32_t step = STEP_MOST; step >= STEP_LEAST; step--)
        best = gaps_fitting(gaps, step) > gaps_fitting(gaps, best) ? step : best;
    return gaps_fitting(gaps, best) > GAPS - GAPS / 10 ? best : 1;
}
