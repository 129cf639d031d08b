/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aborting messages that were claimed by the dead: the part of recovery_claims.c that is pure memory.
 *
 *   call            who       may overlap with
 *   ring_claimer    anybody   everything
 *   ring_repair_*   anybody   everything, other repairs too
 *
 * progress      wait-free, if asking who is alive is: nobody waits for a repairer
 * killed        each repair is one CAS on a stamp, which anybody may do again
 */
#ifndef SHMBUS_BUS_RING_REPAIR_H
#define SHMBUS_BUS_RING_REPAIR_H

#include "ring.h"

/* Who knows whether the participant of an entry's owner word is alive. */
struct ring_living {
    bool (*alive)(const void *who, uint64_t owner);
    const void *who;
};

#define RING_NOBODY UINT32_MAX

/*
 * The first living publisher that names message `sequence`, or RING_NOBODY. One that has claimed it does, from before
 * the claim until it has finished it. One that has lost the claim to somebody else may, until it tries for another.
 */
uint32_t ring_claimer(const struct ring *ring, const struct ring_living *living, uint64_t sequence,
                      uint64_t tail);

/* Aborts what dead publisher `index` has claimed and not finished; how many messages. Its entry is left as it is. */
unsigned ring_repair_claims(const struct ring *ring, uint32_t index, const struct ring_living *living);

/*
 * The same for messages that somebody may be waiting for: that of each cursor and each member, and the one whose slot
 * the next claim takes. Nobody need name them: see recovery_claims.c, and memory may have been damaged.
 */
unsigned ring_repair_fronts(const struct ring *ring, const struct ring_living *living);

/* The same for all that was claimed, is not finished and nobody alive names, wherever it is. */
unsigned ring_repair_unnamed(const struct ring *ring, const struct ring_living *living);

#endif
