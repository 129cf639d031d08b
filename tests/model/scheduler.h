/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a program of this folder under a scheduler of its own, again and again. Threads are coroutines; each atomic
 * access is a step, before which another may be let on. Nothing here makes one thread's plain accesses happen before
 * another's but starting and joining: ThreadSanitizer sees the orders that the program's own atomics make.
 *
 * concurrency   one thread
 * killed        a thread that leaves by model_exit() is never resumed
 */
#ifndef SHMBUS_TESTS_MODEL_SCHEDULER_H
#define SHMBUS_TESTS_MODEL_SCHEDULER_H

#include <pthread.h>
#include <stdbool.h>

/* The program. */
int model_main(void);

/* The running thread is about to make an atomic access; does it write? */
void model_step(bool writes);

/* The running thread goes on when another has written since its last wait. */
void model_wait(void);

/* A number below `n`. */
unsigned model_choose(unsigned n);

/* How many steps the running thread may still make; UINT_MAX: any number. */
unsigned *model_steps_left(void);

int model_create(pthread_t *thread, void *(*function)(void *), void *argument);
int model_join(pthread_t thread);
_Noreturn void model_exit(void);

#endif
