/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the demo does: who reads, what is sent, and how a message looks. Constants and plain structs: no
 * state, any process may use them; a kill leaves nothing behind.
 *
 * One publisher process sends to two broadcast groups of one process each, and to one work queue of three
 * worker processes. Every message starts with a header, which the readers strip.
 */
#ifndef DEMO_PLAN_H
#define DEMO_PLAN_H

#include <shmbus/shmbus.h>

#include "input.h"

enum demo_group {
    GROUP_ALPHA,
    GROUP_BETA,
    GROUP_WORKERS,
    DEMO_GROUPS
};
enum demo_phase {
    PHASE_LINES,
    PHASE_PACED,
    PHASE_READ,
    PHASE_HASH,
    DEMO_PHASES
};

/* What readers do with the bytes. Counts, order and exactly-once are checked in every phase. */
enum demo_check {
    CHECK_LATER, /* copy them, SHA-256 when the pass is over */
    CHECK_SUM,   /* read them where they lie, and add them up */
    CHECK_HASH,  /* SHA-256 where they lie */
};

#define DEMO_WORKERS 3
#define DEMO_READERS (GROUP_WORKERS + DEMO_WORKERS)

#define DEMO_BLOB_SIZE (UINT64_C(1) << 20)

/* Sequence of a message that ends a phase. One is sent per worker: each worker stops at its first. */
#define DEMO_END UINT64_MAX

typedef struct demo_header {
    int64_t sent; /* CLOCK_MONOTONIC ns, taken when the message is written */
    uint64_t sequence;
} demo_header;

_Static_assert(sizeof(demo_header) == 16, "the header is 16 bytes on the bus");

typedef struct phase_plan {
    const char *title;
    const char *work_note;    /* what the readers do meanwhile */
    const char *latency_note; /* what the latencies mean */
    const char *channel;
    enum demo_check check;
    const demo_input *input;
    uint64_t messages; /* more than the input has: it is repeated */
    int64_t interval;  /* ns from one message to the next; 0: as fast as the bus takes them */
} phase_plan;

typedef struct demo_options {
    int quick;
    const char *lines_path; /* NULL: look for one */
    const char *program;    /* argv[0] */
} demo_options;

/* Which group reader 0..DEMO_READERS-1 belongs to. */
static inline enum demo_group demo_group_of(int reader)
{
    return reader < GROUP_WORKERS ? (enum demo_group)reader : GROUP_WORKERS;
}

static inline const char *demo_group_name(enum demo_group group)
{
    static const char *const names[DEMO_GROUPS] = {"alpha", "beta", "workers"};
    return names[group];
}

static inline const char *demo_reader_name(int reader)
{
    static const char *const names[DEMO_READERS] = {"alpha", "beta", "worker-1", "worker-2", "worker-3"};
    return names[reader];
}

#endif
