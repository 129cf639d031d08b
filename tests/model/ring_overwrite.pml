/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An overwrite channel and a reader that may be overtaken at any step: bus/ring_slot.c, peek_exclusive().
 *
 *   PUBLISHERS, MESSAGES, BATCH, SINGLE, LINES   as in ring_claims.pml
 *   DEATHS            bit set of the publishers that may be killed
 */
#ifndef PUBLISHERS
#define PUBLISHERS 1
#endif
#define GROUPS 0 /* that publishers heed */
#define OVERWRITE
#define NEWCOMERS 0
#define PROCESSES PUBLISHERS

#include "ring_words.pml"
#include "ring_claims.pml"
#include "ring_deaths.pml"

byte cursor = FIRST; /* the reader's: repairs look at it */
bool reader_done;

#define PUBLISHERS_DONE (finished == PROCESSES)

inline check_end()
{
    d_step {
        assert(PUBLISHERS_DONE && reader_done);
        for (i : 0 .. SLOTS - 1) {
            assert(IS_FINISHED(stamp[SLOT(tail + i)], tail - SLOTS + i))
        };
        i = 0
    }
}

#define FRONTS 1
#include "ring_repair.pml"

/* still_intact(): the second look, at the stamp and, for a record of the arena, at the tail. */
inline still_intact()
{
#ifdef MUTANT_NO_SECOND_LOOK
    intact = true;
#else
    intact = stamp[SLOT(seq)] == seen;
#endif
#if !defined(MUTANT_NO_TAIL_LOOK)
    if
    :: LINES != SLOTS -> intact = intact && tail - seq <= LINES
    :: else
    fi
#else
    skip
#endif
}

/* A copy that is believed is whole, and newer than what was seen of its publisher. */
inline check_copy()
{
    d_step {
        assert(first == second);
        assert((first - 1) % 16 >= got[(first - 1) / 16]);
#ifdef SINGLE
        assert((first - 1) % 16 == seq - FIRST);
#endif
        got[(first - 1) / 16] = (first - 1) % 16 + 1;
        seq++
    }
}

/* slot_resume_at(): a quarter of the ring from being overtaken again, and always further. */
inline resume()
{
    next = tail;
    d_step {
        next = next - (SLOTS - SLOTS / 4);
        seq = (next > seq -> next : seq + 1);
        next = 0
    }
    cursor = seq
}

/* slot_look(), copy_aside() */
inline look_at(s)
{
    seen = stamp[SLOT(s)];
    if
    :: IS_THERE(seen, s) && (seen & ABORTED) -> seq++
    :: IS_THERE(seen, s) && !(seen & ABORTED) ->
        first = first_word[AT(s)];
        second = second_word[AT(s)];
        still_intact();
        if
        :: intact -> check_copy()
        :: else -> resume()
        fi
    :: IS_STALE(seen, s) -> resume()
    :: IS_NOT_YET(seen, s) -> cursor = seq
    fi;
    seen = 0;
    first = 0;
    second = 0;
    intact = false
}

proctype reader()
{
    byte seq = FIRST, seen, first, second, next;
    byte got[PROCESSES];
    bool intact;
    do
    :: !IS_NOT_YET(stamp[SLOT(seq)], seq) -> look_at(seq)
    :: IS_NOT_YET(stamp[SLOT(seq)], seq) && cursor != seq -> cursor = seq
    :: PUBLISHERS_DONE && seq == tail -> break
    od;
    reader_done = true
}

init
{
    atomic {
        for (i : 0 .. PUBLISHERS - 1) {
            run publisher(i, i)
        };
        i = 0;
        run reader();
        run repairer(0, true);
        start_killers()
    }
}
