/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A waitset as in bus/waitset.c, for waitset.pml and fd.pml: what it looks at, how it raises its flags, and who leaves.
 * Its members are all channels of one bus. The set's mutex is not modelled: fewer things exclude each other here.
 */
bool woken; /* set 0: the wait has to return */

/* waitset_wake() */
proctype waker()
{
#ifdef MUTANT_WOKEN_LAST
    ring(0);
    woken = true;
#else
    woken = true;
    ring(0);
#endif
    finished++
}

/* waiter_forget(), by participant `p`: the bit may also be another's, who puts it back once his bell is rung. */
proctype leaver(byte p; byte ch)
{
    byte bits = BIT(p);
#ifdef MUTANT_FORGET_LATE
    p = 0;
    ring_all(bits);
    bells[ch] = bells[ch] & ~bits;
#elif defined(MUTANT_FORGET_SILENTLY)
    bells[ch] = bells[ch] & ~bits;
#elif defined(MUTANT_FORGET_OTHERS)
    bells[ch] = bells[ch] & ~bits;
    ring(p);
#else
    bells[ch] = bells[ch] & ~bits;
    p = 0;
    ring_all(bits);
#endif
    finished++
}

#define SET_WOKEN (me == 0 && woken)
#if CHANNELS > 1
#define SET_READY (SET_WOKEN || THERE(0) || THERE(1))
#define SET_OWED (SET_WOKEN || OWED(0) || OWED(1))
#else
#define SET_READY (SET_WOKEN || THERE(0))
#define SET_OWED (SET_WOKEN || OWED(0))
#endif
#ifndef TOLD
#define TOLD false
#endif
#define SET_OVER (QUIET && !SET_OWED && !TOLD)

/* Inside d_step: use all that is ready. */
inline take_all()
{
    woken = woken && me != 0;
    receive_all(3)
}

/* raise_flags(), but for waiter_take() */
inline raise_flags(p)
{
    if
    :: !stale
    :: stale ->
#ifdef MUTANT_WORD_EARLY
       look_whether_all_fence();
#endif
       waiter_raise_bell(p, 0);
#if CHANNELS > 1
       waiter_raise_bell(p, 1);
#endif
#ifndef MUTANT_WORD_EARLY
       look_whether_all_fence();
#endif
       waiter_barrier()
    fi
}

/* Jumps to `found` where a member is ready: one after the other. */
inline look_at_all()
{
    if
    :: SET_WOKEN -> goto found
    :: !SET_WOKEN
    fi;
#if CHANNELS > 1
    if
    :: THERE(1) -> goto found
    :: !THERE(1)
    fi;
#endif
    if
    :: THERE(0) -> goto found
    :: !THERE(0)
    fi
}
