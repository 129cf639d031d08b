/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishers and exclusive groups on a block channel; publishers that die, and repairs.
 *
 *   PUBLISHERS, MESSAGES, BATCH, SINGLE, GROUPS, GRANT   as in ring_claims.pml
 *   LAZY              readers publish their cursor when they find nothing, not before
 *   DEATHS            bit set of the publishers that may be killed
 *   NEWCOMERS         1: a publisher that takes the entry of a dead one [0]
 *   REPAIRERS         1: one that repairs at any moment, once [0]
 *   PASSES            repairs at any moment of the last one, who repairs when all wait [0]
 */
#ifndef PUBLISHERS
#define PUBLISHERS 1
#endif
#ifndef GROUPS
#define GROUPS 1
#endif
#ifndef NEWCOMERS
#define NEWCOMERS 0
#endif
#ifndef REPAIRERS
#define REPAIRERS 0
#endif
#ifndef PASSES
#define PASSES 0
#endif
#define PROCESSES (PUBLISHERS + NEWCOMERS)

#include "ring_words.pml"
#include "ring_claims.pml"
#include "ring_deaths.pml"

byte readers_done;

#define PUBLISHERS_DONE (finished == PROCESSES)

/* Inside d_step. Everybody has had all, and every slot and entry can be used again. */
inline check_end()
{
    d_step {
        assert(PUBLISHERS_DONE && readers_done == GROUPS);
        for (i : 0 .. PUBLISHERS - 1) {
            assert(owner[i] == NONE)
        };
        for (i : 0 .. SLOTS - 1) {
            assert(IS_FINISHED(stamp[SLOT(tail + i)], tail - SLOTS + i))
        };
        i = 0
    }
}

#include "ring_repair.pml"

#if GROUPS
#define READY(seq) IS_THERE(stamp[SLOT(seq)], seq)

/* ring_consumer.c: consumer_publish() */
#define consumer_publish(g) d_step { cursor[g] = seq; stir() }

/* advance(): the message is given back. */
inline advance(g)
{
    seq++;
#ifdef LAZY
    d_step { held[g] = seq; stir() }
#else
    held[g] = seq;
    consumer_publish(g)
#endif
}

/* A message is whole, and the next one of its publisher. */
inline check_message()
{
    d_step {
        assert(first == second);
        assert((first - 1) % 16 == got[(first - 1) / 16]);
        got[(first - 1) / 16]++;
        first = 0;
        second = 0
    }
}

inline read_message(g)
{
#ifdef MUTANT_RELEASE_FIRST
    advance(g);
    first = first_word[SLOT(seq - 1)];
    second = second_word[SLOT(seq - 1)];
    check_message()
#else
    first = first_word[SLOT(seq)];
    second = second_word[SLOT(seq)];
    check_message();
    advance(g)
#endif
}

/* The one member of a group: peek_exclusive(), consumer_release(). */
proctype reader(byte g)
{
    byte seq = FIRST, first, second;
    byte got[PROCESSES];
    do
    :: READY(seq) && (stamp[SLOT(seq)] & ABORTED) -> advance(g)
    :: READY(seq) && !(stamp[SLOT(seq)] & ABORTED) -> read_message(g)
    :: IS_STALE(stamp[SLOT(seq)], seq) -> assert(false) /* overwritten */
    :: IS_NOT_YET(stamp[SLOT(seq)], seq) ->
#ifdef LAZY
        if
        :: cursor[g] != seq -> consumer_publish(g)
        :: else
        fi;
#endif
        if
        :: !IS_NOT_YET(stamp[SLOT(seq)], seq)
        :: PUBLISHERS_DONE && seq == tail -> break
        fi
    od;
    readers_done++;
    d_step {
        for (i : 0 .. PROCESSES - 1) {
            assert(got[i] == committed[i])
        };
        i = 0
    }
}
#endif

init
{
    atomic {
        for (i : 0 .. PUBLISHERS - 1) {
            run publisher(i, i)
        }
#if NEWCOMERS
        run publisher(PUBLISHERS, 0);
#endif
#if GROUPS
        for (i : 0 .. GROUPS - 1) {
            run reader(i)
        }
#endif
#if REPAIRERS
        run repairer(1, false);
#endif
        i = 0;
        run repairer(PASSES, true);
        start_killers()
    }
}
