/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is measured: every case, its shape and its contestants.
 *
 * concurrency   one thread
 * killed        nothing shared is written
 */
#ifndef SHMBUS_PERF_CASES_H
#define SHMBUS_PERF_CASES_H

#include "perf/bench.h"

#define CONTESTANTS_MAX 14u
#define CASES_MAX 32u

struct bench_case {
    char name[24];
    struct bench_shape shape;
    unsigned count;
    struct contestant contestants[CONTESTANTS_MAX];
    unsigned floor;    /* contestant that the others are divided by */
    const char *title; /* what the figures are */
};

/*
 * Fills `cases` and returns how many. `shorter` divides how long each is measured; `crowded` places those
 * that have more processes than CPUs; PLACE_EACH leaves it to each case.
 */
unsigned cases_list(struct bench_case cases[CASES_MAX], double shorter, enum placement crowded);

/* The round trip of a bare cache line, a few milliseconds: shows where the two CPUs really are. */
struct bench_case case_probe(void);

#endif
