/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "os_futex.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct timespec timespec_of(int64_t deadline)
{
    return (struct timespec){.tv_sec = deadline / 1000000000, .tv_nsec = deadline % 1000000000};
}

void os_futex_wait(atomic_u32 *word, uint32_t expected, int64_t deadline)
{
    const struct timespec until = timespec_of(deadline);
    /* FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC time. */
    (void)syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected, &until, NULL, FUTEX_BITSET_MATCH_ANY);
}

void os_futex_vector(const struct os_futex_word *words, unsigned count, struct futex_waitv *vector)
{
    for (unsigned i = 0; i < count; i++) {
        vector[i] = (struct futex_waitv){
            .val = words[i].expected, .uaddr = (uintptr_t)words[i].word, .flags = FUTEX_32};
    }
}

bool os_futex_wait_any(const struct os_futex_word *words, unsigned count, int64_t deadline)
{
    struct futex_waitv waiters[OS_FUTEX_WORDS];
    if (count > OS_FUTEX_WORDS) {
        return false;
    }
    os_futex_vector(words, count, waiters);
    const struct timespec until = timespec_of(deadline);
    return syscall(SYS_futex_waitv, waiters, count, 0, &until, CLOCK_MONOTONIC) >= 0 || errno == EAGAIN ||
           errno == ETIMEDOUT || errno == EINTR || errno == EFAULT;
}

void os_futex_wake_all(atomic_u32 *word)
{
    const int before = errno;
    (void)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    errno = before;
}
