/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where and how this was measured, for the head of the report, and which CPUs to take.
 *
 * concurrency   one thread
 * killed        nothing shared is written
 */
#ifndef SHMBUS_PERF_ENVIRONMENT_H
#define SHMBUS_PERF_ENVIRONMENT_H

#include "perf/bench.h"

struct environment {
    char cpu[128];
    char kernel[224];
    char compiler[96];
    char governor[96];
    char cpus[96];
    bool virtual_machine;
    bool one_core; /* the first two CPUs are hyperthreads of one core, as the kernel sees it */
};

/*
 * Reads CPUs from `list` ("0,2,4"), or takes the first allowed two that are not of one core. Returns how
 * many there are, or -1 with the reason on stderr.
 */
int environment_cpus(const char *list, int cpus[ROLES_MAX]);

void environment_read(struct environment *environment, const struct bench_run *run);

#endif
