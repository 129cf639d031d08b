/* SPDX-License-Identifier: Apache-2.0 */
/* Repairing what dead publishers have claimed and not finished. */
#include "recovery_parts.h"
#include "waiter.h"

#define NOBODY 0xfffu /* publisher of a message that no entry names */

/* The messages that an entry names. */
struct claims {
    uint64_t first;
    uint32_t count;
};

static struct claims claims_of(const struct ring *ring, const struct shm_publisher *publisher, uint64_t tail)
{
    const position start = load64_acquire(&publisher->intent); /* [acq:intent] */
    if (!ring->multi) {
        /* All from its window's start on, or the claim before its intent: what is older, it has finished. */
        const uint64_t first = sequence_near(tail, position_sequence(start)) - SHMBUS_CLAIM_MAX;
        const uint64_t count = tail - first;
        return (struct claims){.first = first, .count = count < UINT32_MAX / 2 ? (uint32_t)count : 0};
    }
    const uint64_t batch = load64_acquire(&publisher->batch); /* [acq:batch] */
    const uint32_t count = position_sequence(batch) == position_sequence(start) ? (uint32_t)batch : 1;
    return (struct claims){.first = sequence_near(tail, position_sequence(start)),
                           .count = count - 1 < SHMBUS_CLAIM_MAX ? count : 1};
}

/*
 * Does a living publisher name message `sequence`? One that has claimed it does, from before the claim until it has
 * finished it. One that has lost the claim to somebody else may, until it tries for another.
 */
static bool named_by_the_living(const struct channel *channel, uint64_t sequence, uint64_t tail)
{
    const struct ring *ring = &channel->ring;
    for (uint32_t i = 0; i < ring->publisher_max; i++) {
        const struct shm_publisher *publisher = &ring->publishers[i];
        const uint64_t owner = load64_acquire(&publisher->owner); /* [acq:owner] */
        if (owner == OWNER_NONE) {
            continue;
        }
        const struct claims claims = claims_of(ring, publisher, tail);
        if (sequence - claims.first < claims.count && recovery_alive(channel, owner)) {
            return true;
        }
    }
    return false;
}

/*
 * Aborts message `sequence` if it is claimed, not finished, and nobody alive names it. One CAS: it fails if anybody
 * has finished the message since its stamp was looked at, and the living are asked after that look. The record of
 * the arena is not written, for nobody could do that without owning the slot: readers find out for themselves where
 * the next one starts.
 */
static bool abort_message(struct channel *channel, uint64_t sequence, uint64_t tail, uint32_t publisher)
{
    const struct ring *ring = &channel->ring;
    const uint64_t behind = tail - sequence;
    if (behind == 0 || behind > ring->slot_count || (int64_t)(sequence - ring->first_sequence) < 0) {
        return false; /* not yet claimed, or so long ago that its slot was claimed again */
    }
    atomic_u64 *slot = ring_slot(ring, sequence);
    stamp seen = load64_acquire(slot); /* [acq:stamp] */
    if (ring_is_finished(ring, seen, sequence) || named_by_the_living(channel, sequence, tail)) {
        return false;
    }
    const stamp aborted = stamp_make(ring_lap(ring, sequence), publisher, 0, STAMP_ABORTED);
    return cas64_release(slot, &seen, aborted); /* [rel:stamp] */
}

static unsigned repair_publisher(struct channel *channel, uint32_t index)
{
    const struct ring *ring = &channel->ring;
    struct shm_publisher *publisher = &ring->publishers[index];
    const uint64_t owner = load64_acquire(&publisher->owner); /* [acq:owner] */
    if (owner == OWNER_NONE || recovery_alive(channel, owner)) {
        return 0;
    }
    position end;
    const uint64_t tail = ring_tail(ring, &end);
    const struct claims claims = claims_of(ring, publisher, tail);
    const uint64_t oldest = tail - ring->slot_count;
    const uint32_t skipped = (int64_t)(oldest - claims.first) > 0 ? (uint32_t)(oldest - claims.first) : 0;
    unsigned repaired = 0;
    for (uint32_t i = skipped; i < claims.count; i++) {
        repaired += abort_message(channel, claims.first + i, tail, index);
    }
    /*
     * A message of its claim that a living publisher names too may stay unfinished behind this: it is aborted as one
     * that nobody names, when that publisher has gone on: by repair_fronts() or recovery_abort_unnamed().
     */
    if (recovery_change(&publisher->owner, owner, OWNER_NONE)) {
        waiter_forget(&ring->shared->space, &channel->segment->self, participant_index(owner));
        repaired++;
    }
    return repaired;
}

/*
 * The messages that somebody may be waiting for: that of each cursor and each member, and the one whose slot the next
 * claim takes. Nobody need name them: see repair_publisher(), and memory may have been damaged.
 */
static unsigned repair_fronts(struct channel *channel)
{
    const struct ring *ring = &channel->ring;
    position end;
    const uint64_t tail = ring_tail(ring, &end);
    unsigned repaired = abort_message(channel, tail - ring->slot_count, tail, NOBODY);
    for (uint32_t i = 0, n = recovery_bounded(&ring->shared->groups_used, ring->group_max); i < n; i++) {
        const uint32_t cursor = position_sequence(load64_relaxed(&ring->groups[i].cursor));
        repaired += abort_message(channel, sequence_near(tail, cursor), tail, NOBODY);
    }
    for (uint32_t i = 0, n = recovery_bounded(&ring->shared->members_used, ring->member_max); i < n; i++) {
        const uint32_t held = position_sequence(load64_relaxed(&ring->members[i].held));
        repaired += abort_message(channel, sequence_near(tail, held), tail, NOBODY);
    }
    return repaired;
}

unsigned recovery_abort_unnamed(struct channel *channel)
{
    const struct ring *ring = &channel->ring;
    position end;
    const uint64_t tail = ring_tail(ring, &end);
    unsigned repaired = 0;
    for (uint64_t sequence = tail - ring->slot_count; sequence != tail; sequence++) {
        repaired += abort_message(channel, sequence, tail, NOBODY);
    }
    return repaired;
}

unsigned recovery_repair_publishers(struct channel *channel)
{
    const struct ring *ring = &channel->ring;
    unsigned repaired = 0;
    for (uint32_t i = 0, n = recovery_bounded(&ring->shared->publishers_used, ring->publisher_max); i < n;
         i++) {
        repaired += repair_publisher(channel, i);
    }
    return repaired + repair_fronts(channel);
}
