/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables for people and JSON for programs, of the same figures.
 *
 * concurrency   one thread
 * killed        nothing shared is written
 */
#ifndef SHMBUS_PERF_REPORT_H
#define SHMBUS_PERF_REPORT_H

#include "perf/environment.h"
#include "perf/idle.h"
#include "perf/idle_waiting.h"
#include "perf/rounds.h"
#include "perf/targets.h"

#include <stdio.h>

/* All that a run found. */
struct report {
    struct environment environment;
    struct probes probes;
    const struct bench_run *run;
    struct case_result *results;
    unsigned count;
    bool has_idle;
    struct idle_cost idle;
    bool has_idle_waiting;
    struct idle_waiting idle_waiting;
};

void report_environment(FILE *out, const struct report *report);
void report_case(FILE *out, const struct case_result *result, unsigned cpus);
void report_idle(FILE *out, const struct idle_cost *idle);
void report_idle_waiting(FILE *out, const struct idle_waiting *idle);

/* Of cases of waiting: what stands behind the times. */
void report_waiting_columns(FILE *out, const struct bench_case *item);
void report_waiting_cells(FILE *out, const struct case_result *result, unsigned which);

/* Returns how many targets were missed. */
unsigned report_targets(FILE *out, const struct report *report);

/* To the file `path`, "-" for stdout. False when it could not be written, with the reason on stderr. */
bool report_json(const char *path, const struct report *report);

#endif
