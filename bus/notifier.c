/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "notifier.h"

#include "error.h"
#include "os_event.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

enum {
    PARKED,
    ARMED,
    QUIT,
};

static void *sleep_when_armed(void *context)
{
    struct notifier *notifier = context;
    for (;;) {
        uint32_t state = load32_acquire(&notifier->state); /* [acq:notifier] */
        if (state == QUIT) {
            return NULL;
        }
        if (state == PARKED) {
            os_futex_wait(&notifier->state, PARKED, INT64_MAX);
            continue;
        }
        waiter_execute(&notifier->plan);
        /* Parked before it is readable: who drains it afterwards sees that he must arm again. [rel:notifier] */
        if (cas32_release(&notifier->state, &state, PARKED)) {
            os_event_signal(notifier->fd);
        }
    }
}

/* The thread takes no signal that is meant for the program's own. */
static int start_thread(struct notifier *notifier)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int err = pthread_create(&notifier->thread, NULL, sleep_when_armed, notifier);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    notifier->thread_runs = err == 0;
    return err == 0 ? 0
                    : error_set(-ENOMEM, "no thread to be had that would watch a waitset: %s",
                                strerrordesc_np(err));
}

int notifier_open(struct notifier *notifier)
{
    *notifier = (struct notifier){.fd = os_event_open()};
    if (notifier->fd < 0) {
        return error_set(notifier->fd, "no file descriptor for a waitset: %s",
                         strerrordesc_np(-notifier->fd));
    }
    notifier->uring = os_uring_open(notifier->fd);
    const int err = notifier->uring ? 0 : start_thread(notifier);
    if (err != 0) {
        os_event_close(notifier->fd);
    }
    return err;
}

static void set_state(struct notifier *notifier, uint32_t state)
{
    store32_release(&notifier->state, state); /* [rel:notifier] */
    os_futex_wake_all(&notifier->state);
}

void notifier_close(struct notifier *notifier)
{
    if (notifier->thread_runs) {
        set_state(notifier, QUIT);
        (void)pthread_join(notifier->thread, NULL);
    }
    if (notifier->uring) {
        os_uring_close(notifier->uring);
    }
    if (notifier->left) {
        os_uring_close(notifier->left);
    }
    os_event_close(notifier->fd);
}

void notifier_signal(struct notifier *notifier)
{
    os_event_signal(notifier->fd);
    notifier->readable = true;
}

static bool is_armed(const struct notifier *notifier)
{
    return load32_acquire(&notifier->state) == ARMED || /* [acq:notifier] */
           (notifier->uring && !os_uring_is_done(notifier->uring));
}

void notifier_keep(struct notifier *notifier)
{
    if (!notifier->readable) {
        notifier_signal(notifier);
    }
}

bool notifier_drain(struct notifier *notifier)
{
    notifier->readable = false;
    os_event_drain(notifier->fd);
    const bool armed = is_armed(notifier);
    if (!armed) { /* the look at a uring that is done signals once more */
        os_event_drain(notifier->fd);
    }
    return armed;
}

/*
 * A loop that has moved to another thread gets a uring of its own, once; then the thread serves all. The first one
 * stays open: its end may interrupt a system call of who opened it.
 */
static bool arm_uring(struct notifier *notifier, const struct waiter_plan *plan)
{
    if (notifier->uring && !notifier->left && !os_uring_is_mine(notifier->uring)) {
        notifier->left = notifier->uring;
        notifier->uring = os_uring_open(notifier->fd);
    }
    return notifier->uring && os_uring_wait_any(notifier->uring, plan->words, plan->count, plan->until);
}

int notifier_arm(struct notifier *notifier, const struct waiter_plan *plan)
{
    if (arm_uring(notifier, plan)) {
        return -EAGAIN;
    }
    if (!notifier->thread_runs) {
        const int err = start_thread(notifier);
        if (err != 0) {
            return err;
        }
    }
    notifier->plan = *plan;
    set_state(notifier, ARMED);
    return -EAGAIN;
}
