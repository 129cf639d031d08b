/* SPDX-License-Identifier: Apache-2.0 */
#include "ready.h"

#include <errno.h>
#include <poll.h>

#define OFTEN 4        /* one wait in so many is one in a set */
#define FORGET 50      /* and one of these in so many makes a new set */
#define FD_WAIT_MS 20u /* most that it waits at the set's fd */

static shmbus_waitset *set_of(struct worker *worker)
{
    if (worker->set && random_one_in(&worker->random, FORGET)) {
        const int err = shmbus_waitset_close(worker->set);
        if (err != 0) {
            worker_failed_call(worker, "shmbus_waitset_close", err);
        }
        worker->set = NULL;
    }
    if (!worker->set) {
        const shmbus_waitset_options options = {.wait = worker_wait(worker)};
        const int err = shmbus_waitset_open(&options, &worker->set);
        if (err != 0) {
            worker_failed_call(worker, "shmbus_waitset_open", err);
        }
    }
    return worker->set;
}

/* Waits in the set itself, or at its descriptor first. */
static void wait_in(struct worker *worker, shmbus_waitset *set, shmbus_event *event)
{
    int64_t deadline = worker_deadline(worker, false);
    worker_does(worker, "shmbus_waitset_wait");
    if (random_one_in(&worker->random, 4)) {
        struct pollfd watched = {.fd = shmbus_waitset_fd(set), .events = POLLIN};
        if (watched.fd < 0) {
            worker_failed_call(worker, "shmbus_waitset_fd", watched.fd);
        }
        (void)poll(&watched, 1, (int)random_below(&worker->random, FD_WAIT_MS));
        deadline = SHMBUS_NOWAIT;
    }
    const int count = shmbus_waitset_wait(set, event, 1, deadline);
    if (count != 1 && count != -EAGAIN && count != -ETIMEDOUT) {
        worker_failed_call(worker, "shmbus_waitset_wait", count);
    }
}

static bool wanted(struct worker *worker)
{
    return worker->plan->waitsets && random_one_in(&worker->random, OFTEN);
}

void ready_to_receive(struct worker *worker, shmbus_subscriber *subscriber)
{
    if (!wanted(worker)) {
        return;
    }
    shmbus_waitset *set = set_of(worker);
    shmbus_event event = {.tag = NULL};
    int err = shmbus_waitset_add_subscriber(set, subscriber, worker);
    if (err == 0) {
        wait_in(worker, set, &event);
        err = shmbus_waitset_remove_subscriber(set, subscriber);
    }
    if (err != 0 || (event.tag && event.subscriber != subscriber)) {
        worker_failed_call(worker, "waiting in a set for messages", err);
    }
}

void ready_to_send(struct worker *worker, shmbus_publisher *publisher, size_t size)
{
    if (!wanted(worker)) {
        return;
    }
    shmbus_waitset *set = set_of(worker);
    shmbus_event event = {.tag = NULL};
    int err = shmbus_waitset_add_publisher(set, publisher, size, worker);
    if (err == 0) {
        wait_in(worker, set, &event);
        err = shmbus_waitset_remove_publisher(set, publisher);
    }
    if (err != 0 || (event.tag && event.publisher != publisher)) {
        worker_failed_call(worker, "waiting in a set for room", err);
    }
}
