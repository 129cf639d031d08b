/* SPDX-License-Identifier: Apache-2.0 */
#include "cursor.h"

/* Lowers `room` to what a holder of position `held` leaves free behind `tail`. */
static void room_behind(const struct ring *ring, position tail, position held, struct cursor_room *room)
{
    const int32_t lag = (int32_t)(position_sequence(tail) - position_sequence(held));
    const uint32_t behind = position_line(tail) - position_line(held);
    if (lag <= 0) {
        return; /* it holds nothing that was claimed before this tail: neither slots nor lines */
    }
    const uint32_t slots = (uint32_t)lag;
    /* Who stands at or behind the base holds no line from before it; a late joiner that stands before it may. */
    const bool past = room->based && (int32_t)(position_sequence(held) - position_sequence(room->base)) >= 0;
    const uint32_t since = position_line(tail) - position_line(room->base);
    const uint32_t lines = past && since < behind ? since : behind;
    const uint32_t free_slots = slots < ring->slot_count ? ring->slot_count - slots : 0;
    const uint32_t free_lines = lines < ring->arena_lines ? ring->arena_lines - lines : 0;
    room->slots = free_slots < room->slots ? free_slots : room->slots;
    room->lines = free_lines < room->lines ? free_lines : room->lines;
}

/* How far the one member of exclusive group `index` really is. */
static position released(const struct ring *ring, uint32_t index, position cursor)
{
    for (uint32_t i = 0, n = cursor_used(&ring->shared->members_used, ring->member_max); i < n; i++) {
        BOUND(i, ring->member_max);
        const struct shm_member *member = &ring->members[i];
        if (member_joined(load64_acquire(&member->owner)) &&     /* [acq:owner] */
            load32_acquire(&member->group) == index) {           /* [acq:member-group] */
            const position held = load64_acquire(&member->held); /* [acq:held] */
            const bool further = (int32_t)(position_sequence(held) - position_sequence(cursor)) > 0;
            /* The entry may have gone to another group's member in between. */
            return further && load32_relaxed(&member->group) == index ? held : cursor;
        }
    }
    return cursor;
}

/*
 * After the cursors were read: whoever claimed before had made its `held` visible. A hand-over from an orphan to
 * a member that the scan has passed already would be overlooked: then there is no room, this time.
 */
static void room_of_members(const struct ring *ring, position tail, struct cursor_room *room)
{
    fence_seq_cst(); /* [fence:announce] with ring_consumer.c, announce() */
    const uint32_t before = load32_acquire(&ring->shared->handovers); /* [acq:handovers] */
    for (uint32_t i = 0, n = cursor_used(&ring->shared->members_used, ring->member_max); i < n; i++) {
        BOUND(i, ring->member_max);
        const struct shm_member *member = &ring->members[i];
        if (member_in_use(load64_acquire(&member->owner)) &&
            load32_acquire(&member->busy)) {                              /* [acq:owner] [acq:busy] */
            room_behind(ring, tail, load64_acquire(&member->held), room); /* [acq:held] */
        }
    }
    fence_acquire();
    if (load32_relaxed(&ring->shared->handovers) != before) {
        room->slots = 0;
    }
}

static void room_of_groups(const struct ring *ring, position tail, bool exact, struct cursor_room *room)
{
    bool shared = false;
    for (uint32_t i = 0, n = cursor_used(&ring->shared->groups_used, ring->group_max); i < n; i++) {
        BOUND(i, ring->group_max);
        const uint64_t state = load64_acquire(&ring->groups[i].state); /* [acq:group-state] */
        if (state & GROUP_ACTIVE) {
            shared |= (state & GROUP_SHARED) != 0;
            const position cursor = load64_acquire(&ring->groups[i].cursor); /* [acq:cursor] */
            const bool lazy = exact && !(state & GROUP_SHARED);
            room_behind(ring, tail, lazy ? released(ring, i, cursor) : cursor, room);
        }
    }
    if (shared) {
        room_of_members(ring, tail, room);
    }
}

/* Is any of the `count` claims from `first` on unfinished? */
static bool unfinished(const struct ring *ring, uint64_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        BOUND(i, SHMBUS_CLAIM_MAX);
        if (!ring_finished(ring, first + i)) {
            return true;
        }
    }
    return false;
}

/* What other publishers have claimed and not finished must stay, whoever has joined since. */
static void room_of_publishers(const struct ring *ring, uint64_t sequence, position tail, uint32_t self,
                               struct cursor_room *room)
{
    for (uint32_t i = 0, n = cursor_used(&ring->shared->publishers_used, ring->publisher_max); i < n; i++) {
        BOUND(i, ring->publisher_max);
        const struct shm_publisher *other = &ring->publishers[i];
        if (i == self || load64_acquire(&other->owner) == OWNER_NONE) { /* [acq:owner] */
            continue;
        }
        const position intent = load64_acquire(&other->intent); /* [acq:intent] */
        const uint64_t batch = load64_acquire(&other->batch);   /* [acq:batch] */
        const uint64_t first = sequence_near(sequence, position_sequence(intent));
        const uint64_t behind = sequence - first;
        if (behind == 0 || behind > ring->slot_count) {
            continue; /* not yet claimed, or so old that its slots were claimed again: finished */
        }
        uint32_t count = position_sequence(batch) == position_sequence(intent) ? (uint32_t)batch : 1;
        count = count > 0 ? count : 1;
        count = count < behind ? count : (uint32_t)behind;
        if (unfinished(ring, first, count)) {
            room_behind(ring, tail, intent, room);
        }
    }
}

struct cursor_room cursor_room(const struct ring *ring, uint64_t sequence, position tail, uint32_t self,
                               bool exact, const position *base)
{
    struct cursor_room room = {.slots = ring->slot_count,
                               .lines = ring->arena_lines,
                               .base = base ? *base : 0,
                               .based = base != NULL};
    if (!ring->overwrite) {
        room_of_groups(ring, tail, exact, &room);
    }
    if (ring->multi) {
        room_of_publishers(ring, sequence, tail, self, &room);
    }
    return room;
}

uint64_t cursor_sequence(const struct ring *ring, position p)
{
    position tail;
    const uint64_t sequence = ring_tail(ring, &tail);
    return sequence - (uint32_t)(position_sequence(tail) - position_sequence(p));
}

void cursor_granted(const struct ring *ring, position tail, uint32_t *slots, uint32_t *lines)
{
    const uint32_t batch = SHMBUS_CLAIM_MAX < ring->slot_count ? SHMBUS_CLAIM_MAX : ring->slot_count;
    const uint32_t most = ring->grant_slots > batch ? ring->grant_slots : batch;
    const int32_t furthest =
        (int32_t)(ring->grant_slots > SHMBUS_CLAIM_MAX ? ring->grant_slots : SHMBUS_CLAIM_MAX);
    *slots = 0;
    *lines = 0;
    for (uint32_t i = 0, n = cursor_used(&ring->shared->publishers_used, ring->publisher_max); i < n; i++) {
        BOUND(i, ring->publisher_max);
        if (load64_acquire(&ring->publishers[i].owner) == OWNER_NONE) { /* [acq:owner] */
            continue;
        }
        const position limit = load64_acquire(&ring->publishers[i].limit); /* [acq:limit] */
        /* Whoever set it stood at a tail that we see now. Further ahead of it is none but one of 2^31 messages ago. */
        const position latest = load64_relaxed(&ring->shared->tail);
        if ((int32_t)(position_sequence(limit) - position_sequence(latest)) > furthest) {
            continue;
        }
        const int32_t ahead = (int32_t)(position_sequence(limit) - position_sequence(tail));
        if (ahead > 0) {
            /* It may have looked again since the tail was read: what it was granted unseen is one grant at most. */
            const uint32_t s = (uint32_t)ahead < most ? (uint32_t)ahead : most;
            const int32_t l = (int32_t)(position_line(limit) - position_line(tail));
            *slots = s > *slots ? s : *slots;
            *lines = l > 0 && (uint32_t)l > *lines ? (uint32_t)l : *lines;
        }
    }
    /* Who went on behind this tail and died may have no entry any more; but then his claims are in the tail. */
    const position now = load64_acquire(&ring->shared->tail); /* [acq:tail] */
    const uint32_t claimed = position_sequence(now) - position_sequence(tail);
    const uint32_t filled = position_line(now) - position_line(tail);
    *slots = claimed > *slots ? claimed : *slots;
    *slots = *slots < ring->slot_count ? *slots : ring->slot_count;
    *lines = filled > *lines ? filled : *lines;
    *lines = *lines < ring->arena_lines ? *lines : ring->arena_lines;
}

/*
 * The oldest position from which all slots and lines stay. Walks from the oldest safe slot over arena
 * records whose lines are not safe; lines only rise, so the first safe record ends the walk.
 */
static position oldest_intact(const struct ring *ring, uint64_t sequence, position tail, uint64_t *first)
{
    uint32_t slots, lines;
    cursor_granted(ring, tail, &slots, &lines);
    const uint64_t kept = ring->slot_count - slots;
    const uint64_t published = sequence - ring->first_sequence;
    const uint32_t safe_line = position_line(tail) + lines - ring->arena_lines;
    uint64_t oldest = sequence - (published < kept ? published : kept);
    uint32_t line = position_line(tail); /* where no record tells: there is none, nothing older is held */
    for (uint64_t s = oldest; s != sequence; s++) {
        BOUND(s - (sequence - ring->slot_count), ring->slot_count);
        const atomic_u64 *slot = ring_slot(ring, s);
        const stamp found = load64_acquire(slot); /* [acq:stamp] */
        if (stamp_laps_ahead(found, ring_lap(ring, s)) != 0 || (found & STAMP_WRITING)) {
            /* Still being written, its line unknown: no open claim lies more than an arena behind the tail. */
            line = position_line(tail) - ring->arena_lines;
            break;
        }
        if (found & STAMP_ARENA) {
            const uint64_t record = load64_relaxed(slot + 1);
            if (line_reached(record_line(record), safe_line)) {
                line = record_line(record);
                break;
            }
            oldest = s + 1;
        }
    }
    *first = oldest;
    return position_make(oldest, line);
}

uint64_t cursor_join(const struct ring *ring, struct shm_group *group, uint64_t flags, bool oldest)
{
    const uint64_t joins = (load64_relaxed(&group->state) & GROUP_JOINS) + GROUP_JOIN;
    position tail = load64_acquire(&ring->shared->tail); /* [acq:tail] */
    const position low = position_make((uint64_t)position_sequence(tail) - ring->slot_count,
                                       position_line(tail) - ring->arena_lines);
    store64_relaxed(&group->cursor, oldest ? low : tail);
    store64_release(&group->state, joins | GROUP_ACTIVE | (flags & ~GROUP_DURABLE)); /* [rel:group-state] */
    fence_seq_cst(); /* [fence:join] with refresh() of ring_producer.c */
    uint64_t first = ring_tail(ring, &tail);
    position start = tail;
    if (oldest && !ring->overwrite) {
        start = oldest_intact(ring, first, tail, &first);
    } else if (oldest) {
        const uint64_t published = first - ring->first_sequence;
        const uint64_t back = published < ring->slot_count ? published : ring->slot_count;
        first -= back;
        start = position_make(first, position_line(tail) - ring->arena_lines);
    }
    store64_release(&group->cursor, start); /* [rel:cursor] */
    store64_release(&group->state,
                    joins | GROUP_ACTIVE | flags); /* [rel:group-state] durable only from here on */
    return first;
}
