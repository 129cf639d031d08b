/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bench's clock and the way its floors and rivals wait.
 *
 * The clock is the CPU's constant-rate counter, which costs a few nanoseconds to read and is the same on
 * every CPU; ticks are turned into nanoseconds only when the run is over.
 *
 * concurrency   every function: any thread
 * killed        nothing shared is written
 */
#ifndef SHMBUS_PERF_TIMING_H
#define SHMBUS_PERF_TIMING_H

#include "bus/atomics.h"

#include <sched.h>
#include <time.h>

/*
 * Read without a fence, which would change what is measured: one sample may be early or late by about one
 * line transfer, their sum is right.
 */
static inline uint64_t clock_ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks)::"memory");
    return ticks;
#else
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
#endif
}

static inline int64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* CPU time that this process has had, ns. */
static inline int64_t clock_cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

/* Lets `ns` pass, asleep or at work. */
void clock_pass(int64_t ns, bool asleep);

/* Measures the counter against CLOCK_MONOTONIC for about 50 ms. */
double clock_ticks_per_ns(void);

/* Ticks that the counter goes forward at once: 1 on most CPUs; about 10 ns of them on some. */
uint32_t clock_step(void);

/* Looks that fail before the CPU is given up, where processes outnumber CPUs. */
#define YIELD_AFTER 64u

/*
 * How every floor and ck_ring waits: bare spinning when each process has its CPU (`yield_after` 0), else
 * `yield_after` failed looks and a sched_yield().
 */
static inline void spin_once(unsigned *spins, unsigned yield_after)
{
    if (yield_after == 0)
        return;
    if (++*spins < yield_after) {
        cpu_relax();
        return;
    }
    *spins = 0;
    sched_yield();
}

#endif
