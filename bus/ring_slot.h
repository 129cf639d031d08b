/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a slot tells a reader: is the message there, where does it lie, was it overwritten while it was read. The inner
 * side of ring_consumer.c.
 *
 *   call     who                         may overlap with
 *   slot_*   the consumer's one user     all producers, all other consumers
 *
 * killed        nothing is written but the consumer's private memory
 */
#ifndef SHMBUS_BUS_RING_SLOT_H
#define SHMBUS_BUS_RING_SLOT_H

#include "ring_consumer.h"

/* What the stamp says about message `sequence`: 0 it is there, -EAGAIN not yet, -ESTALE overwritten. */
static inline int slot_state(const struct ring *ring, stamp s, uint64_t sequence)
{
    const int64_t ahead = stamp_laps_ahead(s, ring_lap(ring, sequence));
    if (ahead == 0) {
        return s & STAMP_WRITING ? -EAGAIN : 0;
    }
    return ahead < 0 ? -EAGAIN : -ESTALE;
}

/* Where an arena record lies, bounded; false when it lies outside. `line` becomes the one behind it. */
bool slot_record(const struct ring *ring, uint64_t record, struct consumer_glimpse *seen, uint32_t *line);

/* Looks for the reader's next message: 0, -EAGAIN, -EBADMSG; -ESTALE: it was overtaken, and goes on at `resume`. */
int slot_look(struct consumer *consumer, stamp *s, uint64_t *resume);

/*
 * Where a reader that was overtaken at `sequence`, by the message of stamp `s`, goes on: a quarter of the ring
 * from being overtaken again. False when no publisher can have written that stamp: it is not among the last
 * messages before the tail, or the tail is damaged itself. (Two rings: a slot may be claimed again and still
 * show its last message.)
 */
bool slot_resume_at(const struct ring *ring, uint64_t sequence, stamp s, uint64_t *resume);

#endif
