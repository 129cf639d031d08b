/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who decides in a schedule: chance, by a seed; a search that tries all within a bound; or a trail, which repeats one.
 *
 * concurrency   one thread
 * killed        nothing to be killed in
 */
#ifndef SHMBUS_TESTS_MODEL_CHOICES_H
#define SHMBUS_TESTS_MODEL_CHOICES_H

#include <stdbool.h>
#include <stdint.h>

/* Each schedule by a seed of its own: how often it switches is one of the things that the seed decides. */
void choices_by_chance(uint64_t seed);

/* The first schedule of a search, with at most this many preemptions. */
void choices_search(unsigned preemptions);

/* The next one; false when there is none. */
bool choices_next(void);

/* The schedule of choices_print(). */
void choices_repeat(const char *trail);

/* The running thread may be preempted by one of `others`: 1 to `others`; or 0, it goes on. */
unsigned choose_preemption(unsigned others);

/* One of `count`, from 0 on. */
unsigned choose_one(unsigned count);

/* How to repeat this schedule from here. */
void choices_print(void);

#endif
