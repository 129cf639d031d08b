/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "publisher_work.h"

#include "ready.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH 96u /* more than one claim takes */
#define BATCH_BYTES 65536u

/* Sizes of all kinds: tiny, inline, at the boundaries, anything. */
size_t publisher_pick_size(struct publisher_state *state)
{
    const struct plan *plan = state->worker->plan;
    struct random *random = &state->worker->random;
    const uint64_t inline_max = plan->slot_size - 8;
    uint64_t size;
    switch (random_below(random, 8)) {
    case 0:
        size = random_below(random, 8);
        break;
    case 1:
    case 2:
    case 3:
        size = random_between(random, 8, inline_max);
        break;
    case 4:
        size = random_between(random, inline_max - 1, inline_max + 2);
        break;
    case 5:
        size = 64 * random_between(random, 1, 20) + random_below(random, 3) - 1;
        break;
    default:
        size = random_between(random, 8, plan->largest);
    }
    size = size < plan->largest ? size : plan->largest;
    if (state->named && size < MESSAGE_NAMED) {
        size = MESSAGE_NAMED;
    }
    state->named = false;
    return size;
}

void publisher_announce(struct publisher_state *state, uint32_t count)
{
    _Atomic uint8_t *numbers = state->worker->ledger->numbers[state->worker->number];
    for (uint32_t i = 0; i < count; i++) {
        uint8_t untouched = 0;
        (void)atomic_compare_exchange_strong(&numbers[state->next + i], &untouched, NUMBER_TRIED);
    }
    if (atomic_load(&state->own->next) < state->next + count) {
        atomic_store(&state->own->next, state->next + count);
    }
}

void publisher_committed(struct publisher_state *state, uint32_t number, size_t size)
{
    atomic_store(&state->worker->ledger->numbers[state->worker->number][number], NUMBER_COMMITTED);
    atomic_fetch_add(&state->own->committed, 1);
    state->messages++;
    state->bytes += size;
    worker_progress(state->worker);
}

static void send_one(struct publisher_state *state)
{
    struct worker *worker = state->worker;
    const size_t size = publisher_pick_size(state);
    (void)message_fill(state->buffer, size, worker->ledger->seed, publisher_id_of(state, state->next));
    publisher_announce(state, 1);
    ready_to_send(worker, state->publisher, size);
    worker_does(worker, "shmbus_send");
    int err;
    while (publisher_again(
        err = shmbus_send(state->publisher, state->buffer, size, worker_deadline(worker, true)))) {
        (void)sched_yield();
    }
    if (err != 0) {
        worker_failed_call(worker, "shmbus_send", err);
    }
    publisher_committed(state, state->next++, size);
}

static void send_batch(struct publisher_state *state, uint32_t most)
{
    struct worker *worker = state->worker;
    struct iovec messages[BATCH];
    uint32_t count = 0;
    size_t used = 0;
    const uint32_t wanted = (uint32_t)random_between(&worker->random, 1, most < BATCH ? most : BATCH);
    for (; count < wanted && used < BATCH_BYTES; count++) {
        messages[count] =
            (struct iovec){.iov_base = state->buffer + used, .iov_len = publisher_pick_size(state)};
        (void)message_fill(messages[count].iov_base, messages[count].iov_len, worker->ledger->seed,
                           publisher_id_of(state, state->next + count));
        used += messages[count].iov_len;
    }
    publisher_announce(state, count);
    worker_does(worker, "shmbus_send_batch");
    for (uint32_t sent = 0; sent < count;) {
        const int some =
            shmbus_send_batch(state->publisher, messages + sent, count - sent, worker_deadline(worker, true));
        if (publisher_again(some)) {
            (void)sched_yield();
            continue;
        }
        if (some <= 0 || (uint32_t)some > count - sent) {
            worker_failed_call(worker, "shmbus_send_batch", some);
        }
        for (int i = 0; i < some; i++, sent++) {
            publisher_committed(state, state->next++, messages[sent].iov_len);
        }
    }
}

/* Opens the handle; on a channel for one publisher, when the other has left. */
static void open_publisher(struct publisher_state *state)
{
    struct worker *worker = state->worker;
    const shmbus_publisher_options options = {.wait = worker_wait(worker)};
    int err;
    worker_does(worker, "shmbus_publisher_open");
    while ((err = shmbus_publisher_open(worker->bus, worker->channel, &options, &state->publisher)) ==
               -EBUSY &&
           worker->plan->producers == SHMBUS_SINGLE) {
        worker_check(worker);
        (void)sched_yield();
    }
    if (err != 0) {
        worker_failed_call(worker, "shmbus_publisher_open", err);
    }
    const uint32_t stint = worker->plan->publisher_stint;
    state->leave_at = stint != 0 ? state->next + random_around(&worker->random, stint) : UINT64_MAX;
    state->named = true;
    state->messages = 0;
    state->bytes = 0;
    state->aborted = 0;
}

static void check_counters(struct publisher_state *state)
{
    shmbus_publisher_stats stats;
    const int err = shmbus_publisher_stats_get(state->publisher, &stats);
    if (err != 0) {
        worker_failed_call(state->worker, "shmbus_publisher_stats_get", err);
    }
    if (stats.messages != state->messages || stats.bytes != state->bytes || stats.aborted != state->aborted) {
        worker_fail(
            state->worker,
            "the publisher's counters say %llu messages, %llu bytes, %llu aborted; it sent %llu, %llu, %llu",
            (unsigned long long)stats.messages, (unsigned long long)stats.bytes,
            (unsigned long long)stats.aborted, (unsigned long long)state->messages,
            (unsigned long long)state->bytes, (unsigned long long)state->aborted);
    }
}

static void close_publisher(struct publisher_state *state, bool leave_claims)
{
    check_counters(state);
    if (leave_claims) {
        publisher_leave_claims(state);
    }
    worker_does(state->worker, "shmbus_publisher_close");
    const int err = shmbus_publisher_close(state->publisher);
    if (err != 0) {
        worker_failed_call(state->worker, "shmbus_publisher_close", err);
    }
}

static void send_some(struct publisher_state *state)
{
    struct worker *worker = state->worker;
    uint32_t left = worker->plan->messages - state->next;
    left = state->leave_at - state->next < left ? (uint32_t)(state->leave_at - state->next) : left;
    uint32_t way;
    do {
        way = 1u << random_below(&worker->random, 4);
    } while (!(worker->plan->sends & way));
    switch (way) {
    case SEND_ONE:
        send_one(state);
        break;
    case SEND_BATCH:
        send_batch(state, left);
        break;
    case SEND_CLAIM:
        publisher_send_claims(state, 1);
        break;
    default:
        publisher_send_claims(state, left);
    }
}

/* Leaves the handle, and the bus at times, and comes back. */
static void come_back(struct publisher_state *state)
{
    struct worker *worker = state->worker;
    close_publisher(state, (worker->plan->sends & SEND_ABORTS) && random_one_in(&worker->random, 2));
    if (random_one_in(&worker->random, 8)) {
        worker_close(worker);
        worker_open(worker);
    }
    open_publisher(state);
}

void publisher_work(struct worker *worker)
{
    struct publisher_ledger *own = &worker->ledger->publishers[worker->number];
    struct publisher_state state = {.worker = worker, .own = own, .next = (uint32_t)atomic_load(&own->next)};
    state.buffer = malloc(BATCH_BYTES + worker->plan->largest);
    if (!state.buffer) {
        worker_fail(worker, "no memory for messages");
    }
    const bool overwrite = worker->plan->overflow == SHMBUS_OVERWRITE;
    worker_open(worker);
    worker_ready(worker);
    worker_await(worker, &worker->ledger->started);
    open_publisher(&state);
    while (state.next < worker->plan->messages && atomic_load(&worker->ledger->finish) == 0) {
        if (state.next >= state.leave_at) {
            come_back(&state);
        }
        worker_may_die(worker);
        send_some(&state);
        if (overwrite && random_one_in(&worker->random, 4)) {
            (void)sched_yield(); /* or readers of one CPU would see nothing but the end */
        }
    }
    close_publisher(&state, false);
    worker_close(worker);
    free(state.buffer);
    if (atomic_exchange(&own->done, 1) == 0) { /* or it was killed after saying so */
        atomic_fetch_add(&worker->ledger->done, 1);
    }
}
