/* SPDX-License-Identifier: Apache-2.0 */
/* The single publisher's window (struct producer_window): claiming and committing in one step. */
#include "ring_producer.h"

/* Places a record of `size` bytes at the window's next slot, or says that this takes more thought. */
static bool place_in_window(struct producer *producer, size_t size, uint32_t *start)
{
    const struct producer_window *window = &producer->window;
    const uint32_t lines = producer_lines(producer, size);
    *start = producer->line;
    return window->slot != window->end && size <= producer->ring->largest &&
           producer_record_start(producer, *start, lines) == *start &&
           (lines == 0 || line_reached(producer->limit_line, *start + lines));
}

/* Moves the tail behind a message at the window's next slot and, if it has a record, behind that. */
static void claim_in_window(struct producer *producer, uint32_t end)
{
    struct producer_window *window = &producer->window;
    producer->line = end;
    const position tail = (window->tail & ~(position)UINT32_MAX) | end;
    window->tail = tail + POSITION_ONE;
    store64_relaxed(&producer->shared->tail, tail);
}

/* The stamp, and with it the record, of a message at the window's next slot; on to the slot behind. */
static void finish_in_window(struct producer *producer, uint32_t line, size_t size, uint32_t flags)
{
    struct producer_window *window = &producer->window;
    atomic_u64 *slot = (atomic_u64 *)(void *)window->slot;
    stamp s = window->stamp | flags;
    if (flags & STAMP_ARENA) {
        store64_relaxed(slot + 1, record_make(line, (uint32_t)size));
    } else {
        s |= size << STAMP_LENGTH_SHIFT;
    }
    store64_release(slot, s); /* [rel:stamp] */
    window->slot += producer->stride;
}

bool producer_send_arena(struct producer *producer, const void *data, size_t size)
{
    uint32_t start;
    if (size <= producer->inline_max || !place_in_window(producer, size, &start)) {
        return false;
    }
    claim_in_window(producer, start + lines_of(size));
    COPY(ring_line(producer->ring, start), data, size);
    finish_in_window(producer, start, size, STAMP_ARENA);
    count_relaxed(&producer->own->bytes, size);
    return true;
}

unsigned producer_send_run(struct producer *producer, const struct iovec *messages, unsigned count)
{
    struct producer_window *window = &producer->window;
    struct shm_publisher *own = producer->own;
    atomic_u64 *tail = &producer->shared->tail;
    unsigned char *slot = window->slot;
    position behind = window->tail;
    uint64_t bytes = load64_relaxed(&own->bytes);
    unsigned sent = 0;
    for (; sent < count && slot != window->end; sent++) {
        BOUND(sent, producer->ring->slot_count);
        const unsigned char *data = messages[sent].iov_base;
        const size_t size = messages[sent].iov_len;
        if (unlikely(!data || size > producer->inline_max)) {
            break;
        }
        slot_prefetch(slot + PRODUCER_PREFETCH, size);
        store64_relaxed(tail, behind);
        ring_copy_inline(slot + SLOT_HEADER, data, size);
        store64_release((atomic_u64 *)(void *)slot,
                        window->stamp | (size << STAMP_LENGTH_SHIFT)); /* [rel:stamp] */
        behind += POSITION_ONE;
        slot += producer->stride;
        bytes += size;
        store64_relaxed(&own->bytes, bytes);
    }
    window->slot = slot;
    window->tail = behind;
    return sent;
}

bool producer_claim_one(struct producer *producer, size_t size)
{
    struct producer_window *window = &producer->window;
    uint32_t start;
    if (!place_in_window(producer, size, &start)) {
        return false;
    }
    claim_in_window(producer, start + producer_lines(producer, size));
    producer->first = producer->sequence + producer_passed(producer);
    producer->claims[0] = (struct producer_claim){.size = size, .line = start};
    producer->claimed = 1;
    producer->open = 1;
    producer->window_claim = true;
    producer->window_end = window->end;
    window->end = window->slot; /* shut until the claim is finished */
    return true;
}

void producer_finish_one(struct producer *producer, size_t size, uint32_t flags)
{
    const struct producer_claim *claim = &producer->claims[0];
    uint32_t line = claim->line;
    if (claim->size > producer->inline_max) {
        flags |= STAMP_ARENA;
        line = flags & STAMP_ABORTED ? line + lines_of(claim->size) : line;
    }
    finish_in_window(producer, line, flags & STAMP_ABORTED ? 0 : size, flags);
    producer->window.end = producer->window_end;
    producer->window_claim = false;
    producer->claimed = 0;
    producer->open = 0;
    if (flags & STAMP_ABORTED) {
        count_relaxed(&producer->own->aborted, 1);
        count_relaxed(&producer->own->messages,
                      UINT64_MAX); /* the window will count it: see producer_messages() */
    } else {
        count_relaxed(&producer->own->bytes, size);
    }
}

bool producer_commit_one(struct producer *producer, uint64_t sequence, size_t size)
{
    if (!producer->window_claim || sequence != producer->first || size > producer->claims[0].size) {
        return false;
    }
    producer_finish_one(producer, size, 0);
    return true;
}
