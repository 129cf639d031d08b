/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptor of a waitset, as in bus/waitset.c and bus/notifier.c: an eventfd, written by a notifier that sleeps on
 * the bell in the user's stead. The user polls it, or calls waitset_wait() with SHMBUS_NOWAIT at any time without having
 * polled, and uses what it is told of or leaves it for later.
 *
 * The notifier is the thread. io_uring differs in that the kernel says "done" and writes the eventfd.
 *
 *   SENDERS         [1] to one channel
 *   MESSAGES        of each sender [1]
 *   WAKERS          calls of waitset_wake() [0]
 *   BLOCKING        the user may also wait without SHMBUS_NOWAIT, as if there were no descriptor
 */
#ifndef SENDERS
#define SENDERS 1
#endif
#ifndef MESSAGES
#define MESSAGES 1
#endif
#ifndef WAKERS
#define WAKERS 0
#endif
#define CHANNELS 1
#define CHANNEL_OF(s) 0

#define USER 0
#define NOTIFIER 1
#define SLEEPERS 2
#define PARTICIPANTS 1
#define BIT(p) 1
#define BELL(p) CHANNELS
#define WORD_OF(me) BELL(0)
#define ACTORS (SENDERS + WAKERS)
#define TOLD told

#include "machine.pml"
#include "protocol.pml"
#include "set.pml"

bool eventfd = true; /* readable; at first, so that the user looks once */
bool armed;          /* the notifier's state: ARMED, else PARKED */
bool told;           /* the user was told of something and has left it for later: the descriptor is to stay readable */
bool left;           /* the user has nothing to wait for any more */

/* notifier.c: sleep_when_armed(). One shot: whatever ends the sleep, the user is to look. */
proctype notifier()
{
    do
    :: armed ->
       futex_wait(NOTIFIER, left);
#ifdef MUTANT_PARKED_LAST
       eventfd = true;
       armed = false
#else
       armed = false;
       eventfd = true
#endif
    :: left && !armed -> break
    od
}

/* notifier_signal() */
inline signal()
{
    d_step { eventfd = true; readable = true }
}

/* notifier_keep() */
inline keep()
{
#ifndef MUTANT_KEEP
    if
    :: !readable -> signal()
    :: readable
    fi
#else
    skip
#endif
}

/* notifier_drain() */
inline drain_eventfd()
{
    d_step { eventfd = false; readable = false }
}

/* notifier_arm(): the notifier gets the ticket as it is. */
inline arm()
{
    d_step { unmoved[NOTIFIER] = unmoved[USER]; armed = true }
}

/* waitset.c: arm_anew(). Jumps to `found`. */
inline arm_anew(me)
{
    waiter_take(me, true);
    raise_flags(0);
#ifndef MUTANT_LOOK
    look_at_all();
#endif
#ifdef MUTANT_TICKET_LAST
    take_ticket(me);
#endif
    arm()
}

/* waitset.c: arm(), after a look that found nothing */
inline drain_and_arm(me)
{
#ifndef MUTANT_DRAIN_LAST
    drain_eventfd();
#endif
    if
    :: armed
#ifndef MUTANT_LOOK
       -> look_at_all()
#endif
    :: !armed ->
       drain_eventfd(); /* as the code does, for io_uring's sake */
       arm_anew(me)
    fi;
#ifdef MUTANT_DRAIN_LAST
    drain_eventfd()
#endif
}

/* waitset_wait() that may sleep: it leaves the descriptor alone unless it has something to tell. */
inline wait_blocking(me)
{
    waiter_take(me, true);
    raise_flags(0);
    look_at_all();
    futex_wait(me, SET_OVER)
}

/* All that is ready, or nothing for now. */
inline use_some()
{
    if
    :: d_step { take_all(); told = false }
    :: told = true
    fi
}

proctype user(byte me)
{
    byte got[SENDERS];
    bool ticket_fenced, stale, all_fence;
    bool readable; /* struct notifier */

again:
    if
    :: true ->
       if /* poll() sleeps until it is readable, or nothing is to come */
       :: eventfd
       :: SET_OVER && !eventfd -> goto over
       fi
    :: true
    fi;
    if
    :: SET_READY -> keep(); use_some(); goto again
    :: !SET_READY
    fi;
#ifdef BLOCKING
    if
    :: drain_and_arm(me)
    :: wait_blocking(me)
    fi;
#else
    drain_and_arm(me);
#endif
    goto again;
found:
    d_step { signal(); stale = false };
    use_some();
    goto again;
over:
    left = true
}

init
{
    atomic {
        for (i : 0 .. SENDERS - 1) {
            run store_buffer(i);
            run sender(i, 0, MESSAGES)
        }
        for (i : 0 .. WAKERS - 1) {
            run waker()
        }
        run notifier();
        run user(USER);
        start_killers()
    }
}
