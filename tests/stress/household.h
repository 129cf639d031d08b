/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a driver of many child processes needs of signals: to be told when it is to end, to wait for its children, and
 * to hand none of that down to them.
 *
 * concurrency   the driver's only thread; its children, each for itself
 * killed        nothing is shared
 */
#ifndef SHMBUS_TESTS_STRESS_HOUSEHOLD_H
#define SHMBUS_TESTS_STRESS_HOUSEHOLD_H

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

static const int household_ends[] = {SIGALRM, SIGHUP, SIGINT, SIGPIPE, SIGTERM};
#define HOUSEHOLD_ENDS (sizeof household_ends / sizeof *household_ends)

/* Calls `ended` when a signal asks for the end; children's ends are waited for by household_tick(). */
static inline void household_catch(void (*ended)(int))
{
    const struct sigaction action = {.sa_handler = ended};
    sigset_t child;
    for (size_t i = 0; i < HOUSEHOLD_ENDS; i++) {
        (void)sigaction(household_ends[i], &action, NULL);
    }
    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &child, NULL);
}

/* In a new child: what the parent has set up is not for it, and it goes with the parent. */
static inline void household_leave(void)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    for (size_t i = 0; i < HOUSEHOLD_ENDS; i++) {
        (void)signal(household_ends[i], SIG_DFL);
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* A moment of `ns`, unless a child ends first. */
static inline void household_tick(long ns)
{
    const struct timespec moment = {.tv_nsec = ns};
    sigset_t child;
    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    (void)sigtimedwait(&child, NULL, &moment);
}

#endif
