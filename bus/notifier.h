/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sleep that is not slept by its caller: its end makes a file descriptor readable, for epoll and the like. By
 * io_uring where the kernel has what it takes, by a thread elsewhere.
 *
 *   call              who                          may overlap with
 *   all of them       one thread at a time         nothing
 *
 * Invariant: while no sleep is armed the descriptor is readable, or about to be. Whoever drains it arms the next
 * sleep, or signals.
 *
 * killed        process-local
 */
#ifndef SHMBUS_BUS_NOTIFIER_H
#define SHMBUS_BUS_NOTIFIER_H

#include "os_uring.h"
#include "waiter.h"

#include <pthread.h>

struct notifier {
    int fd;        /* readable to begin with */
    bool readable; /* for certain: not drained since it was made so here */
    bool thread_runs;
    struct os_uring *uring; /* NULL: the thread sleeps */
    struct os_uring *left;  /* another thread's, of before */
    pthread_t thread;
    atomic_u32 state;        /* of the thread */
    struct waiter_plan plan; /* the thread's, while armed */
};

/* -EMFILE, -ENFILE, -ENOMEM (no thread to be had either). */
int notifier_open(struct notifier *notifier);

/* Wake what is armed first: the thread may sleep to its bound else. */
void notifier_close(struct notifier *notifier);

/* Makes the descriptor readable. */
void notifier_signal(struct notifier *notifier);

/* The same, unless it is known to be readable. */
void notifier_keep(struct notifier *notifier);

/* Makes it unreadable. True: a sleep is armed still, whose end will make it readable. */
bool notifier_drain(struct notifier *notifier);

/* Sleeps `plan`: none is armed. -EAGAIN as the answer of who found nothing; -ENOMEM: nothing was armed. */
int notifier_arm(struct notifier *notifier, const struct waiter_plan *plan);

#endif
