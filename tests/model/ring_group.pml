/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who joins a group while it is freed: bus/subscriber.c (join, enter_group, take_member), cursor.c (cursor_join, the state
 * alone), recovery_members.c (free_group_if_empty, repair_member), recovery_settle.c and recovery.c (recovery_leave_group).
 * All ask for the one shared, not durable group of the channel, by its name. What its members hold is in ring_shared.pml.
 *
 *   JOINERS           processes that join, one after the other or all at once [2]
 *   LEAVERS           bit set of those that leave again
 *   DEATHS            bit set of those that may be killed before any of their steps
 *   REPAIRERS         that repair at any moment, once, without the directory lock [1]
 */
#ifndef JOINERS
#define JOINERS 2
#endif
#ifndef LEAVERS
#define LEAVERS 0
#endif
#ifndef REPAIRERS
#define REPAIRERS 1
#endif
#define PROCESSES JOINERS
#define MEMBERS JOINERS /* entries */

#include "ring_words.pml"
#include "ring_deaths.pml"

/* struct shm_group: `state`, {joins, active}, one word. */
#define ACTIVE 1
#define JOIN 2
byte state;

/* struct shm_member: `owner`, and `group`, which is one group here: is its owner still joining? */
#define SPENT 16 /* with the owner */
byte owner[MEMBERS];
bool joining[MEMBERS];

byte lock; /* of the directory: its holder, who may have died with it */

/* Not in the segment: what the checks know. */
byte incarnation; /* of the group */
bool all_quiet;

#define IS_JOINED(own) ((own) != NONE && (own) < SPENT)

#define take_lock(me) d_step { lock == NONE || dead[lock - 1] -> lock = OWNED_BY(me) }
#define drop_lock() lock = NONE

/* ------------------------------------------------------------------------------------------------ repairs */

/* recovery_members.c: has_living_member() */
inline has_living_member()
{
    do
    :: at < MEMBERS && !living ->
        own = owner[at];
        living = IS_JOINED(own) && ALIVE(own);
        own = 0;
        at++
    :: else -> break
    od;
    at = 0
}

/* free_group_if_empty(): the state, then the members, then the CAS. */
inline free_group_if_empty()
{
#ifdef MUTANT_STATE_LATE
    has_living_member();
    was = state;
#else
    was = state;
#endif
    if
    :: was & ACTIVE ->
#ifndef MUTANT_STATE_LATE
        has_living_member();
#endif
        d_step {
            if
#ifdef MUTANT_FREE_STORE
            :: !living -> state = was - ACTIVE; repaired = true
#elif defined(MUTANT_JOINS_FORGOTTEN)
            :: !living && state == was -> state = 0; repaired = true
#else
            :: !living && state == was -> state = was - ACTIVE; repaired = true
#endif
            :: else
            fi
        }
    :: else
    fi;
    was = 0;
    living = false
}

/* repair_member() and repair_dead(), of members that hold nothing. */
inline repair_member(m)
{
    own = owner[m];
    if
    :: IS_JOINED(own) && !ALIVE(own) ->
        d_step {
            if
            :: owner[m] == own -> owner[m] = own + SPENT; repaired = true
            :: else
            fi
        }
    :: else
    fi;
    own = 0
}

inline repair_all_members()
{
    do
    :: entry < MEMBERS -> repair_member(entry); entry++
    :: else -> break
    od;
    entry = 0
}

inline recovery_repair()
{
    free_group_if_empty();
    repair_all_members()
}

/* recovery_settle(): under the directory lock. */
inline recovery_settle()
{
    do
    :: entry < MEMBERS && owner[entry] >= SPENT -> owner[entry] = NONE; entry++
    :: entry < MEMBERS && owner[entry] < SPENT -> entry++
    :: entry == MEMBERS -> break
    od;
    entry = 0
}

/* recovery_run() */
inline recovery_run()
{
    do
    :: repaired = false;
       recovery_repair();
       if
       :: repaired
       :: else -> break
       fi
    od;
    recovery_settle()
}

/* --------------------------------------------------------------------------------------------- joining */

/* subscriber.c: free_member() */
inline free_member()
{
    do
    :: mine < MEMBERS && owner[mine] != NONE -> mine++
    :: mine < MEMBERS && owner[mine] == NONE -> break
    :: mine == MEMBERS -> break
    od
}

/* take_member() */
inline take_member(me)
{
    joining[mine] = true;
    owner[mine] = OWNED_BY(me)
}

/* recovery.c: recovery_clear_group(): under the lock, beside repairs. */
inline clear_group()
{
    do
    :: entry < MEMBERS ->
        own = owner[entry];
        if
        :: own != NONE -> owner[entry] = NONE
        :: else
        fi;
        own = 0;
        entry++
    :: else -> break
    od;
    entry = 0
}

/* cursor_join(): nobody else makes the group active, for that takes the lock. */
inline start_group()
{
    was = state;
    d_step {
#ifdef MUTANT_NEW_UNCOUNTED
        state = was | ACTIVE;
#else
        state = was + JOIN + ACTIVE;
#endif
        incarnation++
    }
    was = 0
}

/* enter_group(): counts itself by a CAS, or finds the group gone. */
inline enter_group()
{
    was = state;
    do
    :: !(was & ACTIVE) -> gone = true; break
    :: was & ACTIVE ->
        if
#ifdef MUTANT_UNCOUNTED
        :: state == was -> break
#else
        :: d_step { state == was -> state = was + JOIN }; break
#endif
        :: d_step { state != was -> was = state }
        fi
    od;
    was = 0
}

/* join(): finds the group or makes a new one; its own entry is there before it counts itself. */
inline join(me)
{
    gone = false;
    recovery_run();
    is_new = !(state & ACTIVE);
    free_member();
    assert(mine < MEMBERS); /* no entry is lost */
    if
    :: is_new -> clear_group(); take_member(me); start_group()
    :: !is_new ->
#ifdef MUTANT_COUNT_FIRST
        enter_group();
        if
        :: !gone -> take_member(me)
        :: else
        fi
#else
        take_member(me);
        enter_group();
        if
        :: gone -> owner[mine] = NONE
        :: else
        fi
#endif
    fi
}

/* become_member() */
#define become_member() joining[mine] = false

/* As long as it lives and stays, the group is the one that it joined, and its entry its own. */
#define check_membership(me) assert((state & ACTIVE) && incarnation == joined && owner[mine] == OWNED_BY(me))

/* recovery_leave_group() */
inline leave_group(me)
{
    check_membership(me);
    owner[mine] = OWNED_BY(me) + SPENT
    free_group_if_empty();
    repair_all_members();
    recovery_settle()
}

proctype joiner(byte me)
{
    byte mine, joined, was, at, own, entry;
    bool gone = true, is_new, living, repaired;
    {
        take_lock(me);
        do
        :: gone -> mine = 0; join(me)
        :: !gone -> break
        od;
        is_new = false;
        joined = incarnation;
        become_member();
        check_membership(me)
        drop_lock();
        if
        :: HAS(LEAVERS, me) -> take_lock(me); leave_group(me); drop_lock()
        :: !HAS(LEAVERS, me) -> all_quiet; check_membership(me)
        fi
    } UNLESS_KILLED(me);
    skip
}

/* Anybody who waits, beside everything. */
proctype repairer()
{
    byte at, own, entry, was;
    bool living, repaired;
    recovery_repair()
}

/* The next one who opens something, when nobody else can go on: nothing may be left of who is gone. */
proctype opener()
{
    byte at, own, entry, was;
    bool living, repaired;
    timeout;
    recovery_run();
    d_step {
        living = false;
        for (i : 0 .. MEMBERS - 1) {
            assert(owner[i] == NONE || owner[i] < SPENT && ALIVE(owner[i]));
            living = living || owner[i] != NONE
        };
        i = 0;
        assert(living == (state & ACTIVE));
        all_quiet = true
    }
}

init
{
    atomic {
        for (i : 0 .. JOINERS - 1) {
            run joiner(i)
        }
        for (i : 1 .. REPAIRERS) {
            run repairer()
        };
        i = 0;
        run opener();
        start_killers()
    }
}
