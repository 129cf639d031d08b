/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishers: bus/ring_producer.c and cursor.c (cursor_room), and the window of ring_window.c.
 *
 *   PUBLISHERS        entries
 *   MESSAGES          of each publisher [3]
 *   FIRST_SENDS       messages of the first one [MESSAGES]
 *   BATCH             messages in a claim, if there is room [1]
 *   SINGLE            the channel is for one publisher
 *   GROUPS
 *   GRANT             slots that a look at the groups is good for [1]
 *   OVERWRITE         no group bounds them; slots are marked while they are written
 *   LINES             of the arena, of which each message takes one [inline]
 *   JOINS             groups come while there is traffic: limits matter, and sit in store buffers
 */
#ifndef MESSAGES
#define MESSAGES 3
#endif
#ifndef FIRST_SENDS
#define FIRST_SENDS MESSAGES
#endif
#define MESSAGES_OF(process) ((process) == 0 -> FIRST_SENDS : MESSAGES)
#ifndef BATCH
#define BATCH 1
#endif
#ifndef GRANT
#define GRANT 1
#endif

#define NOWHERE 255 /* an intent that names no message near the tail */

#ifndef LINES
#define LINES SLOTS /* inline: the payload is beside the stamp */
#endif
#define AT(seq) ((seq) % LINES)
byte first_word[LINES], second_word[LINES];
byte owner[PUBLISHERS];
byte opener; /* who holds the directory lock, or has died with it */
#define IS_FREE(lock) (lock == NONE || dead[lock - 1])
byte intent[PUBLISHERS] = NOWHERE;
#if BATCH > 1
/* struct shm_publisher: `batch`, one word. */
byte batch_from[PUBLISHERS], batch_count[PUBLISHERS];
#define SET_BATCH(e, from, count) d_step { batch_from[e] = from; batch_count[e] = count }
#else
#define SET_BATCH(e, from, count) skip
#endif
#if GROUPS
byte cursor[GROUPS] = FIRST;
byte held[GROUPS] = FIRST; /* of the group's one member */
#endif
#ifdef JOINS
bool is_active[GROUPS];
byte limit_of[PUBLISHERS] = FIRST;
#endif

/* Not in the segment: what the checks know. */
byte writer[SLOTS];        /* who is between its claim and its stamp: OWNED_BY */
byte committed[PROCESSES]; /* messages of each process */
bool stirred[PROCESSES];   /* something changed since it began to look for room: it looks again */
byte finished;             /* processes that are done, or dead */

#define VALUE(process, number) ((process) * 16 + (number) + 1)

/* Inside d_step: who waits looks again. */
inline stir()
{
    for (i : 0 .. PROCESSES - 1) {
        stirred[i] = true
    };
    i = 0
}

/*
 * Inside d_step: the slots are `me`'s now, and nobody else alive writes there. The second one of a batch may still hold an
 * unfinished message of a dead publisher that no group waits for, if a living one named it when the entry was repaired.
 */
inline own_slots(me, from)
{
    for (i : from .. from + placed - 1) {
        assert(writer[SLOT(i)] == NONE || dead[writer[SLOT(i)] - 1]);
        assert(LAP_OF(stamp[SLOT(i)]) < LAP(i));
        writer[SLOT(i)] = OWNED_BY(me)
    };
    i = 0
}

/* ------------------------------------------------------------------------------------- looking for room */

#if GROUPS == 0
#define room_of_groups(seq) skip
#else
#ifdef JOINS
#define IS_ACTIVE(g) is_active[g]
#else
#define IS_ACTIVE(g) true
#endif

/* cursor.c: room_of_groups(). A look that is `exact` goes by what a member has given back (released()). */
inline room_of_groups(seq)
{
    do
    :: at < GROUPS && IS_ACTIVE(at) ->
        position = cursor[at];
#ifdef LAZY
        if
        :: exact -> d_step { position = (held[at] > position -> held[at] : position) }
        :: else
        fi;
#endif
        d_step { lower_room(seq, position); position = 0; at++ }
    :: at < GROUPS && !IS_ACTIVE(at) -> at++
    :: at == GROUPS -> break
    od;
    at = 0
}
#endif

#ifdef SINGLE
#define room_of_publishers(e, seq) skip
#else
/* cursor.c: room_of_publishers(), and unfinished() */
inline room_of_publishers(e, seq)
{
#ifndef MUTANT_NO_OTHERS
    do
    :: at < PUBLISHERS && (at == e || owner[at] == NONE) -> at++
    :: at < PUBLISHERS && at != e && owner[at] != NONE ->
        position = intent[at];
#if BATCH > 1
        d_step { many = (batch_from[at] == position && batch_count[at] > 0 -> batch_count[at] : 1) }
#else
        many = 1;
#endif
        if
        :: position >= seq || seq - position > SLOTS
        :: else ->
            many = (many < seq - position -> many : seq - position);
            do
            :: many > 0 && IS_FINISHED(stamp[SLOT(position + many - 1)], position + many - 1) -> many--
            :: many > 0 && !IS_FINISHED(stamp[SLOT(position + many - 1)], position + many - 1) ->
                d_step { lower_room(seq, position); many = 0 }
            :: many == 0 -> break
            od
        fi;
        position = 0;
        many = 0;
        at++
    :: at == PUBLISHERS -> break
    od;
    at = 0
#else
    skip
#endif
}
#endif

/* ring_producer.c: look() */
inline refresh(e, seq)
{
    room = SLOTS;
    asked = (want > GRANT -> want : GRANT);
#if defined(JOINS) && !defined(MUTANT_JOIN_FENCE)
    limit_of[e] = seq + asked; /* visible: a full fence follows, [fence:join] */
#endif
    room_of_groups(seq);
    room_of_publishers(e, seq);
    d_step {
        limit = seq + (room < asked -> room : asked);
        room = 0;
        asked = 0
    }
#ifdef JOINS
    ;
#ifdef MUTANT_JOIN_FENCE
    limit_of[e] = seq + asked; /* the loads have passed it */
#endif
    limit_of[e] = limit
#endif
}

/* ring_producer.c: place(): without arena lines the limit decides. */
#define place(seq) placed = (limit <= (seq) -> 0 : (limit - (seq) < want -> limit - (seq) : want))

#define refresh_if_short(e, seq)                                                                                \
    if                                                                                                          \
    :: placed < want -> refresh(e, seq); place(seq)                                                             \
    :: else                                                                                                     \
    fi

/* -------------------------------------------------------------------------------------------- claiming */

/* ring_producer.c: try_claim(), but for the CAS */
inline name_claim(e, seq)
{
    if
    :: BATCH > 1 && (placed > 1 || batched) -> SET_BATCH(e, seq, placed); batched = placed > 1
    :: else
    fi;
    intent[e] = seq
}

/* The CAS of the tail. */
inline take_slots(me, seq)
{
    d_step {
        if
        :: tail == seq -> tail = seq + placed; own_slots(me, seq); stir()
        :: else -> placed = 0
        fi
    }
}

/* ring_producer.c: withdraw_intent(). Others look again, if it named something. */
inline withdraw_intent(me, e)
{
    d_step {
        for (i : 0 .. PROCESSES - 1) {
            stirred[i] = stirred[i] || i != me && intent[e] != NOWHERE
        };
        i = 0;
        intent[e] = NOWHERE
    }
}

/*
 * ring_producer.c: claim_once(), claim_multi(), producer_send_multi(); publisher_claim() of publisher.c, which waits.
 * tail_sequence(): the slot must hold the message of one lap before.
 */
inline claim_multi(me, e)
{
    do
    :: d_step { stirred[me] = false; seq = tail }
       if
       :: LAP_OF(stamp[SLOT(seq)]) == LAP(seq) - 1 && !(stamp[SLOT(seq)] & WRITING) ->
          place(seq);
          refresh_if_short(e, seq)
       :: else -> placed = 0
       fi;
       if
       :: placed > 0 ->
#ifdef MUTANT_INTENT_AFTER
          take_slots(me, seq);
          if
          :: placed > 0 -> name_claim(e, seq); break
          :: else
          fi
#else
          name_claim(e, seq);
          take_slots(me, seq);
          if
          :: placed > 0 -> break
          :: else
          fi
#endif
       :: placed == 0 && tail == seq ->
#ifndef MUTANT_KEEP_INTENT
          withdraw_intent(me, e);
#endif
          if
          :: stirred[me]
          fi
       :: placed == 0 && tail != seq
       fi
    od
}

/* ring_producer.c: claim_single(); producer_send_fast() goes by a limit that is there, and names nothing. */
inline claim_single(me, e)
{
    do
    :: stirred[me] = false;
       place(seq);
       if
       :: placed == want && want == 1 -> d_step { tail = seq + 1; own_slots(me, seq); stir() }; break
       :: true ->
          refresh_if_short(e, seq);
          if
          :: placed > 0 -> intent[e] = seq + placed; d_step { tail = seq + placed; own_slots(me, seq); stir() }; break
          :: else ->
             if
             :: stirred[me]
             fi
          fi
       fi
    od
}

/* ----------------------------------------------------------------------------------------- payload, stamp */

#define commit(me, s)                                                                                           \
    d_step {                                                                                                    \
        assert(!IS_FINISHED(stamp[SLOT(s)], s));                                                                \
        stamp[SLOT(s)] = STAMP(s, 0);                                                                           \
        writer[SLOT(s)] = NONE;                                                                                 \
        committed[me]++;                                                                                        \
        stir()                                                                                                  \
    }

/* producer_fill() and producer_finish(): the stamp last. */
inline write(me, s)
{
#ifdef MUTANT_COMMIT_FIRST
    commit(me, s);
#endif
    first_word[AT(s)] = VALUE(me, number);
    second_word[AT(s)] = VALUE(me, number);
#ifndef MUTANT_COMMIT_FIRST
    commit(me, s);
#endif
    d_step { number++; written++ }
}

/* mark_writing(): all slots of the claim, before the first new byte. */
inline mark_writing()
{
#ifdef OVERWRITE
    do
    :: written < placed ->
        stamp[SLOT(seq + written)] = STAMP(seq + written, WRITING);
        written++
    :: else -> break
    od;
    written = 0
#else
    skip
#endif
}

inline write_all(me)
{
    do
    :: written < placed -> write(me, seq + written)
    :: else -> d_step { seq = seq + placed; placed = 0; written = 0; want = 0 }; break
    od
}

/* ---------------------------------------------------------------------------------------------- coming, going */

/* publisher.c: publisher_open(). The entry is free; who opens holds the directory lock. */
inline publisher_open(me, e)
{
#if NEWCOMERS || defined(JOINS)
    d_step { owner[e] == NONE && IS_FREE(opener) -> opener = OWNED_BY(me) }
#endif
    SET_BATCH(e, 0, 0);
    d_step { seq = tail; limit = seq; batched = true }
#ifdef SINGLE
    intent[e] = seq;
#else
    intent[e] = NOWHERE;
#endif
#ifdef JOINS
    limit_of[e] = seq;
#endif
    d_step { owner[e] = OWNED_BY(me); opener = NONE }
}

/* recovery.c: recovery_leave_publisher(), under the directory lock too */
#ifdef JOINS
#define publisher_close(e) d_step { IS_FREE(opener) -> owner[e] = NONE; stir() }
#else
#define publisher_close(e) d_step { owner[e] = NONE; stir() }
#endif

proctype publisher(byte me; byte e)
{
    byte number, seq, limit, want, placed, written; /* private: struct producer */
    byte at, position, many, room, asked;           /* of a look */
    bool batched, exact = true;
    {
        publisher_open(me, e);
        do
        :: number < MESSAGES_OF(me) ->
            want = (MESSAGES_OF(me) - number < BATCH -> MESSAGES_OF(me) - number : BATCH);
#ifdef SINGLE
            claim_single(me, e);
#else
            claim_multi(me, e);
#endif
#ifndef MUTANT_UNMARKED
            mark_writing();
#endif
            write_all(me)
        :: else -> break
        od;
        seq = 0;
        limit = 0;
        publisher_close(e)
    } UNLESS_KILLED(me);
    finished++
}
