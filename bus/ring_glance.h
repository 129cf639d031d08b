/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading messages without being one of the readers: nobody knows of it and nobody waits, so each copy is checked
 * afterwards.
 *
 *   call       who        may overlap with
 *   glance_*   anybody    everything
 *
 * progress      lock-free: the tail is read again while publishers pass the slot that it stands for
 * killed        nothing is written but private memory
 *
 * On overwrite channels the slot's stamp and the tail tell whether a message was replaced while it was copied, as they
 * tell readers. On blocking channels publishers write without a word into what all groups have given back; but they
 * publish how far they will go, then fence, then look at the groups, then write: who has copied anything that was
 * written after such a fence, and looks at the limits behind an acquire fence, sees a limit that covers it.
 */
#ifndef SHMBUS_BUS_RING_GLANCE_H
#define SHMBUS_BUS_RING_GLANCE_H

#include "ring.h"

struct glance {
    size_t size; /* of the whole message */
    uint64_t sent;
    uint32_t publisher;
    bool aborted;
};

/*
 * The full sequence of the oldest message that nobody writes over without another look; the tail's if there is none.
 * Some of those behind it may be gone, for records and slots are not used again at the same pace.
 */
uint64_t glance_oldest(const struct ring *ring);

/* The same of those from message `sequence` on; `sequence` if it is ahead of the tail. */
uint64_t glance_next(const struct ring *ring, uint64_t sequence);

/*
 * Copies up to `capacity` bytes of message `sequence`. 0, -EAGAIN: it is not there yet, -ESTALE: not any more,
 * -EBADMSG: the slot holds what no publisher writes.
 */
int glance_message(const struct ring *ring, uint64_t sequence, void *buffer, size_t capacity,
                   struct glance *glance);

/* When message `sequence`, or one of the `most` - 1 behind it, was sent: of the first that says so. Else 0. */
uint64_t glance_sent(const struct ring *ring, uint64_t sequence, uint32_t most);

#endif
