/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs one contestant once: forks its roles, places them on CPUs, starts them together, waits for them
 * within the time limit, and ends them all when one fails.
 *
 * concurrency   the program's only thread
 * killed        the roles are killed with the program (PR_SET_PDEATHSIG); a bus of that moment stays, and
 *               `shmbus rm` removes it
 */
#ifndef SHMBUS_PERF_HARNESS_H
#define SHMBUS_PERF_HARNESS_H

#include "perf/bench.h"

enum outcome_state {
    OUTCOME_DONE,
    OUTCOME_STOPPED,
    OUTCOME_FAILED
};

struct outcome {
    enum outcome_state state;
    double seconds;    /* streams: measured */
    uint64_t messages; /* streams: measured; or taken until the run was stopped */
    uint64_t samples;  /* round trips and wake-ups: in run->samples */
    double asker_cpu;  /* round trips: CPU time of each, ns */
    double answerer_cpu;
    double wakes;     /* wake-ups: calls per message that woke somebody */
    double sleeps;    /* wake-ups: of all readers, per message */
    double cpu_share; /* least of all roles: below 1, something else ran on its CPU */
    char error[512];
};

/* One for the whole program, shared with every role. NULL when there is no memory. */
struct bench_run *harness_create(void);

/* `run->shape` and the placement are set. */
void harness_run(struct bench_run *run, const struct contestant *contestant, struct outcome *outcome);

/* SIGINT or SIGTERM came: nothing further is worth starting. */
bool harness_interrupted(void);

/* Lets `seconds` pass. False when it was interrupted. */
bool harness_rest(double seconds);

#endif
