/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linked in front of the library (--wrap), this wakes nobody any more after some time: handoffs sees it when sleeps
 * have no bound, and gets on all the same, slowly, when they have.
 */
#include "os_futex.h"

#include <stdatomic.h>

#ifndef WAKES
#define WAKES 100u /* by each process before it stops */
#endif

void __real_os_futex_wake_all(atomic_u32 *word);
void __wrap_os_futex_wake_all(atomic_u32 *word);

void __wrap_os_futex_wake_all(atomic_u32 *word)
{
    static atomic_uint wakes;
    if (atomic_fetch_add(&wakes, 1) < WAKES) {
        __real_os_futex_wake_all(word);
    }
}
