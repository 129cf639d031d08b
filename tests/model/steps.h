/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program asks of whoever runs it. Included after atomics.h: with MODEL_RUNNER, or where a thread may die
 * (MAY_DIE), each atomic access becomes a step, before which the scheduler switches and the thread dies.
 *
 *   WAIT(tries)       somebody else must get on first; it has tried `tries` times before
 *   CHOOSE(NAME, n)   a number below n: the scheduler tries all, a checker is given -DNAME=number for each run
 *   FORGET(object)    static memory is as at the start: the scheduler runs the program many times
 */
#ifndef SHMBUS_TESTS_MODEL_STEPS_H
#define SHMBUS_TESTS_MODEL_STEPS_H

#ifdef MODEL_RUNNER

#include "scheduler.h"

#include <string.h>

#define WAIT(tries) ((void)(tries), model_wait())
#define CHOOSE(name, n) model_choose(n)
#define FORGET(object) memset(&(object), 0, sizeof(object))
#define STEPS_LEFT (*model_steps_left())

#define main model_main
#define pthread_create(thread, attributes, function, argument) model_create(thread, function, argument)
#define pthread_join(thread, result) model_join(thread)
#define pthread_exit(result) model_exit()

#else

extern void __VERIFIER_assume(int condition);

#ifndef WAITS_MAX
#define WAITS_MAX 1u
#endif

#define WAIT(tries) __VERIFIER_assume((tries) < WAITS_MAX)
#define CHOOSE(name, n) ((unsigned)(name))
#define FORGET(object) ((void)0)
#define STEPS_LEFT steps_left
#define model_step(writes) ((void)0)

#ifdef MAY_DIE
static _Thread_local unsigned steps_left = UINT32_MAX;
#endif

#endif

#ifdef MAY_DIE

/* One thread at most: its last store says so, as the kernel drops the lock of who has died. */
static atomic_u32 dead;

static inline void die(void)
{
    STEPS_LEFT = UINT32_MAX;
    model_step(true);
    store32_release(&dead, 1);
    pthread_exit(NULL);
}

static inline void death_step(void)
{
    if (STEPS_LEFT == 0) {
        die();
    }
    if (STEPS_LEFT != UINT32_MAX) {
        STEPS_LEFT--;
    }
}

#else
#define death_step() ((void)0)
#endif

#if defined(MODEL_RUNNER) || defined(MAY_DIE)

#define STEP(writes) (death_step(), model_step(writes))

#define load32_relaxed(word) (STEP(false), load32_relaxed(word))
#define load64_relaxed(word) (STEP(false), load64_relaxed(word))
#define load32_acquire(word) (STEP(false), load32_acquire(word))
#define load64_acquire(word) (STEP(false), load64_acquire(word))
#define store32_relaxed(word, value) (STEP(true), store32_relaxed(word, value))
#define store64_relaxed(word, value) (STEP(true), store64_relaxed(word, value))
#define store32_release(word, value) (STEP(true), store32_release(word, value))
#define store64_release(word, value) (STEP(true), store64_release(word, value))
#define cas64_acq_rel(word, expected, value) (STEP(true), cas64_acq_rel(word, expected, value))

#endif

#endif
