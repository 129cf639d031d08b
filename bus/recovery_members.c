/* SPDX-License-Identifier: Apache-2.0 */
/* Repairing groups, and handing over what their dead members hold. */
#include "recovery_parts.h"
#include "waiter.h"

static uint32_t group_of(const struct shm_member *member)
{
    return load32_acquire(&member->group) & ~MEMBER_JOINING; /* [acq:member-group] */
}

uint64_t recovery_group_state(const struct ring *ring, const struct shm_member *member)
{
    const uint32_t group = load32_acquire(&member->group); /* [acq:member-group] */
    if (group >= ring->group_max) {
        return GROUP_FREE; /* MEMBER_JOINING too: it has taken nothing yet */
    }
    return load64_acquire(&ring->groups[group].state); /* [acq:group-state] */
}

static bool has_living_member(const struct channel *channel, uint32_t group)
{
    const struct ring *ring = &channel->ring;
    for (uint32_t i = 0, n = cursor_used(&ring->shared->members_used, ring->member_max); i < n; i++) {
        const struct shm_member *member = &ring->members[i];
        const uint64_t owner = load64_acquire(&member->owner); /* [acq:owner] */
        if (member_joined(owner) && group_of(member) == group && recovery_alive(channel, owner)) {
            return true;
        }
    }
    return false;
}

/*
 * The state is looked at before the members. Who joins says so in its own entry first and then counts itself in the
 * state: whom the scan has missed makes this CAS fail, or finds the group gone.
 */
static bool free_group_if_empty(struct channel *channel, uint32_t group)
{
    atomic_u64 *word = &channel->ring.groups[group].state;
    uint64_t state = load64_acquire(word); /* [acq:group-state] */
    return (state & (GROUP_ACTIVE | GROUP_DURABLE)) == GROUP_ACTIVE && !has_living_member(channel, group) &&
           cas64_release(word, &state, state & GROUP_JOINS); /* [rel:group-state] */
}

unsigned recovery_repair_groups(struct channel *channel)
{
    const struct ring *ring = &channel->ring;
    unsigned repaired = 0;
    for (uint32_t i = 0, n = cursor_used(&ring->shared->groups_used, ring->group_max); i < n; i++) {
        repaired += free_group_if_empty(channel, i);
    }
    return repaired;
}

uint32_t recovery_held(const struct ring *ring, const struct shm_group *group,
                       const struct shm_member *member)
{
    const uint32_t held = position_sequence(load64_acquire(&member->held));    /* [acq:held] */
    const uint32_t cursor = position_sequence(load64_acquire(&group->cursor)); /* [acq:cursor] */
    const uint32_t end = load32_relaxed(&member->held_end);
    const int32_t taken = (int32_t)(((int32_t)(cursor - end) < 0 ? cursor : end) - held);
    if (load32_acquire(&member->busy) < MEMBER_CLAIMS || taken <= 0) { /* [acq:busy] */
        return 0;
    }
    /* On a block channel what is more than a ring behind was given back long ago, whatever a dead one's line says. */
    const position tail = load64_acquire(&ring->shared->tail); /* [acq:tail] */
    const bool reused = position_sequence(tail) - held > ring->slot_count;
    return reused && !ring->overwrite ? 0 : (uint32_t)taken;
}

/* What others' entries say about messages that a dead member claims. */
enum verdict {
    CLAIM_STANDS, /* nobody else has them: it has, or they were given back by whoever had */
    CLAIM_IS_VOID,
    CLAIM_IS_OPEN, /* a living member is about to tell */
};

/* Does `other` have any of the messages from `held` to `end`, or is it about to? */
static enum verdict verdict_of(const struct channel *channel, const struct shm_member *other, uint32_t held,
                               uint32_t end)
{
    const uint64_t owner = load64_acquire(&other->owner); /* [acq:owner] */
    const uint32_t busy = load32_acquire(&other->busy);   /* [acq:busy] */
    const position first = load64_acquire(&other->held);  /* [acq:held] */
    const uint32_t behind = load32_relaxed(&other->held_end);
    if (!member_in_use(owner) || busy < MEMBER_CLAIMS || (int32_t)(position_sequence(first) - end) >= 0 ||
        (int32_t)(behind - held) <= 0) {
        return CLAIM_STANDS;
    }
    if (busy == MEMBER_CLAIMS) {
        return member_joined(owner) && recovery_alive(channel, owner) ? CLAIM_IS_OPEN : CLAIM_STANDS;
    }
    fence_acquire(); /* [acq:busy] the second look at these words follows the first */
    const bool same = load64_relaxed(&other->owner) == owner && load32_relaxed(&other->busy) == busy &&
                      load64_relaxed(&other->held) == first;
    return same ? CLAIM_IS_VOID : CLAIM_IS_OPEN; /* it is just giving them back: look again */
}

/*
 * A member died between its announcement and the word that it has moved the cursor, which has moved: it may have been
 * another that did. That one says so in its entry until it has given the messages back; if none does, they are
 * this one's, or will be delivered a second time, marked. Two dead ones that claim the same: the same.
 */
static enum verdict judge(const struct channel *channel, uint32_t index)
{
    const struct ring *ring = &channel->ring;
    const struct shm_member *member = &ring->members[index];
    const uint32_t held = position_sequence(load64_relaxed(&member->held));
    const uint32_t end = load32_relaxed(&member->held_end);
    enum verdict verdict = CLAIM_STANDS;
    if (load32_relaxed(&member->busy) == MEMBER_HOLDS) {
        return verdict;
    }
    for (uint32_t i = 0, n = cursor_used(&ring->shared->members_used, ring->member_max);
         i < n && verdict == CLAIM_STANDS; i++) {
        if (i != index && group_of(&ring->members[i]) == group_of(member)) {
            verdict = verdict_of(channel, &ring->members[i], held, end);
        }
    }
    return verdict;
}

static void announce_orphan(const struct ring *ring)
{
    (void)add32_release(&ring->shared->orphans, 1); /* [rel:orphans] */
}

bool recovery_orphan(const struct ring *ring, struct shm_member *member, uint64_t owner)
{
    /* The number tells it from an earlier orphan of the same owner in the same entry. */
    const uint64_t number = load32_relaxed(&ring->shared->orphans) & OWNER_DETAIL_MASK;
    const uint64_t orphan = (owner & OWNER_PARTICIPANT) | OWNER_ORPHAN | number << OWNER_DETAIL_SHIFT;
    if (!recovery_change(&member->owner, owner, orphan)) {
        return false;
    }
    announce_orphan(ring);
    return true;
}

/* How entry `self` of `owner` marks an orphan that it adopts. */
static uint64_t adopted_by(uint64_t owner, uint32_t self)
{
    return owner | OWNER_ADOPTED | (uint64_t)(self + 1) << OWNER_DETAIL_SHIFT;
}

/*
 * An adopter died between marking the orphan and letting go of it. Its own entry may name the same messages by now,
 * but it has shown none of them to anybody: that entry is void, and first of all. Then the orphan is one again.
 */
static unsigned repair_adopted(struct channel *channel, struct shm_member *orphan, uint64_t mark)
{
    const struct ring *ring = &channel->ring;
    const uint64_t adopter = mark & OWNER_PARTICIPANT;
    const uint32_t self = (uint32_t)(mark >> OWNER_DETAIL_SHIFT & OWNER_DETAIL_MASK) - 1;
    /* The mark must have outlived him: one that was read before may be of an adoption that he has finished since. */
    if (recovery_alive(channel, adopter) || load64_acquire(&orphan->owner) != mark) { /* [acq:owner] */
        return 0;
    }
    if (self < ring->member_max) {
        (void)recovery_change(&ring->members[self].owner, adopter, adopter | OWNER_SPENT);
    }
    return recovery_orphan(ring, orphan, mark);
}

/* The orphan that dead member `self` was adopting, if any. */
static struct shm_member *adoption_of(const struct ring *ring, uint64_t owner, uint32_t self)
{
    const uint64_t mark = adopted_by(owner, self);
    for (uint32_t i = 0, n = cursor_used(&ring->shared->members_used, ring->member_max); i < n; i++) {
        if (load64_acquire(&ring->members[i].owner) == mark) { /* [acq:owner] */
            return &ring->members[i];
        }
    }
    return NULL;
}

static unsigned repair_dead(struct channel *channel, uint32_t index, uint64_t owner)
{
    const struct ring *ring = &channel->ring;
    struct shm_member *member = &ring->members[index];
    struct shm_member *orphan = adoption_of(ring, owner, index);
    if (orphan) {
        return repair_adopted(channel, orphan, adopted_by(owner, index));
    }
    const uint64_t state = recovery_group_state(ring, member);
    if ((state & (GROUP_ACTIVE | GROUP_SHARED)) == GROUP_ACTIVE) {
        return 0; /* it holds nobody up: see cursor.c, released() */
    }
    const struct shm_group *group = &ring->groups[group_of(member) % ring->group_max];
    if ((state & GROUP_ACTIVE) && recovery_held(ring, group, member) > 0) {
        const enum verdict verdict = judge(channel, index);
        if (verdict != CLAIM_IS_VOID) {
            return verdict == CLAIM_STANDS && recovery_orphan(ring, member, owner);
        }
    }
    return recovery_change(&member->owner, owner, owner | OWNER_SPENT);
}

static unsigned repair_orphan(struct channel *channel, struct shm_member *member, uint64_t owner)
{
    const struct ring *ring = &channel->ring;
    if (recovery_group_state(ring, member) & GROUP_ACTIVE) {
        announce_orphan(ring); /* again: who made it one may have died before he did */
        return 0;
    }
    return recovery_change(&member->owner, owner, (owner & OWNER_PARTICIPANT) | OWNER_SPENT);
}

static unsigned repair_member(struct channel *channel, uint32_t index)
{
    struct shm_member *member = &channel->ring.members[index];
    const uint64_t owner = load64_acquire(&member->owner); /* [acq:owner] */
    if (!member_in_use(owner)) {
        return 0;
    }
    if (owner & OWNER_ADOPTED) {
        return repair_adopted(channel, member, owner);
    }
    if (owner & OWNER_ORPHAN) {
        return repair_orphan(channel, member, owner);
    }
    if (recovery_alive(channel, owner)) {
        return 0;
    }
    const unsigned repaired = repair_dead(channel, index, owner);
    if (repaired > 0) {
        waiter_forget(&channel->ring.shared->data, &channel->segment->self, participant_index(owner));
    }
    return repaired;
}

unsigned recovery_repair_members(struct channel *channel)
{
    const struct ring *ring = &channel->ring;
    unsigned repaired = 0;
    for (uint32_t i = 0, n = cursor_used(&ring->shared->members_used, ring->member_max); i < n; i++) {
        repaired += repair_member(channel, i);
    }
    return repaired;
}

/* An orphan of the group, and its owner word. */
static struct shm_member *find_orphan(const struct ring *ring, uint32_t group, uint64_t *owner)
{
    for (uint32_t i = 0, n = cursor_used(&ring->shared->members_used, ring->member_max); i < n; i++) {
        struct shm_member *member = &ring->members[i];
        *owner = load64_acquire(&member->owner); /* [acq:owner] */
        if ((*owner & OWNER_ORPHAN) && group_of(member) == group) {
            return member;
        }
    }
    return NULL;
}

bool recovery_has_orphan(const struct ring *ring, uint32_t group)
{
    uint64_t owner;
    return find_orphan(ring, group, &owner) != NULL;
}

bool recovery_adopt(struct channel *channel, uint32_t group, uint32_t self, struct consumer *consumer)
{
    const struct ring *ring = &channel->ring;
    const uint64_t mark = adopted_by(channel->segment->self.owner, self);
    uint64_t owner;
    struct shm_member *orphan = find_orphan(ring, group, &owner);
    if (!orphan || !recovery_change(&orphan->owner, owner, mark)) {
        return false;
    }
    if (group_of(orphan) != group) {
        /* It has been one of another group since we looked, with the same number: 2^16 orphans later. */
        (void)recovery_change(&orphan->owner, mark, owner);
        return false;
    }
    /* Ours now, and only ours while we live. Our own entry names the messages before the orphan's lets go of them. */
    const uint32_t count = recovery_held(ring, &ring->groups[group], orphan);
    const position held = load64_acquire(&orphan->held); /* [acq:held] */
    consumer_adopt(consumer, held, count, load32_relaxed(&orphan->attempts) + 1);
    (void)add32_release(&ring->shared->handovers, 1); /* [rel:handovers] */
    (void)recovery_change(&orphan->owner, mark, (owner & OWNER_PARTICIPANT) | OWNER_SPENT);
    return count > 0;
}
