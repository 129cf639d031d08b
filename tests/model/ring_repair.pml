/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Repairing what dead publishers have claimed: bus/recovery_claims.c. Any number may do that at once, at any time.
 */

#ifndef FRONTS
#define FRONTS (2 * GROUPS) /* cursors, and what members hold */
#endif

/* claims_of(): one message, or those of the batch that the intent starts. A single publisher names all. */
inline claims_of(e)
{
#ifdef SINGLE
    d_step { from = 0; count = NOWHERE }
#else
    from = intent[e];
#if BATCH > 1
    d_step { count = (batch_from[e] == from && batch_count[e] > 0 -> batch_count[e] : 1) }
#else
    count = 1
#endif
#endif
}

#define NAMES(seq) (from <= (seq) && (seq) - from < count)

/* named_by_the_living() */
inline named_by_the_living(seq)
{
    do
    :: at < PUBLISHERS && !named ->
        own = owner[at];
        if
        :: own == NONE
        :: else ->
            claims_of(at);
            named = NAMES(seq) && ALIVE(own)
        fi;
        d_step { own = 0; from = 0; count = 0; at++ }
    :: else -> break
    od;
    at = 0
}

#ifdef MUTANT_ABORT_STORE
#define CAS_FITS(condition) true
#else
#define CAS_FITS(condition) (condition)
#endif

/* abort_message(): the CAS fails if anybody has finished the message since its stamp was looked at. */
inline abort_message(seq)
{
    if
    :: seq >= tail_seen || tail_seen - seq > SLOTS || seq < FIRST
    :: else ->
        seen = stamp[SLOT(seq)];
        if
        :: IS_FINISHED(seen, seq)
        :: else ->
#ifndef MUTANT_UNNAMED
            named_by_the_living(seq);
#endif
#ifdef MUTANT_STAMP_LATE
            seen = stamp[SLOT(seq)];
#endif
            d_step {
                if
                :: !named && CAS_FITS(stamp[SLOT(seq)] == seen) ->
                    assert(writer[SLOT(seq)] != NONE && dead[writer[SLOT(seq)] - 1]); /* not of the living */
                    stamp[SLOT(seq)] = STAMP(seq, ABORTED);
                    writer[SLOT(seq)] = NONE;
                    repaired = true;
                    stir()
                :: else
                fi
            }
        fi;
        d_step { seen = 0; named = false }
    fi
}

/* repair_publisher(): its claims, one after the other; then its entry. */
inline repair_publisher(e)
{
    whose = owner[e];
    if
    :: whose == NONE || ALIVE(whose)
    :: else ->
        tail_seen = tail;
        claims_of(e);
        d_step {
            next = from;
            next = (next + SLOTS < tail_seen -> tail_seen - SLOTS : next);
            left = (NAMES(next) -> count - (next - from) : 0);
            from = 0;
            count = 0
        }
        do
        :: left > 0 && next < tail_seen -> abort_message(next); d_step { next++; left-- }
        :: else -> break
        od;
        next = 0;
        left = 0;
        d_step {
            if
#ifdef MUTANT_OWNER_STORE
            :: true -> owner[e] = NONE; repaired = true; stir()
#else
            :: owner[e] == whose -> owner[e] = NONE; repaired = true; stir()
#endif
            :: else
            fi
        }
    fi;
    whose = 0
}

/* repair_fronts(): the message whose slot is claimed next, and those at cursors and members. */
inline repair_fronts()
{
    tail_seen = tail;
    do
    :: front == 0 -> abort_message(tail_seen - SLOTS); front++
#if GROUPS
    :: front > 0 && front <= GROUPS -> next = cursor[front - 1]; abort_message(next); front++
    :: front > GROUPS && front <= FRONTS -> next = held[front - 1 - GROUPS]; abort_message(next); front++
#elif FRONTS
    :: front == 1 -> next = cursor; abort_message(next); front++
#endif
    :: front > FRONTS -> d_step { front = 0; next = 0; tail_seen = 0 }; break
    od
}

/* recovery_repair_publishers() */
inline repair_publishers()
{
    repaired = false;
    do
    :: entry < PUBLISHERS -> repair_publisher(entry); entry++
    :: else -> entry = 0; break
    od;
    repair_fronts()
}

/*
 * Repairs at any time, `passes` times; the last one also whenever nobody else can go on, as all who wait do, until that
 * changes nothing any more. Then everybody must be done, and nothing be left of the dead.
 */
proctype repairer(byte passes; bool last)
{
    byte whose, tail_seen, next, left, front, entry; /* of a pass */
    byte at, own, from, count, seen;                 /* of one message */
    bool named, repaired;
    do
    :: passes > 0 -> repair_publishers(); passes--
    :: passes == 0 && !last -> break
    :: passes == 0 && last -> timeout;
        repair_publishers();
        if
        :: repaired
        :: else -> break
        fi
    od;
    if
    :: last -> check_end()
    :: else
    fi
}
