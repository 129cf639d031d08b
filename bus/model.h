/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the ring core does differently where a model checker runs it (SHMBUS_MODEL: tests/model). The core is ring.h,
 * ring_*, cursor and the headers below them: no system call, no libc but memcpy and memset. Checkers take C11 but no
 * assembly, no vectors, no copies of unknown size; and they want to know how often a loop goes round.
 *
 * concurrency, killed   as the code that uses these
 *
 * BOUND is the first thing in each loop of the core: `count` rounds are behind it, `most` is as many as there may ever
 * be. The library takes the comparison's type and nothing else: no code.
 */
#ifndef SHMBUS_BUS_MODEL_H
#define SHMBUS_BUS_MODEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef SHMBUS_MODEL

#include <assert.h>

/* Rounds of a loop that goes round again because somebody else has got on. A program may say how many it allows. */
#ifndef RETRIES_MAX
#define RETRIES_MAX 8u
#endif

#define WORDS_MAX 32u /* of a message */

#define BOUND(count, most) assert((count) < (most))

/* Messages of the model are whole words. */
static inline void model_copy(void *to, const void *from, size_t size)
{
    uint64_t *out = to;
    const uint64_t *in = from;
    assert(size % 8 == 0);
    for (size_t i = 0; i < size / 8; i++) {
        BOUND(i, WORDS_MAX);
        out[i] = in[i];
    }
}

#define COPY(to, from, size) model_copy(to, from, size)

#else

#include <string.h>

#define RETRIES_MAX UINT32_MAX
#define WORDS_MAX SIZE_MAX
#define BOUND(count, most) ((void)sizeof((count) < (most)))
#define COPY(to, from, size) memcpy(to, from, size)

#endif

#endif
