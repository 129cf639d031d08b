/* SPDX-License-Identifier: Apache-2.0 */
/* Repairing what dead publishers have claimed and not finished. */
#include "recovery_parts.h"
#include "ring_repair.h"
#include "waiter.h"

static bool alive(const void *who, uint64_t owner)
{
    return recovery_alive(who, owner);
}

static unsigned repair_publisher(struct channel *channel, uint32_t index, const struct ring_living *living)
{
    const struct ring *ring = &channel->ring;
    struct shm_publisher *publisher = &ring->publishers[index];
    const uint64_t owner = load64_acquire(&publisher->owner); /* [acq:owner] */
    if (owner == OWNER_NONE || recovery_alive(channel, owner)) {
        return 0;
    }
    unsigned repaired = ring_repair_claims(ring, index, living);
    /*
     * A message of its claim that a living publisher names too may stay unfinished behind this: it is aborted as one
     * that nobody names, when that publisher has gone on: by ring_repair_fronts() or ring_repair_unnamed().
     */
    if (recovery_change(&publisher->owner, owner, OWNER_NONE)) {
        waiter_forget(&ring->shared->space, &channel->segment->self, participant_index(owner));
        repaired++;
    }
    return repaired;
}

unsigned recovery_repair_publishers(struct channel *channel)
{
    const struct ring *ring = &channel->ring;
    const struct ring_living living = {.alive = alive, .who = channel};
    unsigned repaired = 0;
    for (uint32_t i = 0, n = cursor_used(&ring->shared->publishers_used, ring->publisher_max); i < n; i++) {
        repaired += repair_publisher(channel, i, &living);
    }
    return repaired + ring_repair_fronts(ring, &living);
}

unsigned recovery_abort_unnamed(struct channel *channel)
{
    const struct ring_living living = {.alive = alive, .who = channel};
    return ring_repair_unnamed(&channel->ring, &living);
}
