/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One instruction of another process at a time. The traced process is a child that stops itself by
 * trace_begin(); its other threads, if it starts any, run freely and die with it.
 *
 * concurrency   one tracer, one thread; each process by itself
 * killed        the kernel lets go of the traced process: it goes on, until its alarm ends it
 */
#ifndef SHMBUS_TESTS_CRASH_STEP_TRACE_H
#define SHMBUS_TESTS_CRASH_STEP_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum trace_stop {
    TRACE_STEPPED, /* one instruction further */
    TRACE_ENTERED, /* the same, and it was a system call */
    TRACE_ENDED,   /* the process is gone */
};

/* In the process to be traced: stops until its parent steps it. False when tracing is not allowed. */
bool trace_begin(void);

/* In the parent: waits until the child has stopped so. False: it has ended instead, with `status`. */
bool trace_wait(pid_t pid, int *status);

enum trace_stop trace_step(pid_t pid);

/*
 * Address of the instruction that comes next. The traced process has the code of its parent, at the same addresses:
 * the parent reads it there.
 */
uintptr_t trace_at(pid_t pid);

/*
 * Runs to the instruction at `address` that comes for the `times`th time, by a breakpoint. False: it did not come
 * so often, or a thread came across the breakpoint that is not traced; the process is of no more use.
 */
bool trace_run_to(pid_t pid, uintptr_t address, unsigned long times);

/* SIGKILL, and waits until the kernel has taken the process apart. */
void trace_kill(pid_t pid);

/* Does the process sleep on a futex? */
bool trace_sleeps(pid_t pid);

#endif
