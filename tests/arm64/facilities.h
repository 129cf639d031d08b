/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What shmbus and its tests use of Linux, tried one by one.
 *
 * concurrency   each probe runs in a process of its own
 * killed        nothing stays
 */
#ifndef SHMBUS_TESTS_ARM64_FACILITIES_H
#define SHMBUS_TESTS_ARM64_FACILITIES_H

#include <stdbool.h>

struct facility {
    const char *name;
    bool (*works)(void); /* false: see errno; 0 if it did something else than asked for */
};

extern const struct facility facilities_of_calls[];     /* ended by a NULL name */
extern const struct facility facilities_of_processes[]; /* the same */

#endif
