/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A waitset, which sleeps on its participant's bell for all channels at once, beside a sleeper for the first channel
 * alone, a call of waitset_wake(), and others who leave.
 *
 *   SENDERS         [2] one for each channel
 *   ONE_CHANNEL     all senders send to it
 *   READERS         sleepers for the first channel alone [1]
 *   WAKERS          calls of waitset_wake() [1]
 *   LEAVERS         others who leave the first channel [0]: another waitset of the same participant; or
 *   SHARE_BIT       a waitset of another participant that has the same bit
 *   MESSAGES        of each sender [1]
 */
#ifdef ONE_CHANNEL
#define CHANNELS 1
#define CHANNEL_OF(s) 0
#else
#define CHANNELS 2
#define CHANNEL_OF(s) (s)
#endif
#ifndef SENDERS
#define SENDERS 2
#endif
#ifndef READERS
#define READERS 1
#endif
#ifndef WAKERS
#define WAKERS 1
#endif
#ifndef LEAVERS
#define LEAVERS 0
#endif
#ifndef MESSAGES
#define MESSAGES 1
#endif

#define SLEEPERS (1 + READERS)
#ifdef SHARE_BIT
#define PARTICIPANTS 2
#else
#define PARTICIPANTS 1
#endif
#define BIT(p) 1
#define BELL(p) (CHANNELS + (p))
#define WORD_OF(me) ((me) == 0 -> BELL(0) : EVENT(0))
#define ACTORS (SENDERS + WAKERS + LEAVERS)

#include "machine.pml"
#include "protocol.pml"
#include "set.pml"

/* waitset_wait(), and the use of what it finds. It may go to sleep, and wake up, at any time. */
proctype waitset(byte me)
{
    byte got[SENDERS];
    bool ticket_fenced, stale, all_fence;
    {
found:
        do
        :: d_step { SET_READY -> take_all() }
        :: !SET_READY && SET_OVER -> break
        :: waiter_take(me, !SET_OVER);
           raise_flags(0);
#ifndef MUTANT_LOOK
           look_at_all();
#endif
#ifdef MUTANT_TICKET_LAST
           take_ticket(me);
#endif
           futex_wait(me, SET_OVER)
        od
    } UNLESS_SLEEPER_HALTS(me);
    asleep[me] = false
}

init
{
    atomic {
        for (i : 0 .. SENDERS - 1) {
            run store_buffer(i);
            run sender(i, CHANNEL_OF(i), MESSAGES)
        }
        run waitset(0);
        for (i : 0 .. READERS - 1) {
            run direct(1 + i, 0)
        }
        for (i : 0 .. WAKERS - 1) {
            run waker()
        }
        for (i : 0 .. LEAVERS - 1) {
            run leaver(PARTICIPANTS - 1, 0)
        }
        start_killers()
    }
}
