/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a case: all its contestants take turns, round after round, and each round counts only when the two
 * CPUs were as far apart after it as before, and not suddenly hyperthreads of one core. (A hypervisor does
 * both; figures of such rounds are of no machine.)
 *
 * concurrency   one thread
 * killed        nothing shared is written
 */
#ifndef SHMBUS_PERF_ROUNDS_H
#define SHMBUS_PERF_ROUNDS_H

#include "perf/cases.h"
#include "perf/harness.h"
#include "perf/stats.h"

#define ROUNDS_MAX 99u
#define PROBES_MAX 4096u

/* Of one contestant; a round that gave no figure has NAN. */
struct series {
    double value[FIGURES][ROUNDS_MAX];
    enum outcome_state state[ROUNDS_MAX];
    uint64_t messages[ROUNDS_MAX]; /* streams: measured, or taken until the run was stopped */
    uint64_t samples[ROUNDS_MAX];  /* round trips */
    char error[512];               /* of the last failure */
};

struct case_result {
    const struct bench_case *item;
    unsigned rounds;         /* that count */
    unsigned dropped;        /* measured while both CPUs were one core, or a CPU moved */
    unsigned repeated;       /* runs, because something else ran on their CPUs */
    unsigned disturbed;      /* runs that count although it still did */
    double line[ROUNDS_MAX]; /* round trip of the bare cache line before each round, ns */
    struct series series[CONTESTANTS_MAX];
};

/* Round trips of the bare cache line, ns, over the whole run. */
struct probes {
    double value[PROBES_MAX];
    unsigned count;
    unsigned dropped; /* rounds, because of them */
};

/* False when it was interrupted. */
bool rounds_run(struct bench_run *run, const struct bench_case *item, unsigned rounds, struct probes *probes,
                struct case_result *result);

/* Measures a few probes, so that a median is there before the first round. */
bool probes_start(struct bench_run *run, struct probes *probes);

/* Medians over the rounds; NAN when no round gave a figure. */
double series_median(const struct case_result *result, unsigned contestant, enum figure figure);

/* Median of the ratios that the rounds have, each to the other contestant in the same round. */
double series_ratio(const struct case_result *result, unsigned contestant, unsigned to, enum figure figure);

/* Rounds that ended so. */
unsigned series_count(const struct case_result *result, unsigned contestant, enum outcome_state state);

/* Which contestant has this name, or CONTESTANTS_MAX. */
unsigned case_contestant(const struct bench_case *item, const char *name);

#endif
