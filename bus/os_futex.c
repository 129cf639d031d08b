/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "os_futex.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void os_futex_wait(atomic_u32 *word, uint32_t expected, int64_t deadline)
{
    const struct timespec until = {.tv_sec = deadline / 1000000000, .tv_nsec = deadline % 1000000000};
    /* FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC time; the caller looks again whatever it returns. */
    (void)syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected, &until, NULL, FUTEX_BITSET_MATCH_ANY);
}

void os_futex_wake_all(atomic_u32 *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
