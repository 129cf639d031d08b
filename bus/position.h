/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Positions and stamps: the two words that the ring's protocol is made of. Pure arithmetic on values: any
 * thread may call anything; there is nothing to be killed in.
 *
 *   position  {sequence:32, line:32}            the next slot and the next arena line, both mod 2^32
 *   stamp     {lap:40, publisher:12, length:8, flags:4}   which message a slot holds
 *
 * A slot's index gives the low bits of a sequence and its stamp's lap the rest: lap = sequence / slots + 1.
 * So zeroed memory (lap 0) is an empty ring that starts at sequence 0, and 40 bits of lap count 2^52
 * messages in the default ring of 4,096 slots: a reader that slept for a day still counts exactly.
 */
#ifndef SHMBUS_BUS_POSITION_H
#define SHMBUS_BUS_POSITION_H

#include <stdbool.h>
#include <stdint.h>

typedef uint64_t position;

static inline position position_make(uint64_t sequence, uint32_t line)
{
    return (sequence << 32) | line;
}

/* One sequence further, same line. */
#define POSITION_ONE (UINT64_C(1) << 32)

static inline uint32_t position_sequence(position p)
{
    return (uint32_t)(p >> 32);
}

static inline uint32_t position_line(position p)
{
    return (uint32_t)p;
}

/* The full sequence with these low 32 bits that is nearest to `reference`. */
static inline uint64_t sequence_near(uint64_t reference, uint32_t low)
{
    return reference + (uint64_t)(int64_t)(int32_t)(low - (uint32_t)reference);
}

/* Is line `a` at or past line `b`, on the circle of 2^32? */
static inline bool line_reached(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) >= 0;
}

typedef uint64_t stamp;

#define STAMP_WRITING 0x1u /* on overwrite channels: the payload is being replaced */
#define STAMP_ARENA 0x2u   /* the slot holds a record {line, length} of the arena */
#define STAMP_ABORTED 0x4u /* claimed and given up: readers pass over it */
#define STAMP_SAMPLED 0x8u /* the last word of the slot says when it was sent */
#define STAMP_FLAGS 0xfu

#define STAMP_LAP_SHIFT 24
#define STAMP_PUBLISHER_SHIFT 12
#define STAMP_LENGTH_SHIFT 4
#define STAMP_LAP_MASK (~UINT64_C(0) << STAMP_LAP_SHIFT)

/* A slot holds a finished message of the lap when these bits are equal. */
#define STAMP_MATCH_MASK (STAMP_LAP_MASK | STAMP_WRITING)

static inline stamp stamp_make(uint64_t lap, uint32_t publisher, uint32_t length, uint32_t flags)
{
    return (lap << STAMP_LAP_SHIFT) | ((uint64_t)publisher << STAMP_PUBLISHER_SHIFT) |
           ((uint64_t)length << STAMP_LENGTH_SHIFT) | flags;
}

static inline uint64_t stamp_lap(stamp s)
{
    return s >> STAMP_LAP_SHIFT;
}

static inline uint32_t stamp_publisher(stamp s)
{
    return (uint32_t)(s >> STAMP_PUBLISHER_SHIFT) & 0xfffu;
}

static inline uint32_t stamp_length(stamp s)
{
    return (uint32_t)(s >> STAMP_LENGTH_SHIFT) & 0xffu;
}

/* How many laps `s` is ahead of `lap` (negative: behind), on the circle of 2^40. */
static inline int64_t stamp_laps_ahead(stamp s, uint64_t lap)
{
    return (int64_t)((s & STAMP_LAP_MASK) - (lap << STAMP_LAP_SHIFT)) >> STAMP_LAP_SHIFT;
}

/* An arena record as it lies in its slot: {line:32, length:32}. */
static inline uint64_t record_make(uint32_t line, uint32_t length)
{
    return ((uint64_t)line << 32) | length;
}

static inline uint32_t record_line(uint64_t record)
{
    return (uint32_t)(record >> 32);
}

static inline uint32_t record_length(uint64_t record)
{
    return (uint32_t)record;
}

/* Arena lines that `size` bytes take. */
static inline uint32_t lines_of(uint64_t size)
{
    return (uint32_t)((size + 63) / 64);
}

#endif
