/* SPDX-License-Identifier: Apache-2.0 */
#include "ring_producer.h"

#include "cursor.h"

/* An intent that names no message near the tail: half the circle away. */
static void withdraw_intent(const struct producer *producer, position tail)
{
    store64_release(&producer->own->intent, tail ^ (UINT64_C(1) << 63)); /* [rel:intent] */
}

/* Counts what went through the window and shuts it: `sequence` is the next claim's again. */
static void close_window(struct producer *producer)
{
    struct producer_window *window = &producer->window;
    const uint64_t sent = producer_passed(producer);
    if (sent > 0) {
        producer->sequence += sent;
        count_relaxed(&producer->own->messages, sent);
        store64_release(&producer->own->intent,
                        position_make(producer->sequence, producer->line)); /* [rel:intent] */
    }
    window->first = window->slot;
    window->end = window->slot;
}

/* Opens the window up to the limit or the end of the lap. */
static void open_window(struct producer *producer)
{
    if (!producer->may_send_fast) {
        return;
    }
    const struct ring *ring = producer->ring;
    struct producer_window *window = &producer->window;
    const uint64_t sequence = producer->sequence;
    const uint64_t lap_end = (sequence | (ring->slot_count - 1)) + 1;
    const uint64_t near = producer->limit < lap_end ? producer->limit : lap_end;
    const uint64_t end = producer->sample_at < near ? producer->sample_at : near;
    window->slot = (unsigned char *)ring_slot(ring, sequence);
    window->first = window->slot;
    store64_release(&producer->own->intent,
                    position_make(sequence, producer->line)); /* [rel:intent] see producer_messages() */
    window->end = window->slot + (end > sequence ? (end - sequence) << ring->stride_shift : 0);
    window->tail = position_make(sequence + 1, producer->line);
    window->stamp = stamp_make(ring_lap(ring, sequence), producer->id, 0, 0);
}

void producer_init(struct producer *producer, const struct ring *ring, uint32_t id, bool may_send_fast)
{
    position tail;
    const uint64_t sequence = ring_tail(ring, &tail);
    memset(producer, 0, sizeof *producer);
    producer->ring = ring;
    producer->shared = ring->shared;
    producer->own = &ring->publishers[id];
    producer->id = id;
    producer->inline_max = ring->inline_max;
    producer->stride = UINT32_C(1) << ring->stride_shift;
    producer->sequence = sequence;
    producer->limit = sequence;
    producer->line = position_line(tail);
    producer->limit_line = producer->line;
    producer->batched = true; /* the entry's batch word may be of its last owner */
    producer->sample_at = UINT64_MAX;
    producer_allow_window(producer, may_send_fast);
    if (ring->multi) {
        withdraw_intent(producer, tail);
    } else {
        store64_release(&producer->own->intent, tail); /* [rel:intent] */
    }
    store64_release(&producer->own->limit, tail); /* [rel:limit] */
}

void producer_allow_window(struct producer *producer, bool allowed)
{
    producer->may_send_fast = allowed && !producer->ring->multi && !producer->ring->overwrite;
    if (!producer->may_send_fast) {
        close_window(producer);
    }
}

void producer_sample_at(struct producer *producer, uint64_t sequence)
{
    close_window(producer);
    producer->sample_at = sequence;
    open_window(producer);
}

/* Slots ahead of the tail that a publisher of many asks for: the others claim some of them. */
#define MULTI_PREFETCH 16

/* A message is large if it takes this part of the arena. */
#define RESTART_SHARE 64

/* What a look at the groups is for. */
struct producer_want {
    uint32_t count;       /* messages */
    uint32_t lines;       /* of all of them */
    uint32_t first_lines; /* of the first, without which there is no use */
    bool exact;
    bool at_once; /* they are claimed before anything else is */
};

/* Not by value: checkers take no structures in registers. */
static void fill_want(const struct producer *producer, unsigned count, bool exact, struct producer_want *out)
{
    struct producer_want want = {.count = count, .exact = exact};
    for (unsigned i = 0; i < count; i++) {
        BOUND(i, SHMBUS_CLAIM_MAX);
        const uint32_t lines = want.lines + producer_lines(producer, producer->claims[i].size);
        want.lines = lines < producer->ring->arena_lines ? lines : producer->ring->arena_lines;
    }
    want.first_lines = producer_lines(producer, producer->claims[0].size);
    *out = want;
}

/* Lays out as many of the `count` claims behind {sequence, line} as the limits allow. */
static unsigned place(struct producer *producer, uint64_t sequence, uint32_t line, unsigned count,
                      uint32_t *end)
{
    unsigned placed = 0;
    for (; placed < count && sequence + placed < producer->limit; placed++) {
        BOUND(placed, SHMBUS_CLAIM_MAX);
        struct producer_claim *claim = &producer->claims[placed];
        const uint32_t lines = producer_lines(producer, claim->size);
        if (lines > 0) {
            const uint32_t start = producer_record_start(producer, line, lines);
            if (!line_reached(producer->limit_line, start + lines)) {
                break;
            }
            claim->line = start;
            line = start + lines;
        } else {
            claim->line = line;
        }
    }
    *end = line;
    return placed;
}

/* Publishes how far this producer may go, then looks how far the groups let it. */
static struct cursor_room look(struct producer *producer, uint64_t sequence, uint32_t line,
                               const struct producer_want *want)
{
    const struct ring *ring = producer->ring;
    /* As far as it may go without another look: an eighth of the ring, or what this claim asks for. */
    const uint32_t slots = want->count > ring->grant_slots ? want->count : ring->grant_slots;
    const uint32_t asked = 2 * want->lines > ring->grant_lines ? 2 * want->lines : ring->grant_lines;
    const uint32_t lines = asked < ring->arena_lines ? asked : ring->arena_lines;
    const position limit = position_make(sequence + slots, line + lines);
    store64_release(&producer->own->limit, limit); /* [rel:limit] */
    fence_seq_cst();                               /* [fence:join] with cursor_join() */
    producer->rebased = producer->rebased && line - position_line(producer->base) < ring->arena_lines;
    const struct cursor_room room = cursor_room(ring, sequence, position_make(sequence, line), producer->id,
                                                want->exact, producer->rebased ? &producer->base : NULL);
    producer->arena_empty = room.lines == ring->arena_lines && room.slots == ring->slot_count;
    producer->limit = sequence + (room.slots < slots ? room.slots : slots);
    producer->limit_line = line + (room.lines < lines ? room.lines : lines);
    store64_release(&producer->own->limit,
                    position_make(producer->limit, producer->limit_line)); /* [rel:limit] */
    return room;
}

/* Looks at the groups again. Is there room for the first message at this tail? */
static bool refresh(struct producer *producer, uint64_t sequence, uint32_t line,
                    const struct producer_want *want)
{
    const struct cursor_room room = look(producer, sequence, line, want);
    if (room.slots == 0) {
        return false;
    }
    const uint32_t lines = want->first_lines;
    return lines == 0 ||
           line_reached(producer->limit_line, producer_record_start(producer, line, lines) + lines);
}

/* As it was, if a group has joined in between that holds what is skipped. */
static bool restart(struct producer *producer, uint32_t skipped, const struct producer_want *want)
{
    const uint32_t line = producer->line;
    const position base = producer->base;
    const bool rebased = producer->rebased;
    producer->line += skipped;
    producer->base = position_make(producer->sequence, producer->line);
    producer->rebased = true;
    if (refresh(producer, producer->sequence, producer->line, want)) {
        return true;
    }
    producer->line = line;
    producer->base = base;
    producer->rebased = rebased;
    return refresh(producer, producer->sequence, producer->line, want);
}

/*
 * A single producer whose ring is empty starts its arena again at its beginning, so that large buffers stay in the
 * cache; for small messages the history that late joiners can have is worth more. The lines it skips are
 * nobody's, but readers show the line of the last record they have read until they read the next one: `base`
 * says that those who stand at or behind it hold nothing from before it. (Who has but an inline message to read stands
 * before it, and would seem to hold all that is skipped: so a record follows at once, which shows the new line.)
 */
static bool refresh_single(struct producer *producer, const struct producer_want *want)
{
    const struct ring *ring = producer->ring;
    if (!refresh(producer, producer->sequence, producer->line, want)) {
        return false;
    }
    const uint32_t offset = producer->line & (ring->arena_lines - 1);
    const bool large = want->first_lines > 0 && want->lines >= ring->arena_lines / RESTART_SHARE;
    if (!producer->arena_empty || offset == 0 || !large || ring->overwrite) {
        return true;
    }
    if (!want->at_once) {
        producer->limit =
            producer->sequence; /* there is room; who claims it looks again, and starts anew then */
        return true;
    }
    return restart(producer, ring->arena_lines - offset, want);
}

static int claim_single(struct producer *producer, unsigned count, bool exact)
{
    uint32_t end;
    unsigned placed = place(producer, producer->sequence, producer->line, count, &end);
    if (placed < count) {
        struct producer_want want;
        fill_want(producer, count, exact, &want);
        want.at_once = true;
        (void)refresh_single(producer, &want);
        placed = place(producer, producer->sequence, producer->line, count, &end);
    }
    if (placed == 0) {
        return -EAGAIN;
    }
    producer->first = producer->sequence;
    producer->sequence += placed;
    producer->line = end;
    store64_release(&producer->own->intent, position_make(producer->sequence, end));        /* [rel:intent] */
    store64_release(&producer->ring->shared->tail, position_make(producer->sequence, end)); /* [rel:tail] */
    return (int)placed;
}

/* The full sequence of the tail, from the stamp that its slot holds from the lap before. */
static bool tail_sequence(const struct producer *producer, position tail, uint64_t *sequence)
{
    const struct ring *ring = producer->ring;
    const uint32_t low = position_sequence(tail);
    const stamp s = load64_acquire(ring_slot(ring, low)); /* [acq:stamp] */
    *sequence = ring_sequence(ring, s, low, producer->sequence) + ring->slot_count;
    return (uint32_t)*sequence == low && !(s & STAMP_WRITING);
}

static bool try_claim(struct producer *producer, position tail, uint64_t sequence, unsigned placed,
                      uint32_t end)
{
    if (placed > 1 || producer->batched) {
        store64_release(&producer->own->batch,
                        (sequence << 32) | placed); /* [rel:batch] after the last one's stamps */
        producer->batched = placed > 1;
    }
    store64_release(&producer->own->intent, tail); /* [rel:intent] */
    const position next = position_make(sequence + placed, end);
    return cas64_release(&producer->ring->shared->tail, &tail, next); /* [rel:tail] */
}

/*
 * One try to claim at the tail as it is. 0: somebody moved it, try again. -EAGAIN also when the claimer of one
 * lap ago has not finished.
 */
static int claim_once(struct producer *producer, unsigned count, bool exact)
{
    const struct ring *ring = producer->ring;
    const position tail = load64_acquire(&ring->shared->tail); /* [acq:tail] */
    uint64_t sequence;
    uint32_t end;
    if (!tail_sequence(producer, tail, &sequence)) {
        return load64_acquire(&ring->shared->tail) == tail ? -EAGAIN : 0; /* [acq:tail] */
    }
    unsigned placed = place(producer, sequence, position_line(tail), count, &end);
    if (placed < count) {
        struct producer_want want;
        fill_want(producer, count, exact, &want);
        (void)refresh(producer, sequence, position_line(tail), &want);
        placed = place(producer, sequence, position_line(tail), count, &end);
    }
    if (placed == 0) {
        return load64_acquire(&ring->shared->tail) == tail ? -EAGAIN : 0; /* [acq:tail] */
    }
    if (!try_claim(producer, tail, sequence, placed, end)) {
        return 0;
    }
    producer->first = sequence;
    producer->sequence = sequence + placed;
    return (int)placed;
}

static int claim_multi(struct producer *producer, unsigned count, bool exact)
{
    int claimed;
    unsigned tries = 0;
    do {
        BOUND(tries, RETRIES_MAX);
        claimed = claim_once(producer, count, exact);
        tries++;
    } while (claimed == 0);
    if (claimed == -EAGAIN) {
        /* A claim that was lost to another must not be named while we wait: he may die in it. */
        withdraw_intent(producer, load64_relaxed(&producer->ring->shared->tail));
    }
    return claimed;
}

/* Says on an overwrite channel that the slots are being written, before the first byte changes. */
static void mark_writing(const struct producer *producer, unsigned count)
{
    const struct ring *ring = producer->ring;
    for (unsigned i = 0; i < count; i++) {
        BOUND(i, SHMBUS_CLAIM_MAX);
        const uint64_t sequence = producer->first + i;
        const stamp s = stamp_make(ring_lap(ring, sequence), producer->id, 0, STAMP_WRITING);
        store64_release(ring_slot(ring, sequence), s); /* [rel:stamp] the tail before it */
    }
    fence_release(); /* [rel:writing] */
}

int producer_claim(struct producer *producer, unsigned count, bool exact)
{
    const struct ring *ring = producer->ring;
    close_window(producer);
    const int claimed =
        ring->multi ? claim_multi(producer, count, exact) : claim_single(producer, count, exact);
    if (claimed > 0) {
        producer->claimed = (unsigned)claimed;
        producer->open = claimed == 64 ? ~UINT64_C(0) : (UINT64_C(1) << claimed) - 1;
        if (ring->overwrite) {
            mark_writing(producer, (unsigned)claimed);
        }
    }
    return claimed;
}

void *producer_payload(const struct producer *producer, unsigned index)
{
    const struct producer_claim *claim = &producer->claims[index];
    if (claim->size <= producer->inline_max) {
        return ring_payload(ring_slot(producer->ring, producer->first + index));
    }
    return ring_line(producer->ring, claim->line);
}

void producer_fill(const struct producer *producer, unsigned index, const void *data)
{
    void *payload = producer_payload(producer, index);
    const size_t size = producer->claims[index].size;
    if (producer->ring->overwrite) {
        ring_copy_in(payload, data, size);
    } else if (size > 0) {
        COPY(payload, data, size);
    }
}

uintptr_t producer_next_lines(const struct producer *producer, size_t size)
{
    const struct ring *ring = producer->ring;
    const struct producer_claim *last = &producer->claims[0];
    if (size <= producer->inline_max) {
        const unsigned char *slot = producer->may_send_fast
                                        ? producer->window.slot
                                        : (const unsigned char *)ring_slot(ring, producer->sequence);
        return (uintptr_t)slot + slot_more_lines(size);
    }
    const uint32_t lines = lines_of(size);
    const uint32_t line = ring->multi ? last->line + lines : producer->line;
    return (uintptr_t)ring_line(ring, line) + (lines < LINE_SIZE ? lines : LINE_SIZE) - 1;
}

bool producer_send_multi(struct producer *producer, const void *data, size_t size)
{
    const struct ring *ring = producer->ring;
    if (!ring->multi || ring->overwrite || size > producer->inline_max) {
        return false;
    }
    position tail = load64_acquire(&ring->shared->tail); /* [acq:tail] */
    uint64_t sequence;
    if (!tail_sequence(producer, tail, &sequence) || sequence >= producer->limit ||
        sequence >= producer->sample_at || !try_claim(producer, tail, sequence, 1, position_line(tail))) {
        return false;
    }
    producer->sequence = sequence + 1;
    atomic_u64 *slot = ring_slot(ring, sequence);
    ring_copy_inline(ring_payload(slot), data, size);
    store64_release(slot,
                    stamp_make(ring_lap(ring, sequence), producer->id, (uint32_t)size, 0)); /* [rel:stamp] */
    slot_prefetch((const unsigned char *)ring_slot(ring, sequence + MULTI_PREFETCH), size);
    count_relaxed(&producer->own->messages, 1);
    count_relaxed(&producer->own->bytes, size);
    return true;
}

void producer_finish(struct producer *producer, unsigned index, size_t size, uint32_t flags)
{
    if (producer->window_claim) {
        producer_finish_one(producer, size, flags);
        return;
    }
    const struct ring *ring = producer->ring;
    const struct producer_claim *claim = &producer->claims[index];
    const uint64_t sequence = producer->first + index;
    atomic_u64 *slot = ring_slot(ring, sequence);
    uint32_t length = (uint32_t)size;
    if (claim->size > producer->inline_max) {
        const bool aborted = (flags & STAMP_ABORTED) != 0;
        const uint32_t behind =
            claim->line + lines_of(claim->size); /* an aborted one gives all its lines back */
        store64_relaxed(slot + 1,
                        aborted ? record_make(behind, 0) : record_make(claim->line, (uint32_t)size));
        flags |= STAMP_ARENA;
        length = 0;
    }
    if (flags & STAMP_SAMPLED) {
        store64_relaxed(ring_sent(ring, slot), producer->sent);
    }
    store64_release(slot,
                    stamp_make(ring_lap(ring, sequence), producer->id, length, flags)); /* [rel:stamp] */
    producer->open &= ~(UINT64_C(1) << index);
    if (producer->open == 0) {
        producer->claimed = 0;
        open_window(producer);
    }
    if (flags & STAMP_ABORTED) {
        count_relaxed(&producer->own->aborted, 1);
    } else {
        count_relaxed(&producer->own->messages, 1);
        count_relaxed(&producer->own->bytes, size);
    }
}

bool producer_ready(struct producer *producer, size_t size, bool exact)
{
    const struct ring *ring = producer->ring;
    producer->claims[0].size = size;
    struct producer_want want;
    fill_want(producer, 1, exact, &want);
    close_window(producer);
    if (!ring->multi) {
        return refresh_single(producer, &want);
    }
    const position tail = load64_acquire(&ring->shared->tail); /* [acq:tail] */
    uint64_t sequence;
    return tail_sequence(producer, tail, &sequence) &&
           refresh(producer, sequence, position_line(tail), &want);
}
