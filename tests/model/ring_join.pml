/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A group that begins while there is traffic: cursor.c (cursor_join, granted, oldest_intact) against ring_producer.c (look).
 * The stores before the two fences, limit and group state, sit in store buffers without them.
 *
 *   PUBLISHERS, MESSAGES, BATCH, SINGLE, GRANT   as in ring_claims.pml
 *   DEATHS, REPAIRERS as in ring.pml
 *   OLDEST            it begins at the oldest message that is certain to stay, not at the tail
 */
#ifndef PUBLISHERS
#define PUBLISHERS 1
#endif
#ifndef REPAIRERS
#define REPAIRERS 0
#endif
#define GROUPS 1
#define JOINS
#define NEWCOMERS 0
#define PROCESSES (PUBLISHERS + 1)
#define JOINER PUBLISHERS

#include "ring_words.pml"
#include "ring_claims.pml"
#include "ring_deaths.pml"

#define PUBLISHERS_DONE (finished == PUBLISHERS)

bool joiner_done;

inline check_end()
{
    assert(PUBLISHERS_DONE && joiner_done)
}

#include "ring_repair.pml"

#define READY(seq) IS_THERE(stamp[SLOT(seq)], seq)

/* cursor.c: granted(): how far past the tail publishers may go without a look at the groups; `slots`. */
inline granted()
{
    do
    :: at < PUBLISHERS && owner[at] == NONE -> at++
    :: at < PUBLISHERS && owner[at] != NONE ->
        from = limit_of[at];
        from = (from > seq -> from - seq : 0);
        from = (from < SLOTS -> from : SLOTS);
        slots = (from > slots -> from : slots);
        from = 0;
        at++
    :: at == PUBLISHERS -> break
    od;
    at = 0
}

/* oldest_intact(): all messages are inline, so the oldest safe slot it is. */
inline oldest_intact()
{
    seq = tail;
#ifndef MUTANT_LIMITS_UNSEEN
    granted();
#endif
#ifndef MUTANT_TAIL_ONCE
    d_step { from = tail - seq; slots = (from > slots -> from : slots); from = 0 }
#endif
    slots = (slots < SLOTS -> SLOTS - slots : 0);
    seq = (seq - FIRST < slots -> FIRST : seq - slots);
    slots = 0
}

/* cursor_join(): active with a cursor that is too low, FENCE, and then where it is. */
inline cursor_join()
{
    seq = tail;
#ifdef OLDEST
    cursor[0] = seq - SLOTS;
#else
    cursor[0] = seq;
#endif
#ifndef MUTANT_GROUP_FENCE
    is_active[0] = true;
#endif
#ifdef OLDEST
    oldest_intact();
#else
    seq = tail;
#endif
#ifdef MUTANT_GROUP_FENCE
    is_active[0] = true; /* the loads have passed it */
#endif
    d_step { cursor[0] = seq; stir() }
    is_active[0] = true
}

inline pass_aborted()
{
    d_step { seq++; held[0] = seq }
    d_step { cursor[0] = seq; stir() }
}

/* What it begins at is there or will come, whole; then all the rest, in order of each publisher. */
inline read_message()
{
    assert(!IS_STALE(stamp[SLOT(seq)], seq));
    first = first_word[SLOT(seq)];
    second = second_word[SLOT(seq)];
    d_step {
        assert(first == second && !IS_STALE(stamp[SLOT(seq)], seq));
        assert((first - 1) % 16 == got[(first - 1) / 16] || got[(first - 1) / 16] == 0);
        got[(first - 1) / 16] = (first - 1) % 16 + 1;
        first = 0;
        second = 0
    }
    pass_aborted()
}

proctype joiner()
{
    byte seq, first, second, at, from, slots;
    byte got[PROCESSES];
    d_step { IS_FREE(opener) -> opener = OWNED_BY(JOINER) }
    cursor_join();
    opener = NONE;
    do
    :: IS_THERE(stamp[SLOT(seq)], seq) && (stamp[SLOT(seq)] & ABORTED) -> pass_aborted()
    :: IS_THERE(stamp[SLOT(seq)], seq) && !(stamp[SLOT(seq)] & ABORTED) -> read_message()
    :: IS_STALE(stamp[SLOT(seq)], seq) -> assert(false) /* -EBADMSG */
    :: PUBLISHERS_DONE && seq == tail -> break
    od;
    joiner_done = true
}

init
{
    atomic {
        for (i : 0 .. PUBLISHERS - 1) {
            run publisher(i, i)
        };
        i = 0;
        run joiner();
#if REPAIRERS
        run repairer(1, false);
#endif
        run repairer(0, true);
        start_killers()
    }
}
