/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futexes that processes share. Who sleeps looks again whatever ended the sleep: it may end early.
 *
 * concurrency   any thread of any process, on any word
 * killed        the kernel forgets the sleeper
 */
#ifndef SHMBUS_BUS_OS_FUTEX_H
#define SHMBUS_BUS_OS_FUTEX_H

#include "atomics.h"

#define OS_FUTEX_WORDS 128u /* most that the kernel waits on at once */

struct os_futex_word {
    atomic_u32 *word;
    uint32_t expected;
};

struct futex_waitv; /* of <linux/futex.h> */

/* The words as the kernel's calls for several take them. */
void os_futex_vector(const struct os_futex_word *words, unsigned count, struct futex_waitv *vector);

/* Sleeps while `*word` is `expected`, until woken or the absolute CLOCK_MONOTONIC `deadline`. */
void os_futex_wait(atomic_u32 *word, uint32_t expected, int64_t deadline);

/*
 * The same on up to OS_FUTEX_WORDS at once. False, at once, where the kernel lacks that (before Linux 5.16) or
 * does not allow it.
 */
bool os_futex_wait_any(const struct os_futex_word *words, unsigned count, int64_t deadline);

/* Wakes everybody who sleeps on `word`. Keeps errno: a signal handler may call it. */
void os_futex_wake_all(atomic_u32 *word);

#endif
