/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleeping until something changes, and waking who sleeps.
 *
 *   call             who                            may overlap with
 *   waiter_notify    anybody, after each change     everything
 *   waiter_raise     who is about to sleep          everything
 *   waiter_sleep     the same thread, afterwards    everything
 *
 * killed        a sleeper leaves its flag up: one needless wake-up. A notifier killed between its change
 *               and the wake-up leaves the sleeper to its own bounded sleep.
 *
 * The sender pays nothing: it changes the ring and reads a flag that is hardly ever written. The order that
 * this needs (change before read) is made by the sleeper, whose membarrier puts a full barrier into every
 * registered process:
 *
 *   sender    stamp = lap;      [asym:wait]   if (sleepers) wake
 *   sleeper   sleepers = 1;     membarrier    look at the stamp again; sleep
 *
 * An unregistered sender has a real fence there; a sleeper without membarrier sleeps in short steps.
 */
#ifndef SHMBUS_BUS_WAITER_H
#define SHMBUS_BUS_WAITER_H

#include "layout.h"

#define WAITER_SPINS_TIGHT 1024u      /* looks without a pause: the reply that is on its way */
#define WAITER_SPIN_NS INT64_C(50000) /* then with pauses, about what a wake-up costs */
#define WAITER_LOOKS_PER_CLOCK 64u    /* looks between two glances at the clock */
#define WAITER_LOOKS_CROWDED 4u       /* the same where others wait for this CPU */

/* Clears the flag and wakes all. Returns true: somebody may have slept. */
bool waiter_wake(struct shm_wait *wait) __attribute__((cold));

/* After a change by a registered sender: true if somebody sleeps, so waiter_wake() is due. */
static inline bool waiter_wanted(const struct shm_wait *wait)
{
    fence_compiler(); /* [asym:wait] with waiter_raise() */
    return unlikely(load32_relaxed(&wait->sleepers) != WAIT_NONE);
}

/* After a change that sleepers on `wait` wait for. True if it had to wake. */
static inline bool waiter_notify(struct shm_wait *wait, bool registered)
{
    if (!registered) {
        fence_seq_cst(); /* [fence:wait] with waiter_raise() */
    }
    return waiter_wanted(wait) && waiter_wake(wait);
}

/* What waiter_raise() saw. */
struct waiter_ticket {
    uint32_t event;
    bool fenced; /* senders see the flag: sleep as long as you like */
};

/* Raises the flag. Look at the ring once more afterwards, then waiter_sleep(). */
struct waiter_ticket waiter_raise(struct shm_wait *wait);

/* Sleeps until woken, until `deadline`, or `most` ns, whichever comes first. */
void waiter_sleep(struct shm_wait *wait, struct waiter_ticket ticket, int64_t deadline, int64_t most);

#endif
