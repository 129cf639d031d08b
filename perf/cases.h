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
#define CASES_MAX 40u

struct bench_case {
    char name[32];
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

/* The cases of waiting, whose names begin with "wait/". Returns how many. */
unsigned cases_of_waiting(struct bench_case cases[]);

/* The cases of what looking and bridging cost, whose names begin with "tools/" and "bridge/". Returns how many. */
unsigned cases_of_tools(struct bench_case cases[]);

/* Sets how messages of shape->size lie in rings: the same rule for all cases. */
void case_shape_memory(struct bench_shape *shape);

void case_add(struct bench_case *item, const char *name, int variant, int (*prepare)(struct bench_run *, int),
              void (*body)(struct bench_role *, int), void (*finish)(struct bench_run *, int));

/* The round trip of a bare cache line, a few milliseconds: shows where the two CPUs really are. */
struct bench_case case_probe(void);

#endif
