/* SPDX-License-Identifier: Apache-2.0 */
#include "ring_consumer.h"

#include "cursor.h"
#include "ring_slot.h"

#define ATTEMPTS_MAX 0xffffu /* what fits the flags of a message */

static void close_window(struct consumer *consumer)
{
    consumer->window.end = consumer->window.slot;
}

/* Messages in a window whose reader is close behind the publisher. */
#define SHORT_WINDOW 64u

static bool is_there(const struct ring *ring, uint64_t sequence)
{
    return stamp_laps_ahead(load64_relaxed(ring_slot(ring, sequence)), ring_lap(ring, sequence)) == 0;
}

/*
 * How many of the window's `length` messages to read before looking again how far ahead the publisher is: slots
 * that are written already are asked for early, those that he is writing are not. A look takes a line from him.
 */
static uint64_t look_ahead(struct consumer *consumer, uint64_t length)
{
    const struct ring *ring = consumer->ring;
    const uint64_t behind = consumer->sequence + (CONSUMER_PREFETCH >> ring->stride_shift);
    if (length > 0 && is_there(ring, behind + length)) {
        consumer->window.prefetch = CONSUMER_PREFETCH;
        return length;
    }
    if (length > SHORT_WINDOW) {
        length = SHORT_WINDOW;
        consumer->window.prefetch = is_there(ring, behind + length) ? CONSUMER_PREFETCH : 0;
    }
    return length;
}

/* Opens the window up to where the position must be published, or the end of the lap; shorter when close behind. */
static void open_window(struct consumer *consumer, bool caught_up)
{
    const struct ring *ring = consumer->ring;
    const uint64_t sequence = consumer->sequence;
    if (consumer->shared || ring->overwrite || sequence < consumer->redeliver_end) {
        return;
    }
    const uint64_t lap_end = (sequence | (ring->slot_count - 1)) + 1;
    const uint64_t publish = consumer->published + ring->grant_slots - 1; /* its release goes the long way */
    const uint64_t end = publish < lap_end ? publish : lap_end;
    uint64_t length = end > sequence ? end - sequence : 0;
    struct consumer_window *window = &consumer->window;
    window->prefetch = 0;
    if (!caught_up) {
        length = look_ahead(consumer, length);
    } else if (length > SHORT_WINDOW) {
        length = SHORT_WINDOW;
    }
    window->slot = (unsigned char *)ring_slot(ring, sequence);
    window->end = window->slot + (length << ring->stride_shift);
    window->expected = ring_lap(ring, sequence) << STAMP_LAP_SHIFT;
}

void consumer_init(struct consumer *consumer, const struct ring *ring, struct shm_group *group,
                   struct shm_member *own, uint64_t sequence, unsigned char *scratch)
{
    memset(consumer, 0, sizeof *consumer);
    consumer->ring = ring;
    consumer->group = group;
    consumer->own = own;
    consumer->space = &ring->shared->space;
    consumer->scratch = scratch;
    consumer->inline_max = ring->inline_max;
    consumer->stride = UINT32_C(1) << ring->stride_shift;
    consumer->shared = (load64_acquire(&group->state) & GROUP_SHARED) != 0; /* [acq:group-state] */
    consumer->sequence = sequence;
    consumer->published = sequence;
    consumer->end = sequence;
    consumer->redeliver_end = sequence;
    consumer->line = position_line(load64_acquire(&group->cursor)); /* [acq:cursor] */
    consumer->published_line = consumer->line;
    consumer->publish_lines = ring->grant_lines;
    store32_relaxed(&own->held_end, (uint32_t)sequence);
    store64_release(&own->held, position_make(sequence, consumer->line)); /* [rel:held] */
    open_window(consumer, true);
}

bool consumer_peek_record(struct consumer *consumer, struct consumer_glimpse *seen)
{
    unsigned char *slot = consumer->window.slot;
    if (slot == consumer->window.end) {
        return false;
    }
    const atomic_u64 *words = (const atomic_u64 *)(void *)slot;
    const stamp s = load64_acquire(words); /* [acq:stamp] */
    if (((s ^ consumer->window.expected) & (STAMP_LAP_MASK | STAMP_FLAGS)) != STAMP_ARENA ||
        !slot_record(consumer->ring, load64_relaxed(words + 1), seen, &consumer->held_line)) {
        return false;
    }
    seen->publisher = stamp_publisher(s);
    consumer->held_size = (uint32_t)seen->size;
    consumer->holding = CONSUMER_RECORD;
    return true;
}

static void pass_aborted(struct consumer *consumer, stamp s) __attribute__((cold));

static void count_missed(struct consumer *consumer, uint64_t missed)
{
    consumer->missed += missed;
    count_relaxed(&consumer->own->missed, missed);
}

static int peek_exclusive(struct consumer *consumer)
{
    for (unsigned tries = 0;; tries++) {
        BOUND(tries, RETRIES_MAX);
        stamp s;
        uint64_t resume;
        const int err = slot_look(consumer, &s, &resume);
        if (err == -ESTALE) {
            count_missed(consumer, resume - consumer->sequence);
            consumer->sequence = resume;
            consumer_publish(consumer);
            continue;
        }
        if (err == -EAGAIN && consumer->sequence != consumer->published) {
            consumer->burst = consumer->sequence - consumer->published;
            consumer_publish(consumer);
        }
        if (err != 0) {
            return err;
        }
        consumer->holding = CONSUMER_OTHER;
        if (!(s & STAMP_ABORTED)) {
            return 0;
        }
        pass_aborted(consumer, s);
    }
}

static void set_held(struct consumer *consumer, bool busy)
{
    struct shm_member *own = consumer->own;
    store64_release(&own->held, position_make(consumer->sequence, consumer->line)); /* [rel:held] */
    store32_release(&own->busy, busy ? MEMBER_HOLDS : MEMBER_IDLE);                 /* [rel:busy] */
}

/* The full sequence of the shared cursor and whether its message is there; from the stamp it points at. */
static int cursor_state(const struct consumer *consumer, position cursor, uint64_t *sequence, stamp *s)
{
    const struct ring *ring = consumer->ring;
    const uint32_t low = position_sequence(cursor);
    *s = load64_acquire(ring_slot(ring, low)); /* [acq:stamp] */
    const uint64_t stamped = ring_sequence(ring, *s, low, consumer->sequence);
    /* The slot waits for its message from at most a few laps ago; else the stamp is ahead, however far. */
    const uint32_t behind = low - (uint32_t)stamped;
    const bool waiting = behind <= 4 * ring->slot_count;
    *sequence = waiting ? stamped + behind : stamped - (uint32_t)((uint32_t)stamped - low);
    return slot_state(ring, *s, *sequence);
}

/* How many of up to `batch` messages from `sequence` on are there. */
static unsigned count_ready(const struct consumer *consumer, uint64_t sequence, unsigned batch)
{
    const struct ring *ring = consumer->ring;
    unsigned ready = 0;
    for (; ready < batch; ready++) {
        BOUND(ready, SHMBUS_CLAIM_MAX);
        atomic_u64 *slot = ring_slot(ring, sequence + ready);
        const stamp s = load64_acquire(slot); /* [acq:stamp] */
        if (slot_state(ring, s, sequence + ready) != 0) {
            break;
        }
    }
    return ready;
}

/*
 * A line at or before that of the cursor's message. Records are not looked into before they are taken, so the
 * cursor's line lags behind: by what its members have taken and not yet read, and what they know advances it.
 */
static uint32_t known_line(const struct consumer *consumer, position cursor, uint64_t sequence)
{
    const uint32_t line = position_line(cursor);
    const bool recent = sequence - consumer->sequence <= consumer->ring->slot_count;
    return recent && line_reached(consumer->line, line) ? consumer->line : line;
}

/*
 * Says in the own line which messages are about to be taken, those from the cursor on. False when that has moved: then
 * publishers may have been let past them before they could see this. Else they heed the cursor, or this.
 */
static bool announce(struct consumer *consumer, position cursor, position first, uint64_t end)
{
    struct shm_member *own = consumer->own;
    store32_relaxed(&own->held_end, (uint32_t)end);
    store64_release(&own->held, first);                       /* [rel:held] */
    store32_release(&own->busy, MEMBER_ANNOUNCED);            /* [rel:busy] */
    fence_seq_cst();                                          /* [fence:announce] with cursor.c */
    if (load64_acquire(&consumer->group->cursor) != cursor) { /* [acq:cursor] */
        return false;
    }
    store32_release(&own->busy, MEMBER_CLAIMS); /* [rel:busy] */
    return true;
}

/*
 * Shared: takes up to `batch` messages. `held` and `held_end` are written before the CAS, so that whoever
 * sees the cursor moved sees who holds what it passed.
 */
static int take(struct consumer *consumer, unsigned batch)
{
    const struct ring *ring = consumer->ring;
    for (unsigned tries = 0;; tries++) {
        BOUND(tries, RETRIES_MAX);
        position cursor = load64_acquire(&consumer->group->cursor); /* [acq:cursor] */
        uint64_t sequence;
        stamp s;
        int err = cursor_state(consumer, cursor, &sequence, &s);
        if (err != 0 && load64_acquire(&consumer->group->cursor) != cursor) { /* [acq:cursor] */
            continue;
        }
        uint64_t end = sequence;
        if (err == -ESTALE && !(ring->overwrite && slot_resume_at(ring, sequence, s, &end))) {
            err = -EBADMSG;
        }
        if (err == -EAGAIN || err == -EBADMSG) {
            store32_release(&consumer->own->busy, MEMBER_IDLE); /* [rel:busy] */
            return err;
        }
        /* Messages that were overwritten are taken too, by one member, who counts them as missed. */
        const uint32_t line = known_line(consumer, cursor, sequence);
        if (err == 0) {
            end = sequence + count_ready(consumer, sequence, batch);
        }
        if (end == sequence) {
            continue; /* the cursor moved on and its slot was used again meanwhile */
        }
        if (!announce(consumer, cursor, position_make(sequence, line), end)) {
            continue;
        }
        if (cas64_release(&consumer->group->cursor, &cursor, position_make(end, line))) { /* [rel:cursor] */
            store32_release(&consumer->own->busy, MEMBER_HOLDS);                          /* [rel:busy] */
            consumer->sequence = sequence;
            consumer->line = line;
            consumer->end = end;
            return 0;
        }
        store32_release(&consumer->own->busy, MEMBER_ANNOUNCED); /* [rel:busy] */
    }
}

static void release_taken(struct consumer *consumer, uint64_t next, uint32_t line)
{
    consumer->sequence = next;
    consumer->line = line;
    set_held(consumer, next != consumer->end);
}

static int peek_shared(struct consumer *consumer, unsigned batch)
{
    for (unsigned tries = 0;; tries++) {
        BOUND(tries, RETRIES_MAX);
        if (consumer->sequence == consumer->end) {
            const int err = take(consumer, batch);
            if (err != 0) {
                return err;
            }
        }
        stamp s;
        uint64_t resume;
        const int err = slot_look(consumer, &s, &resume);
        if (err == -ESTALE) {
            const uint64_t next = resume < consumer->end ? resume : consumer->end;
            count_missed(consumer, next - consumer->sequence);
            release_taken(consumer, next, consumer->line);
            continue;
        }
        if (err != 0) {
            return -EBADMSG; /* what was taken had been there */
        }
        consumer->holding = CONSUMER_OTHER;
        if (!(s & STAMP_ABORTED)) {
            return 0;
        }
        pass_aborted(consumer, s);
    }
}

/* The line behind the held message of the window. */
static uint32_t line_behind(const struct consumer *consumer)
{
    return consumer->holding == CONSUMER_RECORD ? consumer->held_line : consumer->line;
}

int consumer_peek(struct consumer *consumer, unsigned batch)
{
    if (consumer->holding && consumer->window.slot == consumer->window.end) {
        return 0;
    }
    if (consumer->window.slot == consumer->window.end) {
        open_window(consumer, false);
    }
    struct consumer_glimpse seen;
    if (consumer_peek_window(consumer, &seen)) {
        consumer->message = (struct consumer_message){
            .data = seen.data, .size = seen.size, .publisher = seen.publisher, .line = line_behind(consumer)};
        return 0;
    }
    close_window(consumer); /* what is found here is given back by consumer_release() */
    const int err = consumer->shared ? peek_shared(consumer, batch) : peek_exclusive(consumer);
    if (err != 0) {
        open_window(consumer, true);
    }
    return err;
}

/* Enough given back since publishers last heard of it? Much less is, when one of them sleeps for it. */
static bool worth_publishing(const struct consumer *consumer)
{
    const struct ring *ring = consumer->ring;
    const uint32_t part = consumer_space_wanted(consumer) ? 8 : 1;
    return consumer->sequence - consumer->published >= (ring->grant_slots + part - 1) / part ||
           consumer->line - consumer->published_line >= (ring->grant_lines + part - 1) / part;
}

static bool advance(struct consumer *consumer)
{
    const uint64_t next = consumer->sequence + 1;
    const uint32_t line = consumer->message.line;
    consumer->holding = CONSUMER_NOTHING;
    if (consumer->shared) {
        release_taken(consumer, next, line);
        return true;
    }
    consumer->sequence = next;
    consumer->line = line;
    store64_release(&consumer->own->held, position_make(next, line)); /* [rel:held] */
    if (worth_publishing(consumer)) {
        consumer_publish(consumer);
        return true;
    }
    return false;
}

static void set_attempts(struct consumer *consumer, uint32_t attempts)
{
    consumer->attempts = attempts < ATTEMPTS_MAX ? attempts : ATTEMPTS_MAX;
    store32_relaxed(&consumer->own->attempts, consumer->attempts);
}

/* Is it one that others had taken before? Behind the last of those all is new. */
static bool pass_redelivered(struct consumer *consumer)
{
    const int64_t left = (int64_t)(consumer->redeliver_end - consumer->sequence);
    if (left == 1) {
        set_attempts(consumer, 0);
    }
    return left > 0;
}

bool consumer_release(struct consumer *consumer)
{
    const bool in_window = consumer->window.slot != consumer->window.end;
    const size_t size = in_window ? consumer->held_size : consumer->message.size;
    if (in_window) {
        consumer->message.line = line_behind(consumer);
    }
    count_relaxed(&consumer->own->messages, 1);
    count_relaxed(&consumer->own->bytes, size);
    if (pass_redelivered(consumer)) {
        count_relaxed(&consumer->own->redelivered, 1);
    }
    const bool tell = advance(consumer);
    open_window(consumer, false);
    return tell;
}

/*
 * Who aborts a dead publisher's message cannot say where the lines end that it took in the arena. They end where the
 * next record starts, or at the tail if nothing comes behind it: else at or behind what is known.
 */
static uint32_t line_behind_aborted(const struct consumer *consumer)
{
    const struct ring *ring = consumer->ring;
    const position tail = load64_acquire(&ring->shared->tail); /* [acq:tail] */
    for (uint64_t next = consumer->sequence + 1; next - consumer->sequence <= ring->slot_count; next++) {
        BOUND(next - consumer->sequence, ring->slot_count + 1);
        if ((uint32_t)next == position_sequence(tail)) {
            return position_line(tail);
        }
        const atomic_u64 *slot = ring_slot(ring, next);
        const stamp s = load64_acquire(slot); /* [acq:stamp] */
        if (slot_state(ring, s, next) != 0) {
            break;
        }
        if (s & STAMP_ARENA) {
            return s & STAMP_ABORTED ? consumer->line : record_line(load64_relaxed(slot + 1));
        }
    }
    return consumer->line;
}

static void pass_aborted(struct consumer *consumer, stamp s)
{
    if (!(s & STAMP_ARENA) && !consumer->ring->overwrite) {
        consumer->message.line = line_behind_aborted(consumer);
    }
    count_relaxed(&consumer->own->aborted, 1);
    (void)pass_redelivered(consumer);
    (void)advance(consumer);
}

void consumer_adopt(struct consumer *consumer, position held, uint32_t count, uint32_t attempts)
{
    consumer->sequence = cursor_sequence(consumer->ring, held);
    consumer->line = position_line(held);
    consumer->end = consumer->sequence + count;
    consumer->redeliver_end = consumer->end;
    set_attempts(consumer, attempts);
    store32_relaxed(&consumer->own->held_end, (uint32_t)consumer->end);
    set_held(consumer, count > 0);
}

void consumer_expect_redelivery(struct consumer *consumer, uint32_t count, uint32_t attempts)
{
    consumer->redeliver_end = consumer->sequence + count;
    store32_relaxed(&consumer->own->held_end, (uint32_t)consumer->redeliver_end);
    set_attempts(consumer, attempts);
    close_window(consumer);
}

bool consumer_ready(const struct consumer *consumer)
{
    const struct ring *ring = consumer->ring;
    uint64_t sequence = consumer->sequence + consumer_shown(consumer);
    if (consumer->shared && sequence == consumer->end) {
        const position cursor = load64_acquire(&consumer->group->cursor); /* [acq:cursor] */
        stamp s;
        return cursor_state(consumer, cursor, &sequence, &s) != -EAGAIN;
    }
    const stamp s = load64_acquire(ring_slot(ring, sequence)); /* [acq:stamp] */
    return slot_state(ring, s, sequence) != -EAGAIN;
}

void consumer_publish(struct consumer *consumer)
{
    if (!consumer->shared) {
        if ((int32_t)(load32_relaxed(&consumer->own->held_end) - (uint32_t)consumer->sequence) < 0) {
            store32_relaxed(&consumer->own->held_end,
                            (uint32_t)consumer->sequence); /* or 2^32 on it lies ahead */
        }
        consumer->published = consumer->sequence;
        consumer->published_line = consumer->line;
        store64_release(&consumer->group->cursor,
                        position_make(consumer->sequence, consumer->line)); /* [rel:cursor] */
    }
}
