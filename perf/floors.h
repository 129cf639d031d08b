/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floors: the least that two processes on two CPUs can do, in as little code as does it. No floor can
 * be used by anybody for anything else: none of them has names, groups, recovery or checks.
 *
 *   line        a word in one cache line per direction; nothing else moves
 *   line 56 B   the same line carries the message beside the word
 *   ring        slots of {sequence word, payload}, written and read in place; the reader publishes its
 *               position every eighth of the ring, the writer keeps a copy of its limit
 *   broadcast   the same ring with a position for every reader
 *   futex       a word and a message per direction; who waits for the word sleeps on it, who changes it
 *               wakes. One word and one message to all readers in a wake-up
 *
 * concurrency   `prepare` and `finish` in the parent, `body` in each process of a run
 * killed        see bench.h
 */
#ifndef SHMBUS_PERF_FLOORS_H
#define SHMBUS_PERF_FLOORS_H

#include "perf/bench.h"

#define LINE_PAYLOAD_MAX 56u

enum line_variant {
    LINE_WORD,
    LINE_PAYLOAD
};

int line_prepare(struct bench_run *run, int variant);
void line_body(struct bench_role *role, int variant);

int ring_prepare(struct bench_run *run, int variant);
void ring_body(struct bench_role *role, int variant);

int futex_prepare(struct bench_run *run, int variant);
void futex_body(struct bench_role *role, int variant);

enum ck_variant {
    CK_SPSC,
    CK_MPMC
};

/* concurrencykit's ring of payloads by value: sizes of 8 B to 4 KiB that ck_ring_has() names. */
bool ck_ring_has(size_t size);
int ck_prepare(struct bench_run *run, int variant);
void ck_body(struct bench_role *role, int variant);

/*
 * bus_body() of peer_bus.h, built with a library of its own that has no code for waiting: the floor of what it
 * costs a sender that others may sleep; or that samples no latencies: the floor of what that costs. For forked roles only: two libraries' fork handlers would not get on.
 * Only where BENCH_WITHOUT_PARTS is defined.
 */
void without_waiting_body(struct bench_role *role, int variant);
void without_sampling_body(struct bench_role *role, int variant);

/* Unmaps what any of them had mapped. */
void memory_finish(struct bench_run *run, int variant);

#endif
