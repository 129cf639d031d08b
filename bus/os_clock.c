/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "os_clock.h"

#include <time.h>

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int64_t os_clock_monotonic(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t os_clock_realtime(void)
{
    return (uint64_t)clock_ns(CLOCK_REALTIME);
}

void os_clock_nap(int64_t nanoseconds)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = nanoseconds}, NULL);
}
