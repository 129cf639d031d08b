/* SPDX-License-Identifier: Apache-2.0 */
/* Leaving to others what dead members hold: bus/recovery_members.c. Included by ring_shared.pml. */

/* verdict_of(): does `other` have any of the messages from `from` to `until`, or is it about to? */
inline verdict_of(other)
{
    own = owner[other];
    now_busy = busy[other];
    first = held[other];
    behind = held_end[other];
    if
    :: own == SPENT || now_busy < CLAIMS || first >= until || behind <= from
    :: else ->
        if
        :: now_busy == CLAIMS -> is_open = own == MINE && !dead[other]
        :: else ->
            is_void = owner[other] == own;
            is_void = is_void && busy[other] == now_busy;
            is_void = is_void && held[other] == first;
            is_open = !is_void
        fi
    fi;
    own = 0;
    now_busy = 0;
    first = 0;
    behind = 0
}

/* judge() */
inline judge(index)
{
    from = held[index];
    until = held_end[index];
    do
    :: at < MEMBERS && at != index && !is_open && !is_void -> verdict_of(at); at++
    :: at < MEMBERS && at == index -> at++
    :: else -> break
    od;
    at = 0;
    from = 0;
    until = 0
}

/* repair_adopted(): first the adopter's entry is void, then the orphan is one again. The mark must have outlived him. */
inline repair_adopted(o, by)
{
    if
    :: dead[by] ->
        if
#ifdef MUTANT_MARK_ONCE
        :: true ->
#else
        :: owner[o] != ADOPTED(by)
        :: owner[o] == ADOPTED(by) ->
#endif
#ifndef MUTANT_ADOPTER_COUNTS
            change(by, MINE, SPENT);
#endif
            change(o, ADOPTED(by), ORPHAN);
            repaired = repaired || changed
        fi
    :: else
    fi
}

/* repair_dead(): what it was adopting comes first. */
inline repair_dead(index)
{
    do
    :: at < MEMBERS && owner[at] == ADOPTED(index) -> break
    :: at < MEMBERS && owner[at] != ADOPTED(index) -> at++
    :: at == MEMBERS -> break
    od;
    if
#ifndef MUTANT_NO_ADOPTION_LOOK
    :: at < MEMBERS -> repair_adopted(at, index)
#endif
    :: else ->
        at = 0;
        held_by(index);
        from = 0;
        if
        :: count == 0 -> is_void = true
        :: count > 0 && busy[index] == HOLDS
#ifdef MUTANT_NO_JUDGE
        :: count > 0 && busy[index] != HOLDS
#else
        :: count > 0 && busy[index] != HOLDS -> judge(index)
#endif
        fi;
        count = 0;
        if
        :: is_open
        :: is_void && !is_open -> change(index, MINE, SPENT); repaired = repaired || changed
        :: !is_void && !is_open -> change(index, MINE, ORPHAN); repaired = repaired || changed
        fi;
        is_open = false;
        is_void = false
    fi;
    at = 0
}

/* recovery_repair_members() */
inline repair_members()
{
    repaired = false;
    do
    :: index < MEMBERS ->
        mark = owner[index];
        if
        :: mark >= ADOPTED(0) -> repair_adopted(index, mark - ADOPTED(0))
        :: mark == MINE && dead[index] -> repair_dead(index)
        :: else
        fi;
        mark = 0;
        index++
    :: else -> break
    od;
    index = 0;
    changed = false
}
