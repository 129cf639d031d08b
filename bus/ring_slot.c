/* SPDX-License-Identifier: Apache-2.0 */
#include "ring_slot.h"

bool slot_record(const struct ring *ring, uint64_t record, struct consumer_glimpse *seen, uint32_t *line)
{
    const uint32_t start = record_line(record);
    const uint32_t length = record_length(record);
    const uint32_t lines = lines_of(length);
    if (length > ring->largest || lines > ring->arena_lines - (start & (ring->arena_lines - 1))) {
        return false;
    }
    seen->data = ring_line(ring, start);
    seen->size = length;
    *line = start + lines;
    return true;
}

/* Bounds what the slot says and turns it into a message. `line` is where the reader stands. */
static int decode(const struct ring *ring, atomic_u64 *slot, stamp s, uint32_t line,
                  struct consumer_message *message)
{
    message->publisher = stamp_publisher(s);
    message->line = line;
    message->sent = s & STAMP_SAMPLED ? load64_relaxed(ring_sent(ring, slot)) : 0;
    if (s & STAMP_ARENA) {
        struct consumer_glimpse seen;
        if (!slot_record(ring, load64_relaxed(slot + 1), &seen, &message->line)) {
            return -EBADMSG;
        }
        message->data = seen.data;
        message->size = seen.size;
        return 0;
    }
    message->data = ring_payload(slot);
    message->size = stamp_length(s);
    return message->size <= ring->inline_max ? 0 : -EBADMSG;
}

/* Did the payload stay whole while it was copied? */
static bool still_intact(const struct ring *ring, atomic_u64 *slot, stamp s,
                         const struct consumer_message *message)
{
    fence_acquire(); /* [acq:writing] */
    if (load64_relaxed(slot) != s) {
        return false;
    }
    if (!(s & STAMP_ARENA)) {
        return true;
    }
    const position tail = load64_relaxed(&ring->shared->tail);
    const uint32_t start = message->line - lines_of(message->size);
    return position_line(tail) - start <= ring->arena_lines;
}

/* Copies an overwrite channel's message aside and checks the copy. */
static int copy_aside(struct consumer *consumer, atomic_u64 *slot, stamp s)
{
    const struct ring *ring = consumer->ring;
    struct consumer_message *message = &consumer->message;
    const int err = decode(ring, slot, s, consumer->line, message);
    if (err == 0) {
        ring_copy_out(consumer->scratch, message->data, message->size);
    }
    if (!still_intact(ring, slot, s, message)) {
        return -ESTALE; /* also when what was decoded made no sense: it was being replaced */
    }
    message->data = consumer->scratch;
    return err;
}

bool slot_resume_at(const struct ring *ring, uint64_t sequence, stamp s, uint64_t *resume)
{
    position tail;
    const uint64_t end = ring_tail(ring, &tail);
    const uint32_t behind = position_sequence(tail) - (uint32_t)ring_sequence(ring, s, sequence, sequence);
    const bool damaged = behind - 1 >= 2 * ring->slot_count && load64_relaxed(ring_slot(ring, sequence)) == s;
    const uint64_t kept = ring->slot_count - ring->slot_count / 4;
    *resume = (int64_t)(end - kept - sequence) > 0 ? end - kept : sequence + 1;
    return !damaged;
}

int slot_look(struct consumer *consumer, stamp *s, uint64_t *resume)
{
    const struct ring *ring = consumer->ring;
    atomic_u64 *slot = ring_slot(ring, consumer->sequence);
    *s = load64_acquire(slot); /* [acq:stamp] */
    int err = slot_state(ring, *s, consumer->sequence);
    if (err == 0) {
        err = ring->overwrite ? copy_aside(consumer, slot, *s)
                              : decode(ring, slot, *s, consumer->line, &consumer->message);
    }
    if (err == -ESTALE && !(ring->overwrite && slot_resume_at(ring, consumer->sequence, *s, resume))) {
        err = -EBADMSG;
    }
    return err;
}
