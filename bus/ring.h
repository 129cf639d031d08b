/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A channel's ring as this process sees it: geometry in private memory, slots and arena in the segment.
 * No system call and nothing of libc but memcpy: model.h says what the ring core is.
 *
 * concurrency   struct ring is immutable once filled: any thread. Slots: their claimer writes, groups read
 * killed        nothing here is a step of its own; see producer.h and consumer.h
 *
 * Everything that an index read from the segment could lead out of is masked or bounded here.
 */
#ifndef SHMBUS_BUS_RING_H
#define SHMBUS_BUS_RING_H

#include "atomics.h"
#include "layout.h"
#include "model.h"
#include "position.h"

#include <string.h>

struct ring {
    unsigned char *slots;
    unsigned char *arena;
    struct shm_channel *shared;
    struct shm_publisher *publishers;
    struct shm_group *groups;
    struct shm_member *members;
    struct shm_latency *latencies; /* one for each member */
    uint32_t slot_count;           /* a power of two */
    uint32_t slot_shift;           /* its logarithm */
    uint32_t stride_shift;
    uint32_t inline_max;  /* bytes that fit beside the stamp */
    uint32_t arena_lines; /* a power of two */
    uint32_t publisher_max;
    uint32_t group_max;
    uint32_t member_max;
    uint64_t largest;
    uint64_t first_sequence;
    /* How far a publisher may go, and a reader, without telling: see cursor.h. */
    uint32_t grant_slots;
    uint32_t grant_lines;
    bool multi;
    bool overwrite;
};

/* The stamp of the slot of `sequence`; the payload lies behind it. */
static inline atomic_u64 *ring_slot(const struct ring *ring, uint64_t sequence)
{
    const uint64_t index = sequence & (ring->slot_count - 1);
    return (atomic_u64 *)(void *)(ring->slots + (index << ring->stride_shift));
}

static inline unsigned char *ring_payload(atomic_u64 *slot)
{
    return (unsigned char *)(slot + 1);
}

/* Where a sampled message's slot says when it was sent: the last word. */
static inline atomic_u64 *ring_sent(const struct ring *ring, atomic_u64 *slot)
{
    return slot + (((size_t)1 << ring->stride_shift) / sizeof *slot) - 1;
}

static inline unsigned char *ring_line(const struct ring *ring, uint32_t line)
{
    return ring->arena + (uint64_t)(line & (ring->arena_lines - 1)) * LINE_SIZE;
}

/* The lap in the stamp of a finished message `sequence`. */
static inline uint64_t ring_lap(const struct ring *ring, uint64_t sequence)
{
    return (sequence >> ring->slot_shift) + 1;
}

/* The sequence that stamp `s` names in the slot of `index`; of those equal mod 2^40 laps, that near `reference`. */
static inline uint64_t ring_sequence(const struct ring *ring, stamp s, uint64_t index, uint64_t reference)
{
    const uint64_t lap = ring_lap(ring, reference);
    const uint64_t stamped = lap + (uint64_t)stamp_laps_ahead(s, lap);
    return ((stamped - 1) << ring->slot_shift) | (index & (ring->slot_count - 1));
}

/* Does stamp `s`, of the slot of `sequence`, say that this message was finished, or one of a later lap claimed? */
static inline bool ring_is_finished(const struct ring *ring, stamp s, uint64_t sequence)
{
    const int64_t ahead = stamp_laps_ahead(s, ring_lap(ring, sequence));
    return ahead > 0 || (ahead == 0 && !(s & STAMP_WRITING));
}

/* Was message `sequence` committed or aborted, whatever has become of its slot since? */
static inline bool ring_finished(const struct ring *ring, uint64_t sequence)
{
    return ring_is_finished(ring, load64_acquire(ring_slot(ring, sequence)), sequence); /* [acq:stamp] */
}

/*
 * The tail and its full sequence. A slot's stamp tells the sequence of its last message, at most some
 * laps before the tail.
 */
static inline uint64_t ring_tail(const struct ring *ring, position *tail)
{
    for (unsigned tries = 0;; tries++) {
        BOUND(tries, RETRIES_MAX);
        const position t = load64_acquire(&ring->shared->tail); /* [acq:tail] */
        const uint32_t low = position_sequence(t);
        const stamp s = load64_relaxed(ring_slot(ring, low));
        const uint64_t last = ring_sequence(ring, s, low, ring->first_sequence);
        const uint32_t behind = low - (uint32_t)last;
        if (behind < UINT32_MAX / 2) {
            *tail = t;
            return last + behind;
        }
        if (load64_acquire(&ring->shared->tail) == t) { /* [acq:tail] */
            *tail = t;
            return last + (uint64_t)(int64_t)(int32_t)behind; /* no publisher writes such a stamp: damaged */
        }
        cpu_relax(); /* the tail went past the slot between the two loads */
    }
}

#ifdef SHMBUS_MODEL

static inline uint64_t ring_word(const unsigned char *from)
{
    return *(const uint64_t *)(const void *)from;
}

static inline void ring_put_word(unsigned char *to, uint64_t word)
{
    *(uint64_t *)(void *)to = word;
}

static inline void ring_copy_inline(unsigned char *to, const unsigned char *from, size_t size)
{
    COPY(to, from, size);
}

#else

typedef uint64_t ring_pair __attribute__((vector_size(16)));

static inline uint64_t ring_word(const unsigned char *from)
{
    uint64_t word;
    __builtin_memcpy(&word, from, 8);
    return word;
}

static inline void ring_put_word(unsigned char *to, uint64_t word)
{
    __builtin_memcpy(to, &word, 8);
}

/*
 * Copies what fits a slot, up to SLOT_SIZE_MAX bytes, without a call: words in, pairs out. In, because the
 * sender has just written most of it, and a load that is not covered by one store in flight waits until all
 * stores before it have reached the cache, the slots of earlier messages among them. Out, because the reader
 * may be polling the slot: the fewer stores, the less often the line is taken away between two of them.
 */
static inline void ring_copy_pair(unsigned char *to, const unsigned char *from)
{
    uint64_t first = ring_word(from);
    uint64_t second = ring_word(from + 8);
    __asm__("" : "+r"(first), "+r"(second)); /* not to be joined into one wide load */
    const ring_pair pair = {first, second};
    __builtin_memcpy(to, &pair, 16);
}

static inline void ring_copy_inline(unsigned char *to, const unsigned char *from, size_t size)
{
    size_t at = 0;
    for (; at + 32 <= size; at += 32) {
        ring_copy_pair(to + at, from + at);
        ring_copy_pair(to + at + 16, from + at + 16);
    }
    if (size & 16) {
        ring_copy_pair(to + at, from + at);
        at += 16;
    }
    if (size & 8) {
        __builtin_memcpy(to + at, from + at, 8);
        at += 8;
    }
    if (likely((size & 7) == 0)) {
        return;
    }
    if (size & 4) {
        __builtin_memcpy(to + at, from + at, 4);
        at += 4;
    }
    if (size & 2) {
        __builtin_memcpy(to + at, from + at, 2);
        at += 2;
    }
    if (size & 1) {
        to[at] = from[at];
    }
}

#endif

/*
 * Copies that race with the other side on overwrite channels, in relaxed atomic words. The shared side is
 * 8-byte aligned and padded to whole words; the private side is neither.
 */
static inline void ring_copy_in(void *shared, const void *from, size_t size)
{
    atomic_u64 *words = shared;
    const unsigned char *bytes = from;
    size_t at = 0;
    for (; at + 8 <= size; at += 8) {
        BOUND(at / 8, WORDS_MAX);
        store64_relaxed(words++, ring_word(bytes + at));
    }
    if (at < size) {
        uint64_t word = 0;
        COPY(&word, bytes + at, size - at);
        store64_relaxed(words, word);
    }
}

static inline void ring_copy_out(void *to, const void *shared, size_t size)
{
    const atomic_u64 *words = shared;
    unsigned char *bytes = to;
    size_t at = 0;
    for (; at + 8 <= size; at += 8) {
        BOUND(at / 8, WORDS_MAX);
        ring_put_word(bytes + at, load64_relaxed(words++));
    }
    if (at < size) {
        const uint64_t word = load64_relaxed(words);
        COPY(bytes + at, &word, size - at);
    }
}

#endif
