/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shared group of a single publisher's block channel: members that take, hold, give back, die, and take over what others
 * died with. bus/ring_consumer.c (take, announce, release_taken), cursor.c (room_of_members), recovery_members.c.
 *
 *   MEMBERS           [2]
 *   MESSAGES          [3]
 *   SENT              how many of them are there at the start, up to SLOTS [0]
 *   BATCH             messages that a member takes at once [1]
 *   DEATHS            bit set of the members that may be killed
 *   INHERITED         the last member has died with the first message, and its entry is an orphan
 *   REPAIRERS         1: one that repairs at any moment, once [0]
 *
 * A member's stores to its own entry go through a store buffer where that matters, in announce(): until a locked
 * instruction or a fence, or some time, in order. The kernel drops the lock of who was killed behind its last store.
 */
#ifndef MEMBERS
#define MEMBERS 2
#endif
#ifndef MESSAGES
#define MESSAGES 3
#endif
#ifndef SENT
#define SENT 0
#endif
#ifndef BATCH
#define BATCH 1
#endif
#ifndef REPAIRERS
#define REPAIRERS 0
#endif
#define PROCESSES MEMBERS

#include "ring_words.pml"

#define END (FIRST + MESSAGES)

byte first_word[SLOTS], second_word[SLOTS];
byte cursor = FIRST;
byte handovers;

/* struct shm_member: `busy` */
#define IDLE 0
#define ANNOUNCED 1
#define CLAIMS 2
#define HOLDS 3

/* What else `owner` says; who owned it is OWNED_BY its index. */
#define MINE 0
#define ORPHAN 1
#define SPENT 2
#define ADOPTED(by) (3 + (by)) /* a mark that names the adopter's entry */

byte owner[MEMBERS];
#if MEMBERS > 2
#define IS_MARKED(mark) (owner[0] == mark || owner[1] == mark || owner[2] == mark)
#else
#define IS_MARKED(mark) (owner[0] == mark || owner[1] == mark)
#endif
byte held[MEMBERS], held_end[MEMBERS], busy[MEMBERS];

/* Not in the segment: what the checks know. */
byte shown[MESSAGES]; /* times that a user has seen a message */
bool given_back[MESSAGES];
byte allowed[MESSAGES]; /* members died with it that may have shown it */
byte back; /* messages that were given back, not counting repeats */
bool all_sent, look_for_room;
byte members_done;

/* The stores of announce() that others cannot see yet. */
bool buffered[MEMBERS];
byte held_buffered[MEMBERS], held_end_buffered[MEMBERS], busy_buffered[MEMBERS];

/* Inside d_step, or where only `me` buffers. */
inline drain(me)
{
#ifdef MUTANT_ANNOUNCE_FENCE
    if
    :: buffered[me] ->
        held_end[me] = held_end_buffered[me];
        held[me] = held_buffered[me];
        busy[me] = busy_buffered[me];
        buffered[me] = false
    :: else
    fi;
#endif
    look_for_room = true
}

#ifdef MUTANT_ANNOUNCE_FENCE
/* The hardware. That the three words become visible at once is enough to find the mistake. */
proctype store_buffer(byte me)
{
end:
    do
    :: d_step { buffered[me] -> drain(me) }
    od
}
#endif

/*
 * Inside d_step: the last stores of the killed, and for each message that he may have shown, that it may come again. Who was
 * taking over had shown nothing of that.
 */
inline last_stores(me)
{
    drain(me);
    for (i : FIRST .. END - 1) {
        if
        :: busy[me] >= CLAIMS && i >= held[me] && i < held_end[me] && !IS_MARKED(ADOPTED(me)) ->
            allowed[i - FIRST]++
        :: else
        fi
    };
    i = 0
}

#define BEFORE_DEATH(victim) last_stores(victim)
#include "ring_deaths.pml"


/* ----------------------------------------------------------------------------------------- the publisher */

/* The position is one word, and loaded once. */
#define heed(position) d_step { at = position; lower_room(seq, at); at = 0 }

/* cursor.c: room_of_members() */
inline room_of_members()
{
    before = handovers;
    do
    :: scanned < MEMBERS && owner[scanned] != SPENT ->
        if
        :: busy[scanned] != IDLE -> heed(held[scanned])
        :: busy[scanned] == IDLE
        fi;
        scanned++
    :: scanned < MEMBERS && owner[scanned] == SPENT -> scanned++
    :: scanned == MEMBERS -> break
    od;
    scanned = 0;
#ifndef MUTANT_NO_HANDOVERS
    room = (handovers != before -> 0 : room);
#endif
    before = 0
}

/* cursor.c: room_of_groups(): the cursor, FENCE, then the members. */
inline look()
{
    room = SLOTS;
#ifdef MUTANT_MEMBERS_FIRST
    room_of_members();
    heed(cursor)
#else
    heed(cursor);
    room_of_members()
#endif
}

/* The slots are checked when the first word is written: nobody alive may hold what was in it, unless it is given back. */
#define check_free(s) assert(s < FIRST + SLOTS || given_back[s - SLOTS - FIRST])

proctype publisher()
{
    byte seq = FIRST + SENT, room, before, scanned, at;
    do
    :: seq < END ->
        look_for_room = false;
        look();
        if
        :: room > 0 ->
            do
            :: room > 0 && seq < END ->
                tail = seq + 1;
                d_step { check_free(seq); first_word[SLOT(seq)] = seq }
                second_word[SLOT(seq)] = seq;
                d_step { stamp[SLOT(seq)] = STAMP(seq, 0); seq++; room-- }
            :: else -> break
            od
        :: else ->
            room = 0;
            look_for_room
        fi
    :: else -> break
    od;
    all_sent = true
}

/* -------------------------------------------------------------------------------------------------- members */

#define READY(seq) IS_THERE(stamp[SLOT(seq)], seq)

/* ring_consumer.c: announce(). Its stores are one step, but for *claims*. `end` is 0 if the cursor has moved. */
inline announce(me)
{
#ifdef MUTANT_ANNOUNCE_FENCE
    d_step {
        held_end_buffered[me] = end;
        held_buffered[me] = seq;
        busy_buffered[me] = ANNOUNCED;
        buffered[me] = true
    };
#else
    held_end[me] = end;
    d_step { held[me] = seq; look_for_room = true };
    busy[me] = ANNOUNCED;
#endif
#ifndef MUTANT_NO_CONFIRM
    if
    :: cursor == seq
    :: cursor != seq -> end = 0
    fi;
#endif
    if
    :: end == 0
    :: else ->
#ifdef MUTANT_ANNOUNCE_FENCE
        d_step {
            if
            :: buffered[me] -> busy_buffered[me] = CLAIMS
            :: else -> busy[me] = CLAIMS
            fi
        }
#else
        busy[me] = CLAIMS
#endif
    fi
}

/* The CAS of the cursor. */
inline move_cursor(me)
{
    d_step {
        drain(me);
        if
        :: cursor == seq -> cursor = end
        :: else -> end = 0
        fi
    }
}

/* take(): `end` is 0 if there was nothing. */
inline take(me)
{
    seq = cursor;
    if
    :: READY(seq) ->
        end = seq + 1;
#if BATCH > 1
        if
        :: READY(end) -> end++
        :: !READY(end)
        fi;
#endif
#ifdef MUTANT_CURSOR_FIRST
        move_cursor(me);
        if
        :: end != 0 -> announce(me); busy[me] = HOLDS
        :: else
        fi
#else
        announce(me);
        if
        :: end != 0 ->
            move_cursor(me);
            if
            :: end != 0 -> busy[me] = HOLDS
            :: else -> busy[me] = ANNOUNCED
            fi
        :: else
        fi
#endif
    :: !READY(seq) && cursor == seq -> d_step { drain(me); busy[me] = IDLE }
    :: !READY(seq) && cursor != seq
    fi
}

/* peek_shared(), and a user who looks. What comes again is marked, there was a death for each time, and nobody holds it. */
inline show_message(me)
{
    assert(READY(seq));
    first = first_word[SLOT(seq)];
    second = second_word[SLOT(seq)];
    d_step {
        assert(first == seq && second == seq);
        shown[seq - FIRST]++;
        assert(shown[seq - FIRST] == 1 || seq < redeliver_end && shown[seq - FIRST] <= allowed[seq - FIRST] + 1);
        first = 0;
        second = 0;
        for (i : 0 .. MEMBERS - 1) {
            assert(i == me || dead[i] || owner[i] != MINE || busy[i] != HOLDS || seq < held[i] || seq >= held_end[i])
        };
        i = 0
    }
}

/* release_taken(): `held`, then `busy`. */
inline release(me)
{
    seq++;
    d_step {
        held[me] = seq;
        back = (given_back[seq - 1 - FIRST] -> back : back + 1);
        given_back[seq - 1 - FIRST] = true;
        look_for_room = true
    }
    if
    :: seq == end -> d_step { busy[me] = IDLE; look_for_room = true }
    :: else -> busy[me] = HOLDS
    fi
}

inline show_and_release_all(me)
{
    do
    :: end != 0 && seq < end -> show_message(me); release(me)
    :: else -> seq = 0; end = 0; redeliver_end = 0; break
    od
}

/* -------------------------------------------------------------------------------------------- taking over */

#define change(o, from, to) d_step { changed = owner[o] == (from); owner[o] = (changed -> to : owner[o]); look_for_room = true }

/* recovery_held(): of an entry; `count` */
inline held_by(o)
{
    from = held[o];
    until = cursor;
    d_step { until = (until < held_end[o] -> until : held_end[o]) }
    count = (busy[o] >= CLAIMS && until > from -> until - from : 0);
    count = (tail - from > SLOTS -> 0 : count);
    until = 0
}

/* recovery_adopt(), and consumer_adopt(). Own entry first, then the orphan lets go. */
inline adopt(me, o)
{
    d_step { drain(me); changed = owner[o] == ORPHAN; owner[o] = (changed -> ADOPTED(me) : owner[o]) }
    if
    :: changed ->
#ifdef MUTANT_LET_GO_FIRST
        change(o, ADOPTED(me), SPENT);
#endif
        held_by(o);
        d_step { seq = from; end = from + count };
#ifndef MUTANT_UNMARKED
        redeliver_end = end;
#endif
        held_end[me] = end;
        d_step { held[me] = seq; look_for_room = true };
        busy[me] = (count > 0 -> HOLDS : IDLE);
        d_step { handovers++; look_for_room = true };
        d_step { from = 0; count = 0 }
#ifndef MUTANT_LET_GO_FIRST
        change(o, ADOPTED(me), SPENT)
#endif
    :: else
    fi;
    changed = false
}

#define ORPHANS IS_MARKED(ORPHAN)
/* All was given back, and the entries of the dead are free again. */
#define IS_SETTLED(m) (!dead[m] || owner[m] == SPENT)
#if MEMBERS > 2
#define ALL_SETTLED (IS_SETTLED(0) && IS_SETTLED(1) && IS_SETTLED(2))
#else
#define ALL_SETTLED (IS_SETTLED(0) && IS_SETTLED(1))
#endif
#define ALL_OVER (all_sent && back == MESSAGES && NO_KILLER_LEFT && ALL_SETTLED)

/* Sees an orphan or not, as its turn comes: find_orphan(). */
proctype member(byte me)
{
    byte seq, end, redeliver_end, first, second;
    byte from, until, count;
    bool changed;
    {
        do
        :: ORPHANS ->
            if
            :: owner[0] == ORPHAN -> adopt(me, 0)
            :: owner[1] == ORPHAN -> adopt(me, 1)
#if MEMBERS > 2
            :: owner[2] == ORPHAN -> adopt(me, 2)
#endif
            :: !ORPHANS
            fi;
            show_and_release_all(me)
        :: READY(cursor) || busy[me] != IDLE -> take(me); show_and_release_all(me)
        :: ALL_OVER -> break
        od
    } UNLESS_KILLED(me);
    members_done++
}

#include "ring_orphans.pml"

/* Inside d_step. */
inline check_end()
{
    d_step {
        assert(ALL_OVER && members_done == MEMBERS)
    }
}

/* Before, a repair changes nothing. */
#ifdef INHERITED
#define SOMEBODY_DEAD true
#else
#define SOMEBODY_DEAD (killers_done > 0)
#endif

/* As in ring_repair.pml. */
proctype repairer(byte passes; bool last)
{
    byte index, mark, at, from, until, count;
    byte own, now_busy, first, behind;
    bool is_open, is_void, changed, repaired;
    do
    :: passes > 0 && SOMEBODY_DEAD -> repair_members(); passes--
    :: passes == 0 && !last -> break
    :: passes == 0 && last -> timeout;
        repair_members();
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

/* Member `m` took and showed the first message, died, and was found dead. */
inline inherit(m)
{
    dead[m] = true;
    owner[m] = ORPHAN;
    busy[m] = HOLDS;
    held[m] = FIRST;
    held_end[m] = FIRST + 1;
    cursor = FIRST + 1;
    shown[0] = 1;
    allowed[0] = 1;
    members_done = 1
}

init
{
    atomic {
#if SENT
        tail = FIRST + SENT;
        for (i : FIRST .. FIRST + SENT - 1) {
            first_word[SLOT(i)] = i;
            second_word[SLOT(i)] = i;
            stamp[SLOT(i)] = STAMP(i, 0)
        }
#endif
        run publisher();
#ifdef INHERITED
        inherit(MEMBERS - 1);
#define LAST_MEMBER (MEMBERS - 2)
#else
#define LAST_MEMBER (MEMBERS - 1)
#endif
        for (i : 0 .. LAST_MEMBER) {
#ifdef MUTANT_ANNOUNCE_FENCE
            run store_buffer(i);
#endif
            run member(i)
        }
#if REPAIRERS
        run repairer(1, false);
#endif
        i = 0;
        run repairer(0, true);
        start_killers()
    }
}
