/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading side of a ring: one member of one group. Pure memory: no system call, never waits.
 *
 *   call         who                         may overlap with
 *   consumer_*   the consumer's one user     all producers, all other consumers
 *
 * progress      exclusive group: wait-free. shared group: lock-free (a CAS on the group's cursor).
 *               overwrite channels: lock-free; each retry means that newer messages came.
 * killed        exclusive: `held` tells how far it got, the cursor follows. shared: `held` and `held_end`,
 *               written before the CAS, name what it had taken. Recovery hands that over.
 *
 * A reader polls the stamp that it expects next and never reads the tail (but to check that an arena
 * record on an overwrite channel stayed whole, or to go on after it was overtaken). It gives slots back by
 * moving its group's cursor, lazily: after an eighth of the ring, a 64th when a publisher sleeps for room, or
 * when it has caught up.
 */
#ifndef SHMBUS_BUS_RING_CONSUMER_H
#define SHMBUS_BUS_RING_CONSUMER_H

#include "ring.h"

#include <errno.h>

/* The message at hand. */
struct consumer_message {
    const void *data;
    size_t size;
    uint32_t publisher;
    uint32_t line; /* behind its arena record */
    uint64_t sent; /* when, nanoseconds, if it was sampled; else 0 */
};

/*
 * A run of slots ahead whose messages may be read and given back without another look at anything: within one
 * lap, and before the position must be published. Only in exclusive groups of blocking channels; else, and
 * while what is held was aborted or damaged, it is empty.
 */
struct consumer_window {
    unsigned char *slot; /* of consumer.sequence */
    unsigned char *end;
    stamp expected;    /* lap of its messages, all flags 0 */
    uint32_t prefetch; /* how far ahead to ask for slots, in bytes; 0: the publisher may be writing them */
};

/* Which message is peeked and not released. */
enum consumer_holding {
    CONSUMER_NOTHING,
    CONSUMER_INLINE, /* in the window, beside its stamp */
    CONSUMER_RECORD, /* in the window, in the arena */
    CONSUMER_OTHER,  /* found the long way */
};

struct consumer {
    struct consumer_window window;
    struct shm_member *own;
    struct shm_wait *space; /* publishers who sleep for room */
    uint64_t sequence;      /* of the next message */
    uint32_t line;          /* no meaning on overwrite channels */
    uint32_t inline_max;
    uint32_t stride;
    uint32_t publish_lines; /* arena lines that may be given back before they are published */
    uint32_t held_size;     /* bytes of the held message, if it is in the window */
    uint32_t held_line;     /* behind the record of the held message, if it is CONSUMER_RECORD */
    uint32_t published_line;
    enum consumer_holding holding;
    bool shared;
    uint32_t attempts; /* with redeliver_end: how many members died with those messages */
    struct consumer_message message;
    const struct ring *ring;
    struct shm_group *group;
    unsigned char *scratch; /* overwrite channels: `largest` bytes for the checked copy */
    uint64_t published;     /* exclusive: sequence in the cursor */
    uint64_t end;           /* shared: behind the last message taken */
    uint64_t redeliver_end; /* messages before this one were taken by a member that died */
    uint64_t missed;        /* since the last message */
    uint64_t refused; /* overwrite channels: sequence + 1 of a held message that its user has not seen */
    uint64_t burst;   /* messages read in a row before it last found none */
    uint64_t sampled; /* sequence + 1 of the last message whose latency was counted */
};

/* Starts at full sequence `sequence` and the line of the group's cursor. `scratch` may be NULL on block channels. */
void consumer_init(struct consumer *consumer, const struct ring *ring, struct shm_group *group,
                   struct shm_member *own, uint64_t sequence, unsigned char *scratch);

/*
 * Shows the next message in `consumer->message`; shared: takes up to `batch` of those that are there.
 * 0, -EAGAIN when there is none, -EBADMSG when the slot holds what no publisher writes.
 */
int consumer_peek(struct consumer *consumer, unsigned batch);

/* Gives the peeked message back. True: publishers who wait for room can be told. */
bool consumer_release(struct consumer *consumer);

/* Is a message held that its user has seen? */
static inline bool consumer_shown(const struct consumer *consumer)
{
    return consumer->holding != CONSUMER_NOTHING && consumer->refused != consumer->sequence + 1;
}

/*
 * The user has not taken the message that is held: it is to be found again. On overwrite channels the checked copy is
 * kept, for the message itself may be overwritten.
 */
static inline void consumer_refuse(struct consumer *consumer)
{
    if (consumer->ring->overwrite) {
        consumer->refused = consumer->sequence + 1;
    } else {
        consumer->holding = CONSUMER_NOTHING;
    }
}

/* Is there a message to take? For who waits: takes nothing. */
bool consumer_ready(const struct consumer *consumer);

/* Makes the exact position visible: before a wait, and when leaving. */
void consumer_publish(struct consumer *consumer);

/* Takes over the `count` messages from `held` on, which were taken over `attempts` times by now. */
void consumer_adopt(struct consumer *consumer, position held, uint32_t count, uint32_t attempts);

/* The next `count` messages may have been seen by members that were interrupted, `attempts` times. */
void consumer_expect_redelivery(struct consumer *consumer, uint32_t count, uint32_t attempts);

/* Does a publisher sleep for room? */
static inline bool consumer_space_wanted(const struct consumer *consumer)
{
    return WAIT_BUILT && (load64_relaxed(&consumer->space->sleepers) & WAIT_FLAGS) != 0;
}

/*
 * How far ahead of the slot it reads a consumer asks for slots, in bytes, while the publisher is a whole window
 * ahead. A call per message leaves the CPU few messages in sight: it would wait for each line in turn.
 */
#define CONSUMER_PREFETCH 2048u

/* What consumer_peek_fast() saw. */
struct consumer_glimpse {
    const void *data;
    size_t size;
    uint32_t publisher;
};

/*
 * The usual case, without a call: an inline message in the window, at `slot`, which is the window's. It is held
 * then, but `message` is not filled: consumer_peek() does that for who peeks again. False: nothing was done.
 */
static inline bool consumer_peek_at(struct consumer *consumer, unsigned char *slot,
                                    struct consumer_glimpse *seen)
{
    if (unlikely(slot >= consumer->window.end)) {
        return false;
    }
    const stamp s = load64_acquire((atomic_u64 *)(void *)slot); /* [acq:stamp] */
    const uint32_t size = stamp_length(s);
    if (unlikely(((s ^ consumer->window.expected) & (STAMP_LAP_MASK | STAMP_FLAGS)) != 0 ||
                 size > consumer->inline_max)) {
        return false;
    }
    const unsigned char *ahead = slot + consumer->window.prefetch;
    prefetch_for_reading(ahead);
    for (size_t at = LINE_SIZE; at < size + SLOT_HEADER; at += LINE_SIZE) {
        BOUND(at, SLOT_SIZE_MAX);
        prefetch_for_reading(ahead + at);
    }
    seen->data = slot + SLOT_HEADER;
    seen->size = size;
    seen->publisher = stamp_publisher(s);
    consumer->held_size = size;
    consumer->holding = CONSUMER_INLINE;
    return true;
}

static inline bool consumer_peek_fast(struct consumer *consumer, struct consumer_glimpse *seen)
{
    return consumer_peek_at(consumer, consumer->window.slot, seen);
}

/* Has something come into the next slot of a window that is not empty? What to spin on: a single load. */
static inline bool consumer_arrived(const struct consumer *consumer)
{
    const stamp s = load64_relaxed((atomic_u64 *)(void *)consumer->window.slot);
    return ((s ^ consumer->window.expected) & STAMP_MATCH_MASK) == 0;
}

/* The same for a message in the arena, whose record is bounded first. */
bool consumer_peek_record(struct consumer *consumer, struct consumer_glimpse *seen);

/* Either kind. */
static inline bool consumer_peek_window(struct consumer *consumer, struct consumer_glimpse *seen)
{
    return consumer_peek_fast(consumer, seen) || consumer_peek_record(consumer, seen);
}

/* Where the next record lies if it is like the last one: its lines can be asked for before its slot is read. */
struct consumer_record {
    const unsigned char *data;
    uint32_t lines;
};

static inline struct consumer_record consumer_next_record(const struct consumer *consumer)
{
    const uint32_t lines = consumer->held_size > consumer->inline_max ? lines_of(consumer->held_size) : 0;
    const uint32_t most = CONSUMER_PREFETCH / LINE_SIZE;
    return (struct consumer_record){.data = ring_line(consumer->ring, consumer->line),
                                    .lines = lines < most ? lines : most};
}

static inline void consumer_prefetch_record(const struct consumer_record *record)
{
    for (uint32_t i = 0; i < record->lines; i++) {
        BOUND(i, CONSUMER_PREFETCH / LINE_SIZE);
        prefetch_for_reading(record->data + (size_t)i * LINE_SIZE);
    }
}

/*
 * The matching release; moves `slot` on. It leaves `holding` to the caller, who may hold the next one at once.
 * False: a publisher sleeps for room, which takes the long way; nothing was done.
 */
static inline bool consumer_release_at(struct consumer *consumer, unsigned char **slot)
{
    if (unlikely(consumer_space_wanted(consumer))) {
        return false;
    }
    struct shm_member *own = consumer->own;
    const uint64_t next = consumer->sequence + 1;
    *slot += consumer->stride;
    consumer->window.slot = *slot;
    consumer->sequence = next;
    store64_release(&own->held, position_make(next, consumer->line)); /* [rel:held] */
    count_relaxed(&own->messages, 1);
    count_relaxed(&own->bytes, consumer->held_size);
    return true;
}

static inline bool consumer_release_inline(struct consumer *consumer)
{
    unsigned char *slot = consumer->window.slot;
    if (unlikely(!consumer_release_at(consumer, &slot))) {
        return false;
    }
    consumer->holding = CONSUMER_NOTHING;
    return true;
}

/* The same for either kind. */
static inline bool consumer_release_fast(struct consumer *consumer)
{
    if (consumer->holding == CONSUMER_RECORD) {
        if (consumer->held_line - consumer->published_line >= consumer->publish_lines) {
            return false;
        }
        const uint32_t line = consumer->line;
        consumer->line = consumer->held_line;
        if (likely(consumer_release_inline(consumer))) {
            return true;
        }
        consumer->line = line;
        return false;
    }
    return consumer->holding == CONSUMER_INLINE && consumer_release_inline(consumer);
}

#endif
