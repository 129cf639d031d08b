/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleeping until something changes, and waking who sleeps. After ck_ec's event counts, with the barrier moved
 * from the sender to the sleeper.
 *
 *   call                who                            may overlap with
 *   waiter_notify       anybody, after each change     everything
 *   waiter_raise*       who is about to sleep          everything
 *   waiter_sleep        the same thread, afterwards    everything
 *   waiter_interrupt    anybody, a signal handler too  everything
 *
 * killed        a sleeper leaves its flag up: one needless wake-up. A notifier killed between its change
 *               and the wake-up leaves the sleeper to its own bounded sleep.
 *
 * The sender pays nothing: it changes the ring and reads a flag that is hardly ever written. The order that
 * this needs (change before read) is made by the sleeper, whose membarrier puts a full barrier into every
 * registered process:
 *
 *   sender    stamp = lap;                 [asym:wait]  if (flag is up) event++, wake, take the flag down
 *   sleeper   ticket = event; flag = up;   membarrier   look at the stamp again; sleep while event == ticket
 *
 * Either the sender sees the flag, and then the event moves after the ticket was taken; or the sleeper's second
 * look sees the stamp. An unregistered sender has a real fence there, and so has one that had to wake somebody
 * lately: where all senders fence, so does the sleeper, and interrupts nobody by a membarrier. A sleeper that
 * cannot call that sleeps in short steps. The flag comes down last, and only if nobody raised it since it was seen: a waker that stops
 * half-way leaves it up for the others. docs/waiting.md has the whole argument, tests/model the checked model.
 *
 * Who waits for one channel sleeps on its `event`: one wake-up for all of them. A waitset sleeps on the bell of
 * its participant, whatever number of channels it waits for, and leaves its bit with each channel.
 */
#ifndef SHMBUS_BUS_WAITER_H
#define SHMBUS_BUS_WAITER_H

#include "os_futex.h"
#include "participant.h"

/* Wakes all and takes the flags down. Returns true: somebody may have slept. */
bool waiter_wake(struct shm_wait *wait, const struct participant *self) __attribute__((cold));

/* After a change by a registered sender: true if somebody sleeps, so waiter_wake() is due. */
static inline bool waiter_wanted(const struct shm_wait *wait)
{
    if (!WAIT_BUILT) {
        return false;
    }
    fence_compiler(); /* [asym:wait] with waiter_barrier() */
    return unlikely((load64_relaxed(&wait->sleepers) & WAIT_FLAGS) != 0);
}

/* After a change that sleepers on `wait` wait for, by whoever should fence. True if it had to wake. */
static inline bool waiter_notify(struct shm_wait *wait, const struct participant *self, bool fenced)
{
    if (WAIT_BUILT && fenced) {
        fence_seq_cst(); /* [fence:wait] with waiter_barrier() */
    }
    return waiter_wanted(wait) && waiter_wake(wait, self);
}

/* The same after a rare change: it always fences. */
static inline void waiter_tell(struct shm_wait *wait, const struct participant *self)
{
    (void)waiter_notify(wait, self, true);
}

/* What a sleeper saw before its last look: it sleeps while that is so. Starts as zeros. */
struct waiter_ticket {
    struct os_futex_word futex;
    bool fenced; /* senders see its flags: sleep as long as you like */
};

/*
 * Looks at `word` anew. True: it has moved, or our flags are not known to all senders: they must be raised. False:
 * they have been up since we raised them, for whoever takes one down moves the word before.
 */
bool waiter_take(struct waiter_ticket *ticket, atomic_u32 *word);

/* Raise the flag for the `event` of `wait` (WAIT_ASLEEP), or for the bell of participant `index`. */
void waiter_raise(struct shm_wait *wait, uint64_t flag);
void waiter_raise_bell(struct shm_wait *wait, uint32_t index);

/*
 * The participant waits for this no more, by this handle at least: the bells of all that have its bit are rung, so
 * that who does wait raises it again.
 */
void waiter_forget(struct shm_wait *wait, const struct participant *self, uint32_t index);

/*
 * Lets all senders see the flags that were raised. Then look once more, and sleep. `fenced`: all senders were seen
 * to fence, after a fence of ours that followed the flags; then that one was enough.
 */
static inline void waiter_barrier(struct waiter_ticket *ticket, const struct participant *self, bool fenced)
{
    ticket->fenced = fenced || participant_barrier(self); /* [asym:wait] [fence:wait] with waiter_notify() */
}

/* How a sleep ends if nothing happens. */
struct waiter_bounds {
    int64_t deadline;           /* absolute */
    int64_t most;               /* ns */
    const uint32_t *interrupts; /* waiter_interrupts() as it was looked at: one more ends it; or NULL */
};

/* A sleep to be slept, by whoever. */
struct waiter_plan {
    struct os_futex_word words[OS_FUTEX_WORDS];
    unsigned count;
    int64_t until; /* absolute */
};

/* Plans to sleep while no ticket's word has moved; in short steps if there are more than the kernel takes at once. */
void waiter_plan_sleep(struct waiter_plan *plan, const struct waiter_ticket *tickets, unsigned count,
                       const struct waiter_bounds *bounds);

/* Sleeps it; in short steps where the kernel takes only one word. */
void waiter_execute(const struct waiter_plan *plan);

/* Both. */
void waiter_sleep(const struct waiter_ticket *tickets, unsigned count, const struct waiter_bounds *bounds);

/* How often waiter_interrupt() was called in this process. */
uint32_t waiter_interrupts(void);

/* Ends interruptible sleeps. Async-signal-safe. */
void waiter_interrupt(void);

#endif
