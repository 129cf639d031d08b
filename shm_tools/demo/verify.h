/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares what the readers got with what the input is. The expected values are computed from the input
 * itself, before anything is sent. For one thread, while no reader has its turn.
 */
#ifndef DEMO_VERIFY_H
#define DEMO_VERIFY_H

#include "control.h"

typedef struct expected {
    uint64_t messages;
    uint64_t bytes;
    uint64_t words;
    digest ordered;
    digest_sum mixed;
} expected;

/* Returns 0, or prints why not and returns -1. */
int expect(const phase_plan *plan, expected *result);

/* What a group got, over its members. */
typedef struct group_result {
    reader_result sum; /* messages, bytes, faults, mixed, latency; the last message of all */
    uint64_t never;    /* work queue: messages that no worker got */
    uint64_t twice;    /* work queue: messages that came more than once */
} group_result;

void group_sum(const control *shared, enum demo_group group, group_result *result);

/* Returns 0 when the group got everything, or prints each difference and returns -1. */
int verify_group(const phase_plan *plan, const expected *want, enum demo_group group,
                 const group_result *got);

#endif
