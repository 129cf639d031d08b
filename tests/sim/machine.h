/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated host: processes (coroutines), a scheduler that a seed determines, kills, stops, locks, and time.
 *
 * A schedule is one life of the host: machine_reset(), machine_spawn()s, machine_run(). The running process goes
 * on for as many steps (atomics.h) as the scheduler gave it; others run in between. A killed process runs no more,
 * and its locks are released some steps later, as the kernel does it. A stopped one gets no steps, but is alive.
 *
 * concurrency   one thread
 * killed        of the simulated ones: nothing in here is changed half
 */
#ifndef SHMBUS_TESTS_SIM_MACHINE_H
#define SHMBUS_TESTS_SIM_MACHINE_H

#include "../stress/random.h"
#include "atomics.h"

#define MACHINE_PROCESSES 10u
#define MACHINE_NEVER UINT64_MAX

/* Who is chosen to run, and for how long. */
enum machine_policy {
    MACHINE_UNIFORM, /* anybody, for some steps */
    MACHINE_BURSTS,  /* anybody, mostly for a few steps, at times for many */
    MACHINE_PRIORITY, /* who has the highest priority; it changes a few times (after PCT, Burckhardt et al. 2010) */
    MACHINE_POLICIES,
};

struct machine_plan {
    enum machine_policy policy;
    uint32_t mean;        /* steps in a row */
    int64_t tick;         /* ns that the clock goes on with each look at it */
    uint64_t burial;      /* most steps between a kill and the release of the locks */
    uint32_t changes;     /* of priorities */
    uint64_t change_span; /* steps in which they happen */
    uint32_t stale;       /* one load in so many that may find an older value does; 0: none does */
    uint32_t before_cas;  /* others run before one in so many compare-and-swaps; 0: before none */
};

/* What a process of the world is doing, for the trace and for those who judge. */
struct machine_process {
    uint32_t index;
    uint32_t thread; /* no other process of the schedule has this number */
    uint32_t life;   /* how many processes had this index before */
    uint64_t steps;
    uint32_t calls;      /* calls into the library begun */
    uint32_t kill_call;  /* killed in this call... */
    uint64_t kill_after; /* ...after so many steps */
    uint32_t kill_swap;  /* or a few steps after so many compare-and-swaps that it won, or lost */
    bool kill_winner;
    uint32_t stop_call;
    uint64_t stop_after;
    uint64_t stop_for; /* steps of others */
};

/* Forgets everything; the segment is zeroed. `trace`: say what each step does. */
void machine_reset(uint64_t seed, const struct machine_plan *plan, bool trace);

/* A new process that runs `life`; it has no kill or stop. NULL when there are too many. */
struct machine_process *machine_spawn(void (*life)(struct machine_process *self, void *context),
                                      void *context);

/* Runs until every process has ended. */
void machine_run(void);

/* The running process, or NULL outside of all. */
struct machine_process *machine_self(void);

/* A call into the library begins: the place for planned kills and stops. */
void machine_call(const char *what);

/* Others first. */
void machine_relax(void);

/* A step that is none of the library's own. */
void machine_point(const char *what);

/* Nothing is interleaved from here on. */
void machine_calm(void);

/* Is no process dead with its locks still held, or stopped? */
bool machine_settled(void);

uint64_t machine_seed(void);
uint64_t machine_steps(void);
uint32_t machine_kills(void);
uint32_t machine_stops(void);

/* Blocks the running process until machine_wake(`key`), or the time `until`; false when it was the time. */
bool machine_block(const void *key, int64_t until);
void machine_wake(const void *key);

/* The clock, which goes on by looking at it. */
int64_t machine_time(void);

/* Called by the scheduler when a process's locks are to go, and when nobody can run before time goes on. */
extern void (*machine_buried)(uint32_t index, uint32_t life);
extern void (*machine_idle)(void);

/* Says what is wrong and how to repeat it, and ends this worker. */
void machine_violation(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

extern bool machine_tracing;

/* A line of the trace: anything, or the word that is accessed now. */
void machine_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
void machine_trace_step(const void *address);

#endif
