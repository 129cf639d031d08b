/* SPDX-License-Identifier: Apache-2.0 */
#include "recovery.h"

#include "cursor.h"
#include "ring_producer.h"
#include "waiter.h"

static uint32_t bounded(const atomic_u32 *count, uint32_t max)
{
    const uint32_t n = load32_acquire(count); /* [acq:tables] */
    return n < max ? n : max;
}

/* The messages that an entry's intent names. */
struct intent {
    uint64_t first;
    uint32_t count;
};

static struct intent intent_of(const struct ring *ring, const struct shm_publisher *publisher, uint64_t tail)
{
    struct intent intent;
    if (!ring->multi) {
        /* A single publisher has no intent: its claims are the last ones. */
        const uint64_t published = tail - ring->first_sequence;
        intent.count = published < SHMBUS_CLAIM_MAX ? (uint32_t)published : SHMBUS_CLAIM_MAX;
        intent.count = intent.count < ring->slot_count ? intent.count : ring->slot_count;
        intent.first = tail - intent.count;
        return intent;
    }
    const position start = load64_acquire(&publisher->intent); /* [acq:intent] */
    const uint64_t batch = load64_relaxed(&publisher->batch);
    const uint32_t count = position_sequence(batch) == position_sequence(start) ? (uint32_t)batch : 1;
    intent.first = sequence_near(tail, position_sequence(start));
    intent.count = count - 1 < SHMBUS_CLAIM_MAX ? count : 1;
    return intent;
}

/* Does a living publisher other than entry `self` name message `sequence` in its intent? */
static bool named_by_the_living(const struct channel *channel, uint32_t self, uint64_t sequence,
                                uint64_t tail)
{
    const struct ring *ring = &channel->ring;
    for (uint32_t i = 0, n = bounded(&ring->shared->publishers_used, ring->publisher_max); i < n; i++) {
        const struct shm_publisher *other = &ring->publishers[i];
        const uint64_t owner = load64_acquire(&other->owner); /* [acq:owner] */
        if (i == self || owner == OWNER_NONE) {
            continue;
        }
        const struct intent intent = intent_of(ring, other, tail);
        if (sequence - intent.first < intent.count && participant_alive(&channel->segment->self, owner)) {
            return true;
        }
    }
    return false;
}

/* The line behind message `sequence`: where the next one starts, if that is known. */
static bool line_behind(const struct ring *ring, uint64_t sequence, uint64_t end, position tail,
                        uint32_t *line)
{
    if (sequence + 1 == end) {
        *line = position_line(tail);
        return true;
    }
    const atomic_u64 *next = ring_slot(ring, sequence + 1);
    const stamp s = load64_acquire(next); /* [acq:stamp] */
    *line = record_line(load64_relaxed(next + 1));
    return stamp_laps_ahead(s, ring_lap(ring, sequence + 1)) == 0 && (s & STAMP_ARENA);
}

/*
 * Turns the unfinished message `sequence` of dead publisher `index` into an aborted one, lines and all. The
 * slot is made ours first: on an overwrite channel somebody may still read its last message.
 */
static void abort_message(const struct ring *ring, uint32_t index, uint64_t sequence, uint64_t end,
                          position tail)
{
    atomic_u64 *slot = ring_slot(ring, sequence);
    stamp seen = load64_acquire(slot); /* [acq:stamp] */
    const uint64_t lap = ring_lap(ring, sequence);
    if (ring_finished(ring, sequence) ||
        !cas64_acq_rel(slot, &seen, stamp_make(lap, index, 0, STAMP_WRITING))) { /* [rel:stamp] */
        return;
    }
    fence_release(); /* [rel:writing] */
    uint32_t flags = STAMP_ABORTED;
    uint32_t line;
    if (line_behind(ring, sequence, end, tail, &line)) {
        store64_relaxed(slot + 1, record_make(line, 0));
        flags |= STAMP_ARENA;
    }
    store64_release(slot, stamp_make(lap, index, 0, flags)); /* [rel:stamp] */
}

/*
 * Aborts what entry `index` has claimed and not finished. False when a message of its intent is unfinished
 * and may be a living publisher's: then the entry must stay, for it may be the only one that names it later.
 */
static bool abort_claims(struct channel *channel, uint32_t index)
{
    const struct ring *ring = &channel->ring;
    position tail;
    const uint64_t end = ring_tail(ring, &tail);
    const struct intent intent = intent_of(ring, &ring->publishers[index], end);
    bool settled = true;
    for (uint32_t i = intent.count; i-- > 0;) {
        const uint64_t sequence = intent.first + i;
        const uint64_t behind = end - sequence;
        if (behind == 0 || behind > ring->slot_count || ring_finished(ring, sequence)) {
            continue;
        }
        /* Named by the living first, finished second: a living claimer finishes before it names another. */
        if (ring->multi && named_by_the_living(channel, index, sequence, end)) {
            settled = settled && ring_finished(ring, sequence);
        } else {
            abort_message(ring, index, sequence, end, tail);
        }
    }
    return settled;
}

/* After a repair: it may be what somebody waits for. */
static void notify_all(struct channel *channel)
{
    waiter_tell(&channel->ring.shared->data, &channel->segment->self);
    waiter_tell(&channel->ring.shared->space, &channel->segment->self);
}

bool recovery_release_publisher(struct channel *channel, uint32_t index)
{
    const struct ring *ring = &channel->ring;
    struct shm_publisher *publisher = &ring->publishers[index];
    waiter_forget(&ring->shared->space, &channel->segment->self,
                  participant_index(load64_relaxed(&publisher->owner)));
    const bool settled = abort_claims(channel, index);
    if (settled) {
        count_relaxed(&ring->shared->departed_messages, producer_messages(ring, publisher));
        store64_release(&publisher->owner, OWNER_NONE); /* [rel:owner] */
    }
    notify_all(channel);
    return settled;
}

static bool is_free(const struct shm_member *member)
{
    return load64_acquire(&member->owner) == OWNER_NONE; /* [acq:owner] */
}

/* A living member, as far as the table tells; orphans do not count. */
static bool group_has_member(const struct ring *ring, uint32_t group)
{
    for (uint32_t i = 0, n = bounded(&ring->shared->members_used, ring->member_max); i < n; i++) {
        const struct shm_member *member = &ring->members[i];
        const uint64_t owner = load64_acquire(&member->owner); /* [acq:owner] */
        if (owner != OWNER_NONE && owner != OWNER_ORPHAN &&
            load32_acquire(&member->group) == group) { /* [acq:member-group] */
            return true;
        }
    }
    return false;
}

static void free_member(const struct ring *ring, struct shm_member *member)
{
    if (load64_relaxed(&member->owner) == OWNER_ORPHAN) {
        (void)add32_acq_rel(&ring->shared->orphans, UINT32_MAX); /* [rel:orphans] */
    }
    store32_release(&member->busy, 0);                 /* [rel:busy] */
    store32_release(&member->group, GROUP_NOT_JOINED); /* [rel:member-group] */
    store64_release(&member->owner, OWNER_NONE);       /* [rel:owner] */
}

static void free_group(const struct ring *ring, uint32_t group)
{
    store32_release(&ring->groups[group].state, GROUP_FREE); /* [rel:group-state] */
    for (uint32_t i = 0, n = bounded(&ring->shared->members_used, ring->member_max); i < n; i++) {
        struct shm_member *member = &ring->members[i];
        if (!is_free(member) && load32_relaxed(&member->group) == group) {
            free_member(ring, member);
        }
    }
}

/* A group without living members goes, with its orphans, unless it is durable. */
static void free_group_if_empty(const struct ring *ring, uint32_t group)
{
    if (!(load32_relaxed(&ring->groups[group].state) & GROUP_DURABLE) && !group_has_member(ring, group)) {
        free_group(ring, group);
    }
}

void recovery_remove_group(struct channel *channel, uint32_t group)
{
    free_group(&channel->ring, group);
    waiter_tell(&channel->ring.shared->space, &channel->segment->self);
}

static void keep_counters(struct shm_group *group, const struct shm_member *member)
{
    count_relaxed(&group->messages, load64_relaxed(&member->messages));
    count_relaxed(&group->bytes, load64_relaxed(&member->bytes));
    count_relaxed(&group->missed, load64_relaxed(&member->missed));
    count_relaxed(&group->aborted, load64_relaxed(&member->aborted));
    count_relaxed(&group->redelivered, load64_relaxed(&member->redelivered));
}

/*
 * How many messages it holds that the cursor has passed: a claim whose CAS never came holds none. On a block
 * channel what is more than a ring behind was given back long ago, whatever a dead one's line says.
 */
static uint32_t held_count(const struct ring *ring, const struct shm_group *group,
                           const struct shm_member *member)
{
    const uint32_t held = position_sequence(load64_acquire(&member->held));    /* [acq:held] */
    const uint32_t cursor = position_sequence(load64_acquire(&group->cursor)); /* [acq:cursor] */
    const uint32_t end = load32_relaxed(&member->held_end);
    const int32_t taken = (int32_t)(((int32_t)(cursor - end) < 0 ? cursor : end) - held);
    if (load32_acquire(&member->busy) == 0 || taken <= 0) { /* [acq:busy] */
        return 0;
    }
    const position tail = load64_acquire(&ring->shared->tail); /* [acq:tail] */
    const bool reused = position_sequence(tail) - held > ring->slot_count;
    return reused && !ring->overwrite ? 0 : (uint32_t)taken;
}

static void leave_exclusive(struct shm_group *group, const struct shm_member *member, bool interrupted)
{
    const position held = load64_acquire(&member->held); /* [acq:held] */
    if ((int32_t)(position_sequence(held) - position_sequence(load64_relaxed(&group->cursor))) > 0) {
        store64_release(&group->cursor, held); /* [rel:cursor] */
    }
    if (interrupted) {
        store32_release(&group->state,
                        load32_relaxed(&group->state) | GROUP_INTERRUPTED); /* [rel:group-state] */
    }
}

void recovery_release_member(struct channel *channel, uint32_t index, bool interrupted)
{
    const struct ring *ring = &channel->ring;
    struct shm_member *member = &ring->members[index];
    waiter_forget(&ring->shared->data, &channel->segment->self,
                  participant_index(load64_relaxed(&member->owner)));
    const uint32_t joined = load32_acquire(&member->group); /* [acq:member-group] */
    if (joined >= ring->group_max) {
        free_member(ring, member);
        return;
    }
    struct shm_group *group = &ring->groups[joined];
    keep_counters(group, member);
    const bool shared = (load32_relaxed(&group->state) & GROUP_SHARED) != 0;
    if (!shared) {
        leave_exclusive(group, member, interrupted);
    }
    if (shared && held_count(ring, group, member) > 0) {
        store64_release(&member->owner, OWNER_ORPHAN);  /* [rel:owner] */
        (void)add32_acq_rel(&ring->shared->orphans, 1); /* [rel:orphans] */
    } else {
        free_member(ring, member);
    }
    free_group_if_empty(ring, joined);
    notify_all(channel);
}

static unsigned run_publishers(struct channel *channel)
{
    const struct ring *ring = &channel->ring;
    unsigned repaired = 0;
    for (uint32_t i = 0, n = bounded(&ring->shared->publishers_used, ring->publisher_max); i < n; i++) {
        const uint64_t owner = load64_acquire(&ring->publishers[i].owner); /* [acq:owner] */
        if (owner != OWNER_NONE && !participant_alive(&channel->segment->self, owner)) {
            repaired += recovery_release_publisher(channel, i);
        }
    }
    return repaired;
}

static unsigned run_members(struct channel *channel)
{
    const struct ring *ring = &channel->ring;
    unsigned repaired = 0;
    for (uint32_t i = 0, n = bounded(&ring->shared->members_used, ring->member_max); i < n; i++) {
        const uint64_t owner = load64_acquire(&ring->members[i].owner); /* [acq:owner] */
        if (owner != OWNER_NONE && owner != OWNER_ORPHAN &&
            !participant_alive(&channel->segment->self, owner)) {
            recovery_release_member(channel, i, true);
            repaired++;
        }
    }
    return repaired;
}

/* A joiner that died between making its group active and saying that it is a member. */
static unsigned run_groups(struct channel *channel)
{
    const struct ring *ring = &channel->ring;
    unsigned repaired = 0;
    for (uint32_t i = 0, n = bounded(&ring->shared->groups_used, ring->group_max); i < n; i++) {
        const uint32_t state = load32_acquire(&ring->groups[i].state); /* [acq:group-state] */
        if ((state & GROUP_ACTIVE) && !group_has_member(ring, i)) {
            free_group_if_empty(ring, i);
            repaired += !(state & GROUP_DURABLE);
        }
    }
    return repaired;
}

/* A recoverer that died between an entry and this count left it wrong. */
static void recount_orphans(const struct ring *ring)
{
    uint32_t orphans = 0;
    for (uint32_t i = 0, n = bounded(&ring->shared->members_used, ring->member_max); i < n; i++) {
        orphans += load64_acquire(&ring->members[i].owner) == OWNER_ORPHAN; /* [acq:owner] */
    }
    store32_release(&ring->shared->orphans, orphans); /* [rel:orphans] */
}

unsigned recovery_run(struct channel *channel)
{
    recount_orphans(&channel->ring);
    return run_publishers(channel) + run_members(channel) + run_groups(channel);
}

unsigned recovery_look(struct channel *channel)
{
    if (segment_try_lock(channel->segment) != 0) {
        return 0; /* whoever has it changes the tables, and perhaps repairs them: look again later */
    }
    const unsigned repaired = recovery_run(channel);
    segment_unlock(channel->segment);
    return repaired;
}

static struct shm_member *find_orphan(const struct ring *ring, uint32_t group)
{
    for (uint32_t i = 0, n = bounded(&ring->shared->members_used, ring->member_max); i < n; i++) {
        struct shm_member *member = &ring->members[i];
        const bool orphan = load64_acquire(&member->owner) == OWNER_ORPHAN; /* [acq:owner] */
        if (orphan && load32_acquire(&member->group) == group) {            /* [acq:member-group] */
            return member;
        }
    }
    return NULL;
}

bool recovery_has_orphan(const struct ring *ring, uint32_t group)
{
    return load32_acquire(&ring->shared->orphans) != 0 && find_orphan(ring, group); /* [acq:orphans] */
}

bool recovery_adopt(struct channel *channel, uint32_t group, struct consumer *consumer)
{
    const struct ring *ring = &channel->ring;
    struct shm_member *orphan = find_orphan(ring, group);
    if (!orphan) {
        return false;
    }
    /* Its own entry names the messages before the orphan's is freed: nobody gets between. */
    const position held = load64_acquire(&orphan->held); /* [acq:held] */
    consumer_adopt(consumer, held, held_count(ring, &ring->groups[group], orphan));
    (void)add32_acq_rel(&ring->shared->handovers, 1); /* [rel:handovers] */
    free_member(ring, orphan);
    return true;
}
