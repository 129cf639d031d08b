/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of a trial, from their start to the state that the scenario begins in.
 *
 * concurrency   survivor and victim take turns; the sleeper starts when the victim is stopped
 * killed        the victim, by the runner; all others end by themselves, or by their alarm
 */
#ifndef SHMBUS_TESTS_CRASH_STEP_CAST_H
#define SHMBUS_TESTS_CRASH_STEP_CAST_H

#include "scenario.h"
#include "story.h"

#include <sys/types.h>

struct trial {
    const struct scenario *scenario;
    struct story *story;
    const char *bus;
    pid_t survivor;
    pid_t victim;
    pid_t sleeper; /* 0 when there is none */
    const char *trouble;
};

/* Brings all on stage; the victim is stopped before its operation. False: `trouble` says why. */
bool cast_enter(struct trial *trial);

/* The victim is dead: the others finish, and the survivor checks. */
void cast_finish(struct trial *trial);

/* Ends those who are left, whatever they do. */
void cast_dismiss(struct trial *trial);

/* Checks the bus as one who comes when all others are dead. */
void cast_check_late(struct trial *trial);

/* A latecomer that is stopped before it recovers the bus. False: it cannot attach. */
bool cast_enter_recoverer(struct trial *trial);

#endif
