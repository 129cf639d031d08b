/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shmbus itself, over its public functions only. A variant says how it is used.
 *
 * concurrency   `prepare` and `finish` in the parent, `body` in each process of a run
 * killed        see bench.h
 */
#ifndef SHMBUS_PERF_PEER_BUS_H
#define SHMBUS_PERF_PEER_BUS_H

#include "perf/bench.h"

enum bus_variant {
    BUS_SINGLE = 0,
    BUS_MULTI = 1,
    /* how messages go in and out */
    BUS_SEND_NEXT = 0 << 1,  /* copied in, read in place */
    BUS_CLAIM_NEXT = 1 << 1, /* written and read in place */
    BUS_SEND_RECV = 2 << 1,  /* copied in and out */
    BUS_BATCH_POLL = 3 << 1, /* batches: copied into slots, or written in place in the arena; read in place */
    BUS_WAY = 3 << 1,
    /* how it waits; without: SHMBUS_WAIT_SPIN */
    BUS_ADAPTIVE = 1 << 3,
    BUS_BLOCK = 1 << 4,
    BUS_ANSWERER_BLOCKS = 1 << 5, /* round trip: as BUS_BLOCK, for the answerer only */
};

int bus_prepare(struct bench_run *run, int variant);
void bus_body(struct bench_role *role, int variant);
void bus_finish(struct bench_run *run, int variant);

#endif
