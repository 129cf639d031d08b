/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linked in front of the library (--wrap), this wakes nobody any more after some time: handoffs sees it when sleeps
 * have no bound, and gets on all the same, slowly, when they have.
 */
#include "notifier.h"
#include "os_futex.h"

#include <stdatomic.h>

#ifndef WAKES
#define WAKES 100u /* by each process before it stops */
#endif

void __real_os_futex_wake_all(atomic_u32 *word);
void __wrap_os_futex_wake_all(atomic_u32 *word);
int __real_notifier_arm(struct notifier *notifier, const struct waiter_plan *plan);
int __wrap_notifier_arm(struct notifier *notifier, const struct waiter_plan *plan);
void __real_notifier_close(struct notifier *notifier);
void __wrap_notifier_close(struct notifier *notifier);

/* Without io_uring a process wakes a thread of its own, which no death can come between: that needs no bound. */
static __thread bool within;

void __wrap_os_futex_wake_all(atomic_u32 *word)
{
    static atomic_uint wakes;
    if (within || atomic_fetch_add(&wakes, 1) < WAKES) {
        __real_os_futex_wake_all(word);
    }
}

int __wrap_notifier_arm(struct notifier *notifier, const struct waiter_plan *plan)
{
    within = true;
    const int result = __real_notifier_arm(notifier, plan);
    within = false;
    return result;
}

void __wrap_notifier_close(struct notifier *notifier)
{
    within = true;
    __real_notifier_close(notifier);
    within = false;
}
