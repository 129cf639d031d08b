/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the demo's processes share beside the bus: turns, results, and how often each message arrived. It is
 * an anonymous mapping, inherited by fork, so it vanishes with the last of them.
 *
 * The publisher posts a reader's `go`; the reader does its phase, fills its own result and posts `done`;
 * the semaphores order these accesses. Only `seen` is written by several processes at once, atomically.
 * A reader that is killed posts nothing: the publisher notices its end (see children.h).
 */
#ifndef DEMO_CONTROL_H
#define DEMO_CONTROL_H

#include <semaphore.h>

#include "digest.h"
#include "histogram.h"
#include "plan.h"

typedef struct reader_result {
    uint64_t messages;
    uint64_t bytes;    /* headers stripped */
    uint64_t ends;     /* end marks seen */
    uint64_t disorder; /* broadcast: messages that were not the next in sequence */
    uint64_t unknown;  /* work queue: sequences that were never sent */
    uint64_t missed;
    uint64_t redelivered;
    uint64_t words;   /* sum of its messages' words */
    int64_t last;     /* CLOCK_MONOTONIC ns of the last message */
    digest ordered;   /* broadcast: of all bytes in order */
    digest_sum mixed; /* work queue: of its messages in any order */
    histogram latency;
} reader_result;

typedef struct reader_slot {
    sem_t go;
    int steps; /* 1 when joined, then one more per phase; atomic */
    char error[256];
    reader_result result;
} reader_slot;

typedef struct control {
    sem_t done;
    int64_t deadline;         /* CLOCK_MONOTONIC ns: the publisher gives up */
    int64_t readers_deadline; /* a little later: the publisher speaks first */
    char bus[SHMBUS_NAME_MAX + 1];
    reader_slot readers[DEMO_READERS];
    uint64_t messages; /* of the phase that runs */
    uint64_t capacity;
    unsigned char seen[]; /* per sequence: how many workers got it; atomic */
} control;

/* A control block for phases of up to `capacity` messages. NULL when there is no memory. */
control *control_create(uint64_t capacity, int64_t deadline);
void control_destroy(control *shared);

/* Clears the results for a phase of `messages`. Only while no reader has its turn. */
void control_reset(control *shared, uint64_t messages);

/* Waits for `semaphore` until `deadline`. Returns 0, or -1 with errno ETIMEDOUT or EINTR. */
int control_wait(sem_t *semaphore, int64_t deadline);

/* The reader's side of a turn: one more step is done. */
void control_step(control *shared, int reader);
int control_steps(const control *shared, int reader);

#endif
