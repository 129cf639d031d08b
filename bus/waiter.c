/* SPDX-License-Identifier: Apache-2.0 */
#include "waiter.h"

#include "os_barrier.h"
#include "os_clock.h"
#include "os_futex.h"

bool waiter_wake(struct shm_wait *wait)
{
    /* [rel:sleepers] [acq:sleepers] between those who wake at once: one of them sees the flag */
    if (exchange32_acq_rel(&wait->sleepers, WAIT_NONE) == WAIT_NONE) {
        return false; /* another sender wakes them */
    }
    (void)add32_acq_rel(&wait->event, 1); /* [rel:event] */
    os_futex_wake_all(&wait->event);
    return true;
}

struct waiter_ticket waiter_raise(struct shm_wait *wait)
{
    struct waiter_ticket ticket;
    ticket.event = load32_acquire(&wait->event); /* [acq:event] */
    store32_relaxed(&wait->sleepers, WAIT_ASLEEP);
    ticket.fenced = os_barrier_global(); /* [asym:wait] [fence:wait] with waiter_notify() */
    return ticket;
}

void waiter_sleep(struct shm_wait *wait, struct waiter_ticket ticket, int64_t deadline, int64_t most)
{
    if (!ticket.fenced && most > SLEEP_UNFENCED_NS) {
        most = SLEEP_UNFENCED_NS;
    }
    const int64_t now = os_clock_monotonic();
    if (deadline <= now) {
        return;
    }
    const int64_t until = deadline - now < most ? deadline : now + most;
    os_futex_wait(&wait->event, ticket.event, until);
}
