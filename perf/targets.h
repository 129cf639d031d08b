/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What shmbus has set itself, against what was measured.
 *
 * concurrency   one thread
 * killed        nothing shared is written
 */
#ifndef SHMBUS_PERF_TARGETS_H
#define SHMBUS_PERF_TARGETS_H

#include "perf/idle.h"
#include "perf/idle_waiting.h"
#include "perf/rounds.h"

#define TARGETS_MAX 64u

struct target_result {
    char text[96];
    char measured[96];
    double value;
    double limit;
    bool met;
};

/* Judges every target whose case was run; `idle` and `waiting` may be NULL. Returns how many. */
unsigned targets_judge(const struct case_result *results, unsigned count, const struct idle_cost *idle,
                       const struct idle_waiting *waiting, struct target_result judged[TARGETS_MAX]);

#endif
