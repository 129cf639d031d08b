/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pseudo-random numbers that a seed repeats. No global state: one generator per worker.
 *
 * concurrency   a generator is used by one thread; the pure functions by any
 * killed        nothing is shared
 */
#ifndef SHMBUS_TESTS_STRESS_RANDOM_H
#define SHMBUS_TESTS_STRESS_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

/* Spreads every bit of `x` over all bits of the result (the finaliser of splitmix64). */
static inline uint64_t random_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static inline struct random random_seeded(uint64_t seed, uint64_t stream)
{
    return (struct random){.state = random_mix(seed ^ random_mix(stream + 1))};
}

static inline uint64_t random_next(struct random *random)
{
    random->state += UINT64_C(0x9e3779b97f4a7c15);
    return random_mix(random->state);
}

/* 0 <= result < bound; `bound` is not 0. */
static inline uint64_t random_below(struct random *random, uint64_t bound)
{
    return random_next(random) % bound;
}

/* least <= result <= most. */
static inline uint64_t random_between(struct random *random, uint64_t least, uint64_t most)
{
    return least + random_below(random, most - least + 1);
}

/* True once in `times`; never for 0. */
static inline bool random_one_in(struct random *random, uint64_t times)
{
    return times != 0 && random_below(random, times) == 0;
}

/* A number around `mean`, 1 to 2 * mean - 1. */
static inline uint64_t random_around(struct random *random, uint64_t mean)
{
    return random_between(random, 1, 2 * mean - 1);
}

#endif
