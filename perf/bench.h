/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one measurement is: a shape, the memory its processes share, and who takes part.
 *
 * A case has one shape and several contestants. Each contestant runs it in processes of its own, forked
 * for this one measurement: first the senders, then the readers. In a round trip role 0 sends first and
 * takes the times, role 1 answers. In a wake-up role 0 sends when all readers sleep, and times each call.
 *
 * concurrency   a `bench_result` is written by its role and read by the parent after that role's end
 * killed        the parent sees the exit status; its run counts as failed, or as not completed when the
 *               parent itself killed it at the time limit
 */
#ifndef SHMBUS_PERF_BENCH_H
#define SHMBUS_PERF_BENCH_H

#include "bus/atomics.h"

#include <stdalign.h>

#define ROLES_MAX 16u
#define SAMPLES_MAX (1u << 20)

enum bench_kind {
    ROUND_TRIP,
    STREAM,
    WAKE_UP
};

/* Where the roles of a run may be. */
enum placement {
    PLACE_EACH,  /* role i on the i-th CPU, nobody else there */
    PLACE_FREE,  /* more roles than CPUs: all roles on all CPUs, moved by the kernel as it likes */
    PLACE_TURNS, /* the same, role i on CPU i modulo their count */
    PLACE_APART, /* the same, all senders on the first CPU, all readers on the second */
    PLACE_ONE,   /* all roles on the first CPU */
};

struct bench_shape {
    enum bench_kind kind;
    size_t size;            /* of a message, bytes */
    unsigned senders;       /* round trip: 1 */
    unsigned readers;       /* of every message; round trip: 1 */
    uint32_t slots;         /* messages a ring holds */
    uint32_t slot_size;     /* of a shmbus slot */
    uint64_t arena;         /* of a shmbus channel, 0 where messages lie in the slots */
    unsigned batch;         /* messages per call where there are batches */
    double seconds;         /* measured; a fifth of it more is warming up */
    double limit;           /* seconds after which the run is stopped as not completed */
    enum placement crowded; /* where the roles are when they are more than the CPUs */
    /* cases of waiting */
    bool waiting;     /* about sleep: CPU time is a figure, and a CPU that is given away no disturbance */
    bool one_cpu;     /* the roles share the first CPU, however many there are */
    bool reply_rests; /* `reply_ns` pass asleep, else at work */
    int64_t reply_ns; /* round trip: that the answerer takes before it answers */
};

struct bench_result {
    alignas(128) uint64_t messages; /* measured */
    uint64_t started;               /* ticks */
    uint64_t ended;
    uint64_t samples;
    double cpu_share; /* of the time since the start line that this role had its CPU */
    int64_t cpu_ns;   /* CPU time of `trips` round trips */
    uint64_t trips;
    uint64_t wakes;      /* wake-ups: calls of this sender that woke somebody */
    uint64_t sleeps;     /* wake-ups: how often this reader slept */
    atomic_u64 progress; /* messages taken so far, for runs that are stopped */
    char error[512];
};

/* In shared memory, one for the whole program. */
struct bench_run {
    struct bench_shape shape;
    int cpus[ROLES_MAX];
    unsigned cpu_count;
    enum placement placement;
    bool virtual_machine;
    unsigned yield_after; /* see spin_once() */
    double ticks_per_ns;
    uint32_t tick_step;
    char bus[48]; /* name of the shmbus bus of this run */
    void *memory; /* of the floors and ck_ring, mapped at the same address everywhere */
    size_t memory_size;
    alignas(128) atomic_u32 arrived; /* at the start line */
    alignas(128) struct bench_result results[ROLES_MAX];
    uint32_t samples[SAMPLES_MAX]; /* ticks per round trip */
};

struct bench_role {
    struct bench_run *run;
    struct bench_result *result;
    unsigned index;
    int reader;       /* streams: which reader this is, or -1 */
    int64_t from;     /* CLOCK_MONOTONIC at the start line, ns */
    int64_t cpu_from; /* CPU time then */
};

struct contestant {
    const char *name;
    int variant; /* for `prepare` and `body` */
    int (*prepare)(struct bench_run *run,
                   int variant); /* in the parent: 0, or -1 with the reason on stderr */
    void (*body)(struct bench_role *role, int variant); /* in each process */
    void (*finish)(struct bench_run *run, int variant); /* in the parent, also after a failure */
};

/* Ends the calling role: the text is reported as why this contestant failed. */
void role_fail(struct bench_role *role, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn, cold));

/* Waits until every role of the run is ready to go. */
void role_ready(struct bench_role *role);

/* Ring memory of the floors and ck_ring: zeroed, in /dev/shm as a bus is, at run->memory. */
int memory_prepare(struct bench_run *run, size_t size);

/* Where several words must not share cache lines, nor a pair that the CPU fetches together. */
#define APART 128u

#endif
