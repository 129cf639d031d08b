/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading processes as their parent sees them: started, waited for with a deadline, ended by pid.
 * For the demo's main thread only. They are told to die with it, so killing it leaves none behind.
 */
#ifndef DEMO_CHILDREN_H
#define DEMO_CHILDREN_H

#include <sys/types.h>

#include "control.h"

typedef struct children {
    control *shared;
    pid_t pids[DEMO_READERS]; /* 0: none, or its end was noticed */
    int steps;                /* how many each has been asked for; joining is the first */
} children;

/* Catches SIGINT, SIGTERM and SIGHUP from here on: children_check() tells of them. */
void children_catch_signals(void);

/* Forks all readers. Call before the bus is opened. Returns 0, or prints why not and returns -1. */
int children_start(children *all, control *shared, const phase_plan *plans);

/*
 * Looks for a reason to give up: a signal, a reader that ended too early, the deadline. Returns 0, or prints
 * the reason and the name of the step, and returns -1.
 */
int children_check(children *all, const char *step);

/* The same without looking at the clock: for each message of a busy loop. */
int children_disturbed(void);

/* The signal that asked the demo to stop, or 0. */
int children_signal(void);

/* Gives every reader its turn. */
void children_go(children *all);

/* Waits until every reader has done what it was asked for. Returns as children_check(). */
int children_await(children *all, const char *step);

/* Waits for all to end. Returns 0, or prints who did not end well and returns -1. */
int children_reap(children *all);

/* Kills those still there. */
void children_kill(children *all);

#endif
