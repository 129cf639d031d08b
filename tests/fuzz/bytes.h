/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a player's choices come from: the bytes of a fuzzer's input, or a generator that a seed repeats.
 *
 * concurrency   used by one thread
 * killed        nothing is shared
 */
#ifndef SHMBUS_TESTS_FUZZ_BYTES_H
#define SHMBUS_TESTS_FUZZ_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../stress/random.h"

struct bytes {
    const uint8_t *at;
    size_t left;
    struct random random; /* used when `endless` */
    bool endless;
};

static inline struct bytes bytes_of(const uint8_t *data, size_t size)
{
    return (struct bytes){.at = data, .left = size};
}

static inline struct bytes bytes_random(uint64_t seed, uint64_t stream)
{
    return (struct bytes){.random = random_seeded(seed, stream), .endless = true};
}

/* The next `count` (1 to 8) bytes as a number; an input that has ended reads as zero. */
static inline uint64_t bytes_take(struct bytes *bytes, unsigned count)
{
    if (bytes->endless) {
        return random_next(&bytes->random) >> (64 - 8 * count);
    }
    uint64_t value = 0;
    for (unsigned i = 0; i < count && bytes->left > 0; i++, bytes->left--) {
        value |= (uint64_t)*bytes->at++ << (8 * i);
    }
    return value;
}

/* 0 <= result < bound <= 256. */
static inline uint32_t bytes_below(struct bytes *bytes, uint32_t bound)
{
    return (uint32_t)bytes_take(bytes, 1) % bound;
}

#endif
