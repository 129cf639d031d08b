/* SPDX-License-Identifier: Apache-2.0 */
#include "ring_glance.h"

#include "cursor.h"
#include "ring_slot.h"

#define LOOKS_MAX 16u

/* What nobody writes to without another look at the limits: the slots from `oldest` on, the lines before `line_end`. */
struct reach {
    uint64_t tail; /* full sequence */
    uint64_t oldest;
    uint32_t line_end; /* behind the last line that may be written to */
};

static struct reach find_reach(const struct ring *ring)
{
    position tail;
    uint32_t slots = 0;
    uint32_t lines = 0;
    const uint64_t sequence = ring_tail(ring, &tail);
    if (!ring->overwrite) {
        cursor_granted(ring, tail, &slots, &lines);
    }
    const uint64_t kept = ring->slot_count - slots;
    const uint64_t published = sequence - ring->first_sequence;
    return (struct reach){
        .tail = sequence,
        .oldest = sequence - (published < kept ? published : kept),
        .line_end = position_line(tail) + lines,
    };
}

/* Are the lines from `start` on not among those that may be written to? */
static bool line_stays(const struct ring *ring, const struct reach *reach, uint32_t start)
{
    return reach->line_end - start <= ring->arena_lines;
}

uint64_t glance_next(const struct ring *ring, uint64_t sequence)
{
    const struct reach reach = find_reach(ring);
    if ((int64_t)(sequence - reach.oldest) < 0) {
        sequence = reach.oldest;
    }
    for (; (int64_t)(reach.tail - sequence) > 0; sequence++) {
        BOUND(sequence - (reach.tail - ring->slot_count), ring->slot_count);
        const atomic_u64 *slot = ring_slot(ring, sequence);
        const stamp s = load64_acquire(slot); /* [acq:stamp] */
        const int state = slot_state(ring, s, sequence);
        if (state == -EAGAIN ||
            (state == 0 &&
             !((s & STAMP_ARENA) && !line_stays(ring, &reach, record_line(load64_relaxed(slot + 1)))))) {
            break;
        }
    }
    return sequence;
}

uint64_t glance_oldest(const struct ring *ring)
{
    return glance_next(ring, ring->first_sequence);
}

/* Bounds what the slot says. `line` is where the record starts, if there is one. */
static int decode(const struct ring *ring, atomic_u64 *slot, stamp s, struct consumer_glimpse *seen,
                  uint32_t *line)
{
    if (s & STAMP_ARENA) {
        const uint64_t record = load64_relaxed(slot + 1);
        uint32_t behind;
        *line = record_line(record);
        return slot_record(ring, record, seen, &behind) ? 0 : -EBADMSG;
    }
    seen->data = ring_payload(slot);
    seen->size = stamp_length(s);
    return seen->size <= ring->inline_max ? 0 : -EBADMSG;
}

/* Has nobody begun to write into the slot since its stamp `s` was read? */
static bool slot_stays(const struct ring *ring, const struct reach *reach, uint64_t sequence, stamp s)
{
    return load64_relaxed(ring_slot(ring, sequence)) == s &&
           (ring->overwrite || (int64_t)(sequence - reach->oldest) >= 0);
}

/* Or into the message's lines? */
static bool still_whole(const struct ring *ring, uint64_t sequence, stamp s, uint32_t line)
{
    fence_acquire(); /* [acq:writing] on blocking channels with [fence:join] of ring_producer.c */
    const struct reach reach = find_reach(ring);
    return slot_stays(ring, &reach, sequence, s) && (!(s & STAMP_ARENA) || line_stays(ring, &reach, line));
}

/*
 * The same of the slot alone, where the time of sending is. Publishers that spin for room say again and again that they
 * may go on, and take it back: any look that finds the slot out of their reach will do.
 */
static bool still_there(const struct ring *ring, uint64_t sequence, stamp s)
{
    fence_acquire(); /* [acq:writing] as in still_whole() */
    bool stays = false;
    for (unsigned tries = 0; tries < LOOKS_MAX && !stays; tries++) {
        const struct reach reach = find_reach(ring);
        stays = slot_stays(ring, &reach, sequence, s);
    }
    return stays;
}

int glance_message(const struct ring *ring, uint64_t sequence, void *buffer, size_t capacity,
                   struct glance *glance)
{
    if ((int64_t)(sequence - ring->first_sequence) < 0) {
        return -ESTALE; /* never sent, though a slot may hold its stamp */
    }
    atomic_u64 *slot = ring_slot(ring, sequence);
    const stamp s = load64_acquire(slot); /* [acq:stamp] */
    int err = slot_state(ring, s, sequence);
    if (err == -ESTALE && (int64_t)(sequence - find_reach(ring).oldest) >= 0) {
        return -EBADMSG; /* whoever writes a later message there has moved the tail before */
    }
    if (err != 0) {
        return err;
    }
    struct consumer_glimpse seen = {0};
    uint32_t line = 0;
    err = decode(ring, slot, s, &seen, &line);
    if (err == 0) {
        ring_copy_out(buffer, seen.data, seen.size < capacity ? seen.size : capacity);
    }
    *glance = (struct glance){
        .size = s & STAMP_ABORTED ? 0 : seen.size,
        .sent = s & STAMP_SAMPLED ? load64_relaxed(ring_sent(ring, slot)) : 0,
        .publisher = stamp_publisher(s),
        .aborted = (s & STAMP_ABORTED) != 0,
    };
    return still_whole(ring, sequence, s, line) ? err : -ESTALE;
}

uint64_t glance_sent(const struct ring *ring, uint64_t sequence, uint32_t most)
{
    for (uint32_t i = 0; i < most; i++) {
        BOUND(i, ring->slot_count);
        atomic_u64 *slot = ring_slot(ring, sequence + i);
        const stamp s = load64_acquire(slot); /* [acq:stamp] */
        if (slot_state(ring, s, sequence + i) != 0) {
            return 0;
        }
        if (s & STAMP_SAMPLED) {
            const uint64_t sent = load64_relaxed(ring_sent(ring, slot));
            return still_there(ring, sequence + i, s) ? sent : 0;
        }
    }
    return 0;
}
