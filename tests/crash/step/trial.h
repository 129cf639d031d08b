/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All deaths of one scenario. Two ways, for each sees what the other cannot:
 *
 *   beside the living   the victim is killed at an instruction, while the survivor is attached and a sleeper may
 *                       sleep; the survivor then checks
 *   by copies           what such a death leaves is copied to a bus of its own, on which all are dead; a latecomer
 *                       checks it. A second victim dies in shmbus_recover() on it, and so on for one level more
 *
 * A kill point is an instruction behind which the segment or the facts differ from before, or a system call was
 * made: between two of these a death makes no difference to anybody.
 *
 * concurrency   one runner, one scenario at a time
 * killed        leaves two bus files behind; their names hold the runner's process id
 */
#ifndef SHMBUS_TESTS_CRASH_STEP_TRIAL_H
#define SHMBUS_TESTS_CRASH_STEP_TRIAL_H

#include "scenario.h"
#include "story.h"

#include <stddef.h>

struct options {
    bool thorough;        /* at each instruction, in every operation */
    bool until_violation; /* stop at the first */
    bool list;
    const char *state; /* only this one */
};

struct figures {
    unsigned long instructions;
    unsigned long kills;   /* beside the living */
    unsigned long states;  /* distinct copies */
    unsigned long second;  /* distinct copies after a second death, in the recovery */
    unsigned long repeats; /* marked as redelivered, of messages that had been delivered all the same */
    unsigned long violations;
};

struct runner {
    const struct options *options;
    struct story *story;
    char bus[40];
    char copy[40];
};

/* Runs the scenario; violations are told as they are found. */
struct figures trial_run(const struct runner *runner, const struct scenario *scenario);

#endif
