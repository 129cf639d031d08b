/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the waiting protocol stands on: store buffers as x86-64 has them, membarrier, futexes, and processes that stop.
 *
 * The model that includes this defines CHANNELS, SENDERS and CHANNEL_OF(sender), SLEEPERS and WORD_OF(sleeper), the
 * futex word that it sleeps on, and ACTORS: how many there are whose work a sleeper waits for. It may define
 *
 *   UNREGISTERED      bit set of the senders that could not register for membarrier
 *   NO_MEMBARRIER     sleepers lack the system call
 *   HALT_SENDERS      bit set of those that may halt, killed or stopped for ever, before any of their steps
 *   HALT_SLEEPERS     the same, of sleepers
 *   BOUNDED           a sleep ends by itself once nobody is left who could end it
 *   ALL_OWED          sleepers must also get what a sender left that halted before it woke them
 */
#ifndef UNREGISTERED
#define UNREGISTERED 0
#endif
#ifndef HALT_SENDERS
#define HALT_SENDERS 0
#endif
#ifndef HALT_SLEEPERS
#define HALT_SLEEPERS 0
#endif

#define HAS(set, i) (((set) >> (i)) & 1)

hidden byte i; /* of the loops inside d_step; set to 0 behind each, since Spin allows none to end a d_step */

/* ------------------------------------------------------------------------------------------------ memory */

#define NOTHING 2

byte stamp[SENDERS];    /* messages of a sender that all can see: the stamps in memory */
byte buffered[SENDERS]; /* stamps that still sit in its store buffer */
byte finished;          /* actors that are done, or have halted */

#ifdef FENCED
/* struct shm_publisher: `fenced`; and its value that sits in the store buffer behind the stamps. */
bool fenced[SENDERS] = true;
byte fenced_buffered[SENDERS] = NOTHING;
#endif

/* The sender's plain store of a stamp. */
#define commit(s) buffered[s]++

/* Inside d_step: a full fence of sender `s`. Each of its locked instructions is one, too. */
inline drain(s)
{
    stamp[s] = stamp[s] + buffered[s];
    buffered[s] = 0;
#ifdef FENCED
    fenced[s] = (fenced_buffered[s] == NOTHING -> fenced[s] : fenced_buffered[s]);
    fenced_buffered[s] = NOTHING
#endif
}

/* The hardware: stores leave the buffer some time, in order, also after their process has been killed. */
proctype store_buffer(byte s)
{
end:
    do
    :: d_step { buffered[s] > 0 -> buffered[s]--; stamp[s]++ }
#ifdef FENCED
    :: d_step { buffered[s] == 0 && fenced_buffered[s] != NOTHING -> drain(s) }
#endif
    od
}

#if SENDERS > 1
#define STORES_PENDING (buffered[0] + buffered[1] > 0)
#else
#define STORES_PENDING (buffered[0] > 0)
#endif

/* Nobody is left who could send or wake. */
#define QUIET (finished == ACTORS && !STORES_PENDING)

/* The full barrier that membarrier puts into sender `s`, if that registered. */
inline interrupt(s)
{
    d_step {
        if
        :: !HAS(UNREGISTERED, s) -> drain(s)
        :: else
        fi
    }
}

/* One CPU after the other passes it, in any order, each at a moment of its own. */
inline membarrier()
{
#if !defined(NO_MEMBARRIER) && !defined(MUTANT_MEMBARRIER)
#if SENDERS > 1
    if
    :: interrupt(0); interrupt(1)
    :: interrupt(1); interrupt(0)
    fi
#else
    interrupt(0)
#endif
#else
    skip
#endif
}

/* ----------------------------------------------------------------------------------------------- futexes */

/*
 * A futex word is only ever counted up, and compared with what it was. So a sleeper's ticket is one bit: has the word
 * not moved since? That is exact as long as 2^32 wake-ups do not fit between a look and a sleep.
 */
bool unmoved[SLEEPERS];
bool asleep[SLEEPERS];

#define EVENT(ch) (ch) /* futex words 0 .. CHANNELS - 1 */

#define take_ticket(me) unmoved[me] = true

/* Inside d_step. */
inline move(w)
{
    for (i : 0 .. SLEEPERS - 1) {
        unmoved[i] = unmoved[i] && WORD_OF(i) != w
    };
    i = 0
}

/* Inside d_step: the kernel holds its lock throughout. */
inline futex_wake_all(w)
{
    for (i : 0 .. SLEEPERS - 1) {
        asleep[i] = asleep[i] && WORD_OF(i) != w
    };
    i = 0
}

/*
 * The kernel compares and queues under one lock. Anything may end a sleep early, a signal or a time-out: that is a call
 * that returns at once and a sleeper that is slow to go on. But no sleeper that needs a wake-up gets one by such luck:
 * it may as well sleep until it is woken. `over` holds when there is nothing left to wait for.
 */
inline futex_wait(me, over)
{
    if
    :: d_step { unmoved[me] -> asleep[me] = true };
       if
       :: !asleep[me]
       :: d_step { over -> asleep[me] = false }
#ifdef BOUNDED
       :: d_step { asleep[me] && QUIET && !(over) -> asleep[me] = false }
#endif
       fi
    :: skip
    fi
}

/* -------------------------------------------------------------------------------------------------- halts */

bool sender_halts[SENDERS];
bool sleeper_halts[SLEEPERS];

/* What is always there to be executed first costs states: only where somebody may halt. */
#if HALT_SENDERS
#define UNLESS_SENDER_HALTS(s) unless { sender_halts[s] }
#else
#define UNLESS_SENDER_HALTS(s)
#endif
#if HALT_SLEEPERS
#define UNLESS_SLEEPER_HALTS(s) unless { sleeper_halts[s] }
#else
#define UNLESS_SLEEPER_HALTS(s)
#endif

/* A killer may strike at any moment, or never. */
proctype killer_of_sender(byte s)
{
    if
    :: sender_halts[s] = true
    :: skip
    fi
}

proctype killer_of_sleeper(byte s)
{
    if
    :: sleeper_halts[s] = true
    :: skip
    fi
}

inline start_killers()
{
    for (i : 0 .. SENDERS - 1) {
        if
        :: HAS(HALT_SENDERS, i) -> run killer_of_sender(i)
        :: else
        fi
    }
    for (i : 0 .. SLEEPERS - 1) {
        if
        :: HAS(HALT_SLEEPERS, i) -> run killer_of_sleeper(i)
        :: else
        fi
    };
    i = 0
}

/* Must its message reach a sleeper by the sender's own wake-up, or another's? */
#if defined(ALL_OWED) || !HALT_SENDERS
#define OWES(s) true
#else
#define OWES(s) (!sender_halts[s])
#endif
