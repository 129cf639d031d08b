/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process-shared futexes.
 *
 * concurrency   any thread of any process, on any word
 * killed        the kernel forgets the sleeper
 */
#ifndef SHMBUS_BUS_OS_FUTEX_H
#define SHMBUS_BUS_OS_FUTEX_H

#include "atomics.h"

/* Sleeps while `*word` is `expected`, until woken or the absolute CLOCK_MONOTONIC `deadline`. May wake early. */
void os_futex_wait(atomic_u32 *word, uint32_t expected, int64_t deadline);

/* Wakes everybody who sleeps on `word`. */
void os_futex_wake_all(atomic_u32 *word);

#endif
