/* SPDX-License-Identifier: Apache-2.0 */
#include "ring_repair.h"

#include "cursor.h"

#define NOBODY 0xfffu /* publisher of a message that no entry names */

/* The messages that an entry names. */
struct claims {
    uint64_t first;
    uint32_t count;
};

static void find_claims(const struct ring *ring, const struct shm_publisher *publisher, uint64_t tail,
                        struct claims *claims)
{
    const position start = load64_acquire(&publisher->intent); /* [acq:intent] */
    claims->first = sequence_near(tail, position_sequence(start));
    if (!ring->multi) {
        /* All from its window's start on, or the claim before its intent: what is older, it has finished. */
        claims->first -= SHMBUS_CLAIM_MAX;
        const uint64_t count = tail - claims->first;
        claims->count = count < UINT32_MAX / 2 ? (uint32_t)count : 0;
        return;
    }
    const uint64_t batch = load64_acquire(&publisher->batch); /* [acq:batch] */
    const uint32_t count = position_sequence(batch) == position_sequence(start) ? (uint32_t)batch : 1;
    claims->count = count - 1 < SHMBUS_CLAIM_MAX ? count : 1;
}

uint32_t ring_claimer(const struct ring *ring, const struct ring_living *living, uint64_t sequence,
                      uint64_t tail)
{
    for (uint32_t i = 0; i < ring->publisher_max; i++) {
        BOUND(i, PUBLISHERS_MAX);
        const struct shm_publisher *publisher = &ring->publishers[i];
        const uint64_t owner = load64_acquire(&publisher->owner); /* [acq:owner] */
        if (owner == OWNER_NONE) {
            continue;
        }
        struct claims claims;
        find_claims(ring, publisher, tail, &claims);
        if (sequence - claims.first < claims.count && living->alive(living->who, owner)) {
            return i;
        }
    }
    return RING_NOBODY;
}

static bool named_by_the_living(const struct ring *ring, const struct ring_living *living, uint64_t sequence,
                                uint64_t tail)
{
    return ring_claimer(ring, living, sequence, tail) != RING_NOBODY;
}

/*
 * Aborts message `sequence` if it is claimed, not finished, and nobody alive names it. One CAS: it fails if anybody
 * has finished the message since its stamp was looked at, and the living are asked after that look. The record of
 * the arena is not written, for nobody could do that without owning the slot: readers find out for themselves where
 * the next one starts.
 */
static bool abort_message(const struct ring *ring, const struct ring_living *living, uint64_t sequence,
                          uint64_t tail, uint32_t publisher)
{
    const uint64_t behind = tail - sequence;
    if (behind == 0 || behind > ring->slot_count || (int64_t)(sequence - ring->first_sequence) < 0) {
        return false; /* not yet claimed, or so long ago that its slot was claimed again */
    }
    atomic_u64 *slot = ring_slot(ring, sequence);
    stamp seen = load64_acquire(slot); /* [acq:stamp] */
    if (ring_is_finished(ring, seen, sequence) || named_by_the_living(ring, living, sequence, tail)) {
        return false;
    }
    const stamp aborted = stamp_make(ring_lap(ring, sequence), publisher, 0, STAMP_ABORTED);
    return cas64_release(slot, &seen, aborted); /* [rel:stamp] */
}

unsigned ring_repair_claims(const struct ring *ring, uint32_t index, const struct ring_living *living)
{
    position end;
    const uint64_t tail = ring_tail(ring, &end);
    struct claims claims;
    find_claims(ring, &ring->publishers[index], tail, &claims);
    const uint64_t oldest = tail - ring->slot_count;
    const uint32_t skipped = (int64_t)(oldest - claims.first) > 0 ? (uint32_t)(oldest - claims.first) : 0;
    unsigned repaired = 0;
    for (uint32_t i = skipped; i < claims.count; i++) {
        BOUND(i - skipped, ring->slot_count);
        repaired += abort_message(ring, living, claims.first + i, tail, index);
    }
    return repaired;
}

unsigned ring_repair_fronts(const struct ring *ring, const struct ring_living *living)
{
    position end;
    const uint64_t tail = ring_tail(ring, &end);
    unsigned repaired = abort_message(ring, living, tail - ring->slot_count, tail, NOBODY);
    for (uint32_t i = 0, n = cursor_used(&ring->shared->groups_used, ring->group_max); i < n; i++) {
        BOUND(i, ring->group_max);
        const uint32_t cursor = position_sequence(load64_relaxed(&ring->groups[i].cursor));
        repaired += abort_message(ring, living, sequence_near(tail, cursor), tail, NOBODY);
    }
    for (uint32_t i = 0, n = cursor_used(&ring->shared->members_used, ring->member_max); i < n; i++) {
        BOUND(i, ring->member_max);
        const uint32_t held = position_sequence(load64_relaxed(&ring->members[i].held));
        repaired += abort_message(ring, living, sequence_near(tail, held), tail, NOBODY);
    }
    return repaired;
}

unsigned ring_repair_unnamed(const struct ring *ring, const struct ring_living *living)
{
    position end;
    const uint64_t tail = ring_tail(ring, &end);
    unsigned repaired = 0;
    for (uint32_t behind = ring->slot_count; behind > 0; behind--) {
        BOUND(ring->slot_count - behind, ring->slot_count);
        repaired += abort_message(ring, living, tail - behind, tail, NOBODY);
    }
    return repaired;
}
