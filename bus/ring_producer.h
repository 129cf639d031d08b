/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writing side of a ring: claim, fill, commit or abort. Pure memory: no system call, never waits.
 *
 *   call                           who                       may overlap with
 *   producer_*                     the producer's one user   other producers (`multi`), all consumers
 *
 * progress      single: wait-free. multi: lock-free; nobody waits for another's commit until the ring has
 *               gone round to his slot.
 * killed        between claim and commit: the slots stay without a stamp of their lap, named by the dead
 *               one's intent; before the claim or behind the commit: nothing is left to do.
 *
 * A claim takes slots and arena lines together, for both are in the tail. A single producer stores the
 * tail; of many, each writes its intent in its own line and then moves the tail by one CAS. A commit is one
 * release store of the stamp. On overwrite channels the stamp first says that the slot is being written.
 */
#ifndef SHMBUS_BUS_RING_PRODUCER_H
#define SHMBUS_BUS_RING_PRODUCER_H

#include "ring.h"

#include <errno.h>
#include <sys/uio.h>

/*
 * How far ahead of the slot it writes a producer asks for slots, in bytes. A slot's line comes from the reader's
 * cache; each store that waits for one fills the store buffer, and with it stops all others.
 */
#define PRODUCER_PREFETCH 2048

/* One claimed message. */
struct producer_claim {
    size_t size;
    uint32_t line; /* where its arena record starts; the next free line when it is inline */
};

/*
 * A run of slots ahead that messages may be sent into without another look at the groups: within one lap, and
 * within the limit. Only on single-publisher blocking channels; else, and while claims are open, it
 * is empty.
 */
struct producer_window {
    unsigned char *slot; /* next */
    unsigned char *end;
    unsigned char *first; /* the slot of producer.sequence */
    position tail;        /* the tail behind a message in `slot` */
    stamp stamp;          /* of all its messages, without the length */
};

struct producer {
    struct producer_window window;
    struct shm_publisher *own;
    struct shm_channel *shared;
    const struct ring *ring;
    uint32_t inline_max;
    uint32_t stride;
    uint64_t sequence;   /* single: of the next claim behind the window's. multi: behind the last claim */
    uint64_t limit;      /* may claim below this sequence */
    uint32_t line;       /* single: next arena line */
    uint32_t limit_line; /* may use lines up to this one */
    position base;       /* single: arena lines before this one are free, if `rebased` */
    uint32_t id;         /* index in the channel's table: the stamp's publisher */
    uint32_t claimed;    /* messages of the open batch */
    uint64_t open;       /* a bit for each that is neither committed nor aborted */
    uint64_t first;      /* sequence of the open batch */
    bool may_send_fast;  /* the window may be opened at all */
    bool rebased;
    bool arena_empty; /* at the last look, as were the slots */
    unsigned char *window_end;
    bool window_claim;  /* the open claim is the window's next slot, and `window_end` its end */
    bool batched;       /* `own->batch` may name the next claim: it must be written again */
    uint64_t sample_at; /* from this sequence on the next message goes the long way, and says */
    uint64_t sent;      /* when it was sent: nanoseconds */
    struct producer_claim claims[SHMBUS_CLAIM_MAX];
};

/*
 * Starts at the tail, with entry number `id`, sampling nothing. Without `may_send_fast` every message takes the long
 * way.
 */
void producer_init(struct producer *producer, const struct ring *ring, uint32_t id, bool may_send_fast);

/* May messages go through the window from now on? The entry's owner; not within a claim. */
void producer_allow_window(struct producer *producer, bool allowed);

/*
 * Claims up to `count` messages of the sizes in `claims`, leaving `first` and each line. Returns how many,
 * or -EAGAIN when there is no room for one.
 */
int producer_claim(struct producer *producer, unsigned count, bool exact);

/* Where claimed message `index` is to be written. */
void *producer_payload(const struct producer *producer, unsigned index);

/* Fills claimed message `index` by copying. */
void producer_fill(const struct producer *producer, unsigned index, const void *data);

/*
 * Commits claimed message `index` with its final size, or aborts it (STAMP_ABORTED). With STAMP_SAMPLED, if
 * producer_may_sample(), it says that it was sent at `producer->sent`.
 */
void producer_finish(struct producer *producer, unsigned index, size_t size, uint32_t flags);

/*
 * Room for a message of `size` bytes? For who waits: claims nothing, but remembers the room it found. `exact`
 * also counts what readers released and did not publish yet; dear for them when asked too often.
 */
bool producer_ready(struct producer *producer, size_t size, bool exact);

/*
 * The next five do in one step what producer_claim() and the rest do in many, in the usual case; where it is
 * not, they do nothing and return false or 0.
 *   producer_send_run     the first of `count` messages that are inline, as far as the window goes; how many
 *   producer_send_arena   a large message through the window
 *   producer_claim_one    room for one message in the window; producer_finish() ends it, or
 *   producer_commit_one   if `sequence` and `size` are those of such a claim
 *   producer_send_multi   an inline message on a multi-publisher blocking channel
 */
unsigned producer_send_run(struct producer *producer, const struct iovec *messages, unsigned count);
bool producer_send_arena(struct producer *producer, const void *data, size_t size);
bool producer_claim_one(struct producer *producer, size_t size);
bool producer_commit_one(struct producer *producer, uint64_t sequence, size_t size);
bool producer_send_multi(struct producer *producer, const void *data, size_t size);

/* Ends a claim of producer_claim_one(), whatever its end. */
void producer_finish_one(struct producer *producer, size_t size, uint32_t flags);

/* Messages that went through the window since it was opened. */
static inline uint64_t producer_passed(const struct producer *producer)
{
    const struct producer_window *window = &producer->window;
    return (uint64_t)(window->slot - window->first) >> producer->ring->stride_shift;
}

/* Is claimed message `index` the next to be sampled? */
static inline bool producer_sample_due(const struct producer *producer, unsigned index)
{
    return producer->first + index >= producer->sample_at;
}

/* The next to be sampled is the first one from `sequence` on. Not within a claim. */
void producer_sample_at(struct producer *producer, uint64_t sequence);

/* Does claimed message `index`, of `size` bytes by now, leave room in its slot to say when it was sent? */
static inline bool producer_may_sample(const struct producer *producer, unsigned index, size_t size)
{
    return producer->claims[index].size > producer->inline_max ||
           size + sizeof(uint64_t) <= producer->stride - SLOT_HEADER;
}

/* Arena lines that a message of `size` bytes takes. */
static inline uint32_t producer_lines(const struct producer *producer, size_t size)
{
    return size <= producer->inline_max ? 0 : lines_of(size);
}

/* Where a record of `lines` starts, at or behind `line`: contiguous, so it may have to skip the arena's end. */
static inline uint32_t producer_record_start(const struct producer *producer, uint32_t line, uint32_t lines)
{
    const uint32_t offset = line & (producer->ring->arena_lines - 1);
    return offset + lines > producer->ring->arena_lines ? line + (producer->ring->arena_lines - offset)
                                                        : line;
}

/* Lines of a slot behind its first that an inline message of `size` bytes takes. */
static inline size_t slot_more_lines(size_t size)
{
    return (size + SLOT_HEADER - 1) / LINE_SIZE;
}

/*
 * The address of the first line that the next message will be written to, if it has `size` bytes too, plus the
 * number of lines behind that one (less than a line has bytes): for prefetching only.
 */
uintptr_t producer_next_lines(const struct producer *producer, size_t size);

/*
 * Messages that publisher entry `own` has committed. A single publisher does not count what goes through its
 * window, one store less per message: the tail tells, from the intent on, which is where the window started.
 */
static inline uint64_t producer_messages(const struct ring *ring, const struct shm_publisher *own)
{
    const uint64_t counted = load64_relaxed(&own->messages);
    const uint32_t start = position_sequence(load64_relaxed(&own->intent));
    const int32_t sent = (int32_t)(position_sequence(load64_relaxed(&ring->shared->tail)) - start);
    return counted + (!ring->multi && sent > 0 ? (uint32_t)sent : 0);
}

/* Asks for the lines of a slot that a message of `size` bytes takes. */
static inline void slot_prefetch(const unsigned char *slot, size_t size)
{
    prefetch_for_writing(slot);
    for (size_t at = LINE_SIZE; at < size + SLOT_HEADER; at += LINE_SIZE) {
        BOUND(at, SLOT_SIZE_MAX);
        prefetch_for_writing(slot + at);
    }
}

/*
 * The whole of sending an inline message on a single-publisher blocking channel: one store to the tail, the
 * payload, one release store to the stamp. False: not such a message, or out of credit: nothing was done.
 */
static inline bool producer_send_fast(struct producer *producer, const void *data, size_t size)
{
    struct producer_window *window = &producer->window;
    unsigned char *slot = window->slot;
    if (unlikely(slot == window->end || size > producer->inline_max)) {
        return false;
    }
    struct shm_publisher *own = producer->own;
    slot_prefetch(slot + PRODUCER_PREFETCH, size);
    const position tail = window->tail;
    window->tail = tail + POSITION_ONE;
    store64_relaxed(&producer->shared->tail, tail);
    ring_copy_inline(slot + SLOT_HEADER, data, size);
    store64_release((atomic_u64 *)(void *)slot,
                    window->stamp | (size << STAMP_LENGTH_SHIFT)); /* [rel:stamp] */
    window->slot = slot + producer->stride;
    count_relaxed(&own->bytes, size);
    return true;
}

#endif
