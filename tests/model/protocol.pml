/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The waiting protocol, as in bus/waiter.c: what a sender does after its commit, how a sleeper raises a flag, and the
 * sleeper for one channel (wait.c: wait_kind_source). With FENCED, what publisher.c adds: senders that say they fence.
 * Wants PARTICIPANTS, BELL(p), BIT(p).
 *
 * `sleepers` counts raises beside its flags, only to be compared with what it was, by the waker's CAS: one bit here
 * (`linked`: unchanged since its load), which is exact as long as 2^62 raises do not fit in between.
 *
 * A MUTANT_... is a mistake put in on purpose: the check must then fail. A WITHOUT_... leaves out what no wake-up hangs on.
 */
#define ASLEEP 1
#define BELLS 2

byte sleepers[CHANNELS]; /* ASLEEP, BELLS */
byte bells[CHANNELS];    /* bit set of participants */
bool linked[SENDERS];    /* the sender's CAS will succeed */

/* Inside d_step: `sleepers` of the channel changes. */
inline unlink(ch)
{
    for (i : 0 .. SENDERS - 1) {
        linked[i] = linked[i] && CHANNEL_OF(i) != ch
    };
    i = 0
}

/* Inside d_step: flags down. */
inline lower(ch)
{
    sleepers[ch] = 0;
    unlink(ch)
}

/* ------------------------------------------------------------------------------------------------ sender */

inline wake_direct(s, ch)
{
#ifdef MUTANT_EVENT
    d_step { drain(s) }
#else
    d_step { drain(s); move(EVENT(ch)) }
#endif
    d_step { futex_wake_all(EVENT(ch)) }
}

/* participant_ring() */
inline ring(p)
{
    d_step { move(BELL(p)) }
    d_step { futex_wake_all(BELL(p)) }
}

/* Participants that have a bit in common are all rung. */
inline ring_all(bits)
{
    do
    :: p < PARTICIPANTS && (bits & BIT(p)) -> ring(p); p++
    :: p < PARTICIPANTS && !(bits & BIT(p)) -> p++
    :: else -> p = 0; break
    od
}

inline ring_bells(s, ch)
{
    bits = bells[ch];
    if
    :: bits -> d_step { drain(s) } /* the first ring is a locked instruction */
    :: else
    fi;
    ring_all(bits);
    bits = 0
}

/* The CAS, a locked instruction even if it fails. */
inline lower_if_unchanged(s, ch)
{
    d_step {
        drain(s);
#ifdef MUTANT_BLIND
        lower(ch)
#else
        if
        :: linked[s] -> lower(ch)
        :: else
        fi;
        linked[s] = false
#endif
    }
}

/* waiter_wake() */
inline waiter_wake(s, ch)
{
#ifdef MUTANT_LOWER_FIRST
    d_step { drain(s); flags = sleepers[ch]; lower(ch) }
#else
    d_step { flags = sleepers[ch]; linked[s] = flags != 0 }
#endif
    if
    :: flags & ASLEEP -> wake_direct(s, ch)
    :: else
    fi;
    if
    :: flags & BELLS -> ring_bells(s, ch)
    :: else
    fi;
#ifndef MUTANT_LOWER_FIRST
    if
    :: flags -> lower_if_unchanged(s, ch)
    :: else
    fi;
#endif
#ifdef FENCED
    d_step { woke = flags != 0; flags = 0 }
#else
    flags = 0
#endif
}

#ifdef FENCED
/* publisher.c: set_fenced() */
inline set_fenced(s, value)
{
    fenced_buffered[s] = value;
#ifdef MUTANT_WORD_FENCE
    fences = value
#else
    d_step { drain(s); fences = value }
#endif
}

/* publisher.c: stop_fencing(). The code does it after 16 quiet looks, the model after any. */
inline stop_fencing(s, ch)
{
    set_fenced(s, false);
#ifndef WITHOUT_WORD_LOOK
    if
    :: sleepers[ch] != 0 -> set_fenced(s, true)
    :: else
    fi
#endif
}

/* publisher_notify(), the second half */
inline learn(s, ch)
{
    if
    :: woke && !fences -> set_fenced(s, true)
    :: !woke && fences && !HAS(UNREGISTERED, s) -> stop_fencing(s, ch)
    :: !woke || fences
    fi
}
#else
#define learn(s, ch) skip
#endif

/* waiter_notify() */
inline waiter_notify(s, ch)
{
#ifndef MUTANT_FENCE
    if
    :: fences -> d_step { drain(s) }
    :: else
    fi;
#endif
    if
    :: sleepers[ch] != 0 -> waiter_wake(s, ch)
    :: else
    fi
}

/* Commits `count` messages, with a look for sleepers after each. */
proctype sender(byte s; byte ch; byte count)
{
    byte flags, bits, p;
    bool woke; /* it found sleepers */
#ifdef FENCED
    bool fences = true;
#else
    bool fences = HAS(UNREGISTERED, s);
#endif
    {
        do
        :: d_step { count > 0 -> commit(s); count--; woke = false }
           waiter_notify(s, ch);
           learn(s, ch)
        :: count == 0 -> break
        od
    } UNLESS_SENDER_HALTS(s);
    finished++
}

/* ------------------------------------------------------------------------------------------------ raising */

/* waiter_raise(): the count even if the flag is up. */
inline waiter_raise(ch, flag)
{
    if
#ifdef MUTANT_RAISE_COUNT
    :: sleepers[ch] & flag
#else
    :: d_step { sleepers[ch] & flag -> unlink(ch) }
#endif
    :: d_step { !(sleepers[ch] & flag) -> unlink(ch) };
       d_step { sleepers[ch] = sleepers[ch] | flag; unlink(ch) }
    fi
}

inline set_bit(p, ch)
{
    if
    :: bells[ch] & BIT(p)
    :: else -> bells[ch] = bells[ch] | BIT(p)
    fi
}

/* waiter_raise_bell() */
inline waiter_raise_bell(p, ch)
{
#ifdef MUTANT_FLAG_FIRST
    waiter_raise(ch, BELLS);
    set_bit(p, ch)
#else
    set_bit(p, ch);
    waiter_raise(ch, BELLS)
#endif
}

/* waiter_take(), where `when` holds: sets `stale`, or leaves it. */
inline waiter_take(me, when)
{
    d_step {
        when;
        if
        :: ticket_fenced && unmoved[me]
        :: else ->
#ifdef MUTANT_SKIP_MOVED
            stale = !ticket_fenced;
#else
            stale = true;
            ticket_fenced = false;
#endif
            take_ticket(me)
        fi
    }
}

/* Is every sender seen to fence? The code has a full fence before; without, the loads could pass the raise. */
inline look_whether_all_fence()
{
#ifdef FENCED
    all_fence = fenced[0];
#if SENDERS > 1
    all_fence = all_fence && fenced[1]
#endif
#else
    skip
#endif
}

/* waiter_barrier() */
inline waiter_barrier()
{
    if
    :: all_fence
    :: !all_fence -> membarrier()
    fi;
    d_step {
#ifdef NO_MEMBARRIER
        ticket_fenced = all_fence;
#else
        ticket_fenced = true;
#endif
        all_fence = false;
        stale = false
    }
}

/* --------------------------------------------------------------------------- who sleeps for one channel */

#define IN(ch, s) (CHANNEL_OF(s) == (ch) && stamp[s] > got[s])
#if SENDERS > 1
#define THERE(ch) (IN(ch, 0) || IN(ch, 1))
#define OWED(ch) (IN(ch, 0) && OWES(0) || IN(ch, 1) && OWES(1))
#else
#define THERE(ch) IN(ch, 0)
#define OWED(ch) (IN(ch, 0) && OWES(0))
#endif

/* Nothing is there that must be, and nothing will come. */
#define OVER(ch) (QUIET && !OWED(ch))

/* Inside d_step: receives what is there in the channels of a bit set. */
inline receive_all(channels)
{
    for (i : 0 .. SENDERS - 1) {
        got[i] = (HAS(channels, CHANNEL_OF(i)) -> stamp[i] : 0)
    };
    i = 0
}

/* wait.c: source_raise(), but for waiter_take() */
inline source_raise(me, ch)
{
    if
    :: !stale
    :: stale ->
#ifdef MUTANT_WORD_EARLY
        look_whether_all_fence();
        waiter_raise(ch, ASLEEP);
#else
        waiter_raise(ch, ASLEEP);
        look_whether_all_fence();
#endif
        waiter_barrier()
    fi
}

/* wait.c: sleep_once() */
inline sleep_once(me, ch)
{
    source_raise(me, ch);
    if
#ifndef MUTANT_LOOK
    :: THERE(ch) || OVER(ch)
    :: !THERE(ch) && !OVER(ch) ->
#else
    :: true ->
#endif
#ifdef MUTANT_TICKET_LAST
        take_ticket(me);
#endif
        futex_wait(me, OVER(ch))
    fi
}

/*
 * A group of its own: receives all that comes. It may go to sleep at any time, having seen nothing before, and wake up at
 * any time, having seen nothing since.
 */
proctype direct(byte me; byte ch)
{
    byte got[SENDERS];
    bool ticket_fenced, stale, all_fence;
    {
        do
        :: d_step { THERE(ch) -> receive_all(1 << ch) }
        :: !THERE(ch) && OVER(ch) -> break
        :: waiter_take(me, !OVER(ch)); sleep_once(me, ch)
        od
    } UNLESS_SLEEPER_HALTS(me);
    asleep[me] = false /* the kernel forgets the sleep of the killed */
}
