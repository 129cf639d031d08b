/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One round: a bus, its workers, what they are put through, and the verdict.
 *
 *   call           who                  may overlap with
 *   round_run      the parent           its own workers
 *   round_bury     a signal handler     everything: kills the workers, removes the bus
 *
 * killed        workers die with their parent; the bus's name stays
 */
#ifndef SHMBUS_TESTS_STRESS_ROUND_H
#define SHMBUS_TESTS_STRESS_ROUND_H

#include "crew.h"

/* Sums over rounds, for the summary. */
struct round_totals {
    uint64_t messages;
    uint64_t seen;
    uint64_t marked;
    uint64_t missed;
    uint64_t joins;
    uint64_t joins_behind;
    uint64_t kills;
    uint64_t pauses;
    uint64_t longest_stall; /* ns without any progress */
};

/* 0, or 1 after printing what is wrong. */
int round_run(const struct plan *plan, uint64_t seed, struct round_totals *totals);

/* From a signal handler: the test is to end now. */
void round_bury(void);

#endif
