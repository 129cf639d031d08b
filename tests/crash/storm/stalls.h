/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long it takes after a kill until a survivor has sent or seen its next message. What the scheduler and
 * the load add shows in the same figure for *sham* kills: moments at which nobody was killed, in the first part
 * of a round, before anybody is.
 *
 *   call              who           may overlap with
 *   stalls_strike     the parent    stalls_progress
 *   stalls_progress   survivors     everything
 *   stalls_figure     the parent    everything
 *
 * killed        survivors are not
 */
#ifndef SHMBUS_TESTS_CRASH_STORM_STALLS_H
#define SHMBUS_TESTS_CRASH_STORM_STALLS_H

#include "worker.h"

#define STALLS_STRIKES 256u
#define STALLS_BUCKETS 320u

enum stalls_kind {
    STALLS_SHAM = 0,
    STALLS_KILL = 1,
    STALLS_KINDS
};

/* Durations by size, eight buckets to each power of two of microseconds. */
struct stalls_histogram {
    _Atomic uint64_t buckets[STALLS_BUCKETS];
    _Atomic uint64_t count;
    _Atomic uint64_t max; /* ns */
    char worst[100];      /* who that was, and at what; the last one to write it */
};

struct stalls_strike {
    _Atomic int64_t at;
    _Atomic uint32_t kind;
};

/* Of one channel. In shared memory; all 0 at first. */
struct stalls {
    struct stalls_histogram *histograms; /* one per kind, of all channels */
    _Atomic uint64_t count;
    struct stalls_strike strikes[STALLS_STRIKES];
};

void stalls_strike(struct stalls *stalls, enum stalls_kind kind);

/* A survivor's worker.on_progress; its context is the channel's struct stalls. */
void stalls_progress(struct worker *worker);

/* The duration in ns that `permille` of a histogram do not exceed, to an eighth. */
uint64_t stalls_figure(const struct stalls_histogram *histogram, unsigned permille);

#endif
