/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the processes of one trial know of each other: which messages were sent and taken, whose turn it is, and
 * what went wrong first. The facts are noted before and behind each call, so that they are right whichever
 * instruction the victim dies at.
 *
 *   call                            who                        may overlap with
 *   story_open, story_reset         the runner, alone          nothing
 *   story_fail                      any process, which ends    everything: the first text stays
 *   turns                           one posts, one waits       everything
 *   facts                           who has the turn           the runner reads them while the victim is stopped
 *
 * killed        each fact is one byte; the mapping outlives its writers.
 */
#ifndef SHMBUS_TESTS_CRASH_STEP_STORY_H
#define SHMBUS_TESTS_CRASH_STEP_STORY_H

#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#define STORY_MESSAGES 32u

/* What has become of a message at its sender. */
#define SENT_NOT 0u       /* must not arrive */
#define SENT_TRIED 1u     /* may arrive, whole */
#define SENT_COMMITTED 2u /* must arrive */

/* What has become of a message in the group, at a reader that may have died since. */
#define TAKEN_NOT 0u    /* must be delivered once more */
#define TAKEN_TRIED 1u  /* may be gone with who received it */
#define TAKEN_SHOWN 2u  /* must be delivered once more, and marked */
#define TAKEN_GIVING 3u /* may be; then marked */
#define TAKEN_GIVEN 4u  /* must not be delivered again */
#define TAKEN_ORPHAN 5u /* as shown, and its reader is dead already: the next one to take gets it */

struct story_facts {
    volatile uint32_t told; /* message numbers that are given out */
    volatile uint8_t sent[STORY_MESSAGES];
    volatile uint8_t taken[STORY_MESSAGES];
    volatile uint32_t finished; /* the operation has returned */
};

struct story {
    struct story_facts facts;
    sem_t survivor; /* turns */
    sem_t victim;
    sem_t awake;               /* the sleeper has come back */
    volatile uint32_t repeats; /* messages that were delivered more than once, as they may be when marked */
    volatile uint32_t failed;
    char failure[300];
};

/* NULL when there is no memory. */
struct story *story_open(void);

void story_reset(struct story *story);

/* Ends this process: something is not as it must be. */
_Noreturn void story_fail(struct story *story, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Waits for a turn. Ends this process when another one has failed meanwhile. */
void story_wait(struct story *story, sem_t *turn);

#endif
