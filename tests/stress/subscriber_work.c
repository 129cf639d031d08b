/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "subscriber_work.h"

#include "ready.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

static bool nothing(int64_t result)
{
    return result == -EAGAIN || result == -ETIMEDOUT;
}

/* A wait without an end is for who knows that something will come. */
static int64_t deadline_of(struct subscriber_state *state)
{
    const struct plan *plan = state->worker->plan;
    const bool sure = state->group->kind == GROUP_EXCLUSIVE && !state->overwrite && !plan_kills(plan) &&
                      atomic_load(&state->own->seen) < (uint64_t)plan->publishers * plan->messages;
    return worker_deadline(state->worker, sure);
}

/* Each of these reads some messages; false: none came. */
static bool receive_recv(struct subscriber_state *state)
{
    struct worker *worker = state->worker;
    shmbus_message message;
    size_t capacity = worker->plan->largest;
    if (random_one_in(&worker->random, 16)) {
        capacity = random_below(&worker->random, capacity + 1);
    }
    worker_does(worker, "shmbus_recv");
    worker->in_recv = true;
    int64_t size = shmbus_recv(state->subscriber, state->buffer, capacity, &message, deadline_of(state));
    if (size == -EMSGSIZE) { /* it stays */
        size = shmbus_recv(state->subscriber, state->buffer, worker->plan->largest, &message, SHMBUS_NOWAIT);
        if (size >= 0 && (size_t)size <= capacity) {
            worker_fail(worker, "%zu bytes did not hold message %llu of %lld", capacity,
                        (unsigned long long)message.sequence, (long long)size);
        }
    }
    if (nothing(size)) {
        worker->in_recv = false;
        return false;
    }
    if (size < 0 || (size_t)size != message.size || message.data != state->buffer) {
        worker_failed_call(worker, "shmbus_recv", size);
    }
    subscriber_check(state, &message);
    worker->in_recv = false;
    return true;
}

static void release(struct subscriber_state *state)
{
    const int err = shmbus_release(state->subscriber);
    if (err != 0) {
        worker_failed_call(state->worker, "shmbus_release", err);
    }
}

static bool receive_next(struct subscriber_state *state)
{
    const uint64_t wanted = random_between(&state->worker->random, 1, 50);
    uint64_t count = 0;
    worker_does(state->worker, "shmbus_next");
    while (count < wanted) {
        shmbus_message message;
        const int err =
            shmbus_next(state->subscriber, &message, count == 0 ? deadline_of(state) : SHMBUS_NOWAIT);
        if (nothing(err)) {
            return count > 0; /* the one before was given back first */
        }
        if (err != 0) {
            worker_failed_call(state->worker, "shmbus_next", err);
        }
        subscriber_check(state, &message);
        count++;
    }
    release(state);
    return true;
}

static bool receive_peek(struct subscriber_state *state)
{
    shmbus_message message, again;
    worker_does(state->worker, "shmbus_peek");
    int err = shmbus_peek(state->subscriber, &message, deadline_of(state));
    if (nothing(err)) {
        return false;
    }
    if (err != 0) {
        worker_failed_call(state->worker, "shmbus_peek", err);
    }
    if (random_one_in(&state->worker->random, 8)) {
        err = shmbus_peek(state->subscriber, &again, SHMBUS_NOWAIT);
        if (err != 0 || again.sequence != message.sequence || again.data != message.data ||
            again.missed != message.missed || again.flags != message.flags) {
            worker_failed_call(state->worker, "peeking again showed another message;", err);
        }
    }
    worker_linger(state->worker);
    subscriber_check(state, &message);
    release(state);
    return true;
}

static int on_message(void *context, const shmbus_message *message)
{
    struct subscriber_state *state = context;
    subscriber_check(state, message);
    return random_one_in(&state->worker->random, 100);
}

static bool receive_poll(struct subscriber_state *state)
{
    const unsigned most = (unsigned)random_between(&state->worker->random, 1, 200);
    const uint64_t before = state->messages;
    worker_does(state->worker, "shmbus_poll");
    const int count = shmbus_poll(state->subscriber, most, deadline_of(state), on_message, state);
    if (nothing(count)) {
        return false;
    }
    if (count <= 0 || (uint64_t)count != state->messages - before || (unsigned)count > most) {
        worker_failed_call(state->worker, "shmbus_poll", count);
    }
    return true;
}

static bool receive_some(struct subscriber_state *state)
{
    uint32_t way;
    ready_to_receive(state->worker, state->subscriber);
    do {
        way = 1u << random_below(&state->worker->random, 4);
    } while (!(state->worker->plan->receives & way));
    switch (way) {
    case RECEIVE_RECV:
        return receive_recv(state);
    case RECEIVE_NEXT:
        return receive_next(state);
    case RECEIVE_PEEK:
        return receive_peek(state);
    default:
        return receive_poll(state);
    }
}

/* Joins. False: another member has the group, and the round is over. */
static bool join(struct subscriber_state *state)
{
    struct worker *worker = state->worker;
    char name[16];
    (void)snprintf(name, sizeof name, "group-%u", worker->group);
    const shmbus_subscriber_options options = {
        .group = state->group->kind == GROUP_JOINER ? NULL : name,
        .shared = state->shared,
        .durable = state->group->kind == GROUP_DURABLE,
        .from = state->group->from,
        .wait = worker_wait(worker),
    };
    state->newest = atomic_load(&worker->ledger->newest);
    int err;
    worker_does(worker, "shmbus_subscriber_open");
    while ((err = shmbus_subscriber_open(worker->bus, worker->channel, &options, &state->subscriber)) ==
               -EBUSY &&
           (state->group->kind == GROUP_DURABLE || state->kills)) {
        if (atomic_load(&worker->ledger->stop) != 0) {
            return false;
        }
        worker_ready(worker); /* the group is there; it waits for its turn */
        worker_check(worker);
        (void)sched_yield();
    }
    if (err != 0) {
        worker_failed_call(worker, "shmbus_subscriber_open", err);
    }
    /* A group whose member stays starts with the round's first message: all that comes can be told. */
    state->any = state->group->kind == GROUP_EXCLUSIVE;
    state->next = worker->ledger->first;
    state->messages = 0;
    state->bytes = 0;
    state->missed = 0;
    state->marked = 0;
    state->aborted = 0;
    atomic_fetch_add(&state->own->joins, 1);
    return true;
}

/* Leaves, at times with a message in its hands, at times with the whole bus. */
static void leave(struct subscriber_state *state)
{
    struct worker *worker = state->worker;
    subscriber_check_counters(state);
    worker_does(worker, "leaving");
    if (random_one_in(&worker->random, 3)) {
        shmbus_message unread;
        const int err = shmbus_peek(state->subscriber, &unread, SHMBUS_NOWAIT);
        if (err != 0 && err != -EAGAIN) {
            worker_failed_call(worker, "shmbus_peek", err);
        }
        worker_may_die(worker);
    }
    if (random_one_in(&worker->random, 10)) {
        worker_close(worker);
        worker_open(worker);
        return;
    }
    const int err = shmbus_subscriber_close(state->subscriber);
    if (err != 0) {
        worker_failed_call(worker, "shmbus_subscriber_close", err);
    }
}

/* Reads until its time to leave has come, or nothing is left. True: come back. */
static bool read_stint(struct subscriber_state *state)
{
    struct worker *worker = state->worker;
    const uint64_t most = plan_leaves(state->group, worker->number)
                              ? random_around(&worker->random, state->group->stint)
                              : UINT64_MAX;
    while (state->messages < most) {
        const bool stop = atomic_load(&worker->ledger->stop) != 0;
        if (receive_some(state)) {
            continue;
        }
        if (stop) {
            return false;
        }
        worker_check(worker);
        (void)sched_yield();
    }
    return atomic_load(&worker->ledger->stop) == 0;
}

void subscriber_work(struct worker *worker)
{
    const struct plan_group *group = &worker->plan->groups[worker->group];
    struct subscriber_state state = {
        .worker = worker,
        .group = group,
        .own = &worker->ledger->groups[worker->group],
        .shared = plan_is_shared(group),
        .sees_all = plan_sees_all(group),
        .overwrite = worker->plan->overflow == SHMBUS_OVERWRITE,
        .kills = worker->plan->kill_subscribers,
    };
    state.buffer = malloc(worker->plan->largest + 1);
    if (!state.buffer) {
        worker_fail(worker, "no memory for messages");
    }
    worker_open(worker);
    bool joined = join(&state);
    worker_ready(worker);
    while (joined && read_stint(&state)) {
        leave(&state);
        joined = join(&state);
    }
    atomic_fetch_add(&worker->ledger->stopped, 1);
    worker_await(worker, &worker->ledger->leave);
    if (joined) {
        leave(&state);
    }
    worker_close(worker);
    free(state.buffer);
}
