/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every contestant carries: each message is written in full by its sender and compared in full by
 * its reader, by the same two loops. Sizes are multiples of 8.
 *
 * The loops go 64 bytes at a time with four values of their own, so that they are not what limits a large
 * message: one running value would be added to every 16 bytes, each time after the last addition is done.
 *
 * concurrency   every function: works on memory that its caller owns at that moment
 * killed        nothing but that memory is written
 */
#ifndef SHMBUS_PERF_PAYLOAD_H
#define SHMBUS_PERF_PAYLOAD_H

#include <stddef.h>
#include <stdint.h>

/* A message's number: who sent it, and which of its sender's it is. The last one is marked. */
#define PAYLOAD_LAST (UINT64_C(1) << 63)
#define PAYLOAD_SENDER_SHIFT 48
#define PAYLOAD_NUMBER_MASK ((UINT64_C(1) << PAYLOAD_SENDER_SHIFT) - 1)

typedef uint64_t payload_pair __attribute__((vector_size(16), aligned(8), may_alias));
typedef uint64_t payload_word __attribute__((may_alias));

/* Four pairs of words: those of the first 64 bytes of message `number`, then of each 64 after. */
struct payload_block {
    payload_pair pair[4];
};

static inline struct payload_block payload_first(uint64_t number)
{
    struct payload_block block;
    for (unsigned i = 0; i < 4; i++)
        block.pair[i] = (payload_pair){number + 2 * i, number + 2 * i + 1};
    return block;
}

/* Word i of message `number` is `number + i`. */
static inline void payload_write(void *data, size_t size, uint64_t number)
{
    struct payload_block block = payload_first(number);
    size_t whole = size / 64;
    payload_pair *pairs = data;
    for (size_t i = 0; i < whole; i++) {
        for (unsigned k = 0; k < 4; k++) {
            pairs[4 * i + k] = block.pair[k];
            block.pair[k] += 8;
        }
    }
    payload_word *words = data;
    for (size_t i = 8 * whole; i < size / 8; i++)
        words[i] = number + i;
}

/* 0 when `data` is message `number`, every byte of it. */
static inline uint64_t payload_differs(const void *data, size_t size, uint64_t number)
{
    struct payload_block block = payload_first(number);
    struct payload_block differs = {0};
    size_t whole = size / 64;
    const payload_pair *pairs = data;
    for (size_t i = 0; i < whole; i++) {
        for (unsigned k = 0; k < 4; k++) {
            differs.pair[k] |= pairs[4 * i + k] ^ block.pair[k];
            block.pair[k] += 8;
        }
    }
    payload_pair all = differs.pair[0] | differs.pair[1] | differs.pair[2] | differs.pair[3];
    uint64_t rest = all[0] | all[1];
    const payload_word *words = data;
    for (size_t i = 8 * whole; i < size / 8; i++)
        rest |= words[i] ^ (number + i);
    return rest;
}

#endif
