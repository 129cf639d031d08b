/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "publisher_work.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* A batch of claims and what is to become of each. */
struct batch {
    shmbus_claim_t claims[SHMBUS_CLAIM_MAX];
    size_t sizes[SHMBUS_CLAIM_MAX]; /* of the message; the claim may be for more */
    bool aborts[SHMBUS_CLAIM_MAX];
    uint32_t numbers[SHMBUS_CLAIM_MAX];
    uint32_t count;
    uint32_t end; /* number of the message behind the last one */
};

static void plan_batch(struct publisher_state *state, struct batch *batch, uint32_t most)
{
    struct random *random = &state->worker->random;
    const size_t largest = state->worker->plan->largest;
    const bool may_abort = (state->worker->plan->sends & SEND_ABORTS) != 0;
    batch->count = (uint32_t)random_between(random, 1, most < SHMBUS_CLAIM_MAX ? most : SHMBUS_CLAIM_MAX);
    for (uint32_t i = 0; i < batch->count; i++) {
        batch->aborts[i] = may_abort && random_one_in(random, 6);
        batch->sizes[i] = batch->aborts[i] ? random_between(random, 0, largest) : publisher_pick_size(state);
        const size_t spare = random_one_in(random, 4) ? random_below(random, largest) : 0;
        batch->claims[i].size = batch->sizes[i] + spare < largest ? batch->sizes[i] + spare : largest;
    }
}

/* Claims the batch; what there is no room for is left out. */
static void claim(struct publisher_state *state, struct batch *batch)
{
    struct worker *worker = state->worker;
    const uint32_t wanted = batch->count;
    int claimed;
    worker_does(worker, "shmbus_claim");
    do {
        const int64_t deadline = worker_deadline(worker, true);
        claimed = wanted > 1 || random_one_in(&worker->random, 2)
                      ? shmbus_claim_batch(state->publisher, batch->claims, wanted, deadline)
                      : shmbus_claim(state->publisher, batch->claims, deadline);
        claimed = claimed == 0 ? 1 : claimed;
    } while (publisher_again(claimed) && sched_yield() == 0);
    if (claimed <= 0 || (uint32_t)claimed > wanted) {
        worker_failed_call(worker, "claiming", claimed);
    }
    batch->count = (uint32_t)claimed;
    batch->end = state->next;
    for (uint32_t i = 0; i < batch->count; i++) {
        batch->numbers[i] = batch->end;
        batch->end += !batch->aborts[i];
    }
}

static uint64_t record_of(struct publisher_state *state, const shmbus_claim_t *claim)
{
    const uint64_t at = ledger_at(state->worker->ledger, claim->sequence);
    if (at == state->worker->ledger->capacity) {
        worker_fail(state->worker, "claimed sequence %llu, which is not of this round",
                    (unsigned long long)claim->sequence);
    }
    return at;
}

/* Writes message `number` into its place, and notes that it will be there. */
static void write_in_place(struct publisher_state *state, shmbus_claim_t *claim, uint32_t number, size_t size)
{
    struct worker *worker = state->worker;
    const struct message_id id = publisher_id_of(state, number);
    if (claim->size < size) {
        worker_fail(worker, "a claim for %zu bytes shrank to %zu", size, claim->size);
    }
    claim->size = size;
    const uint64_t digest = message_fill(claim->data, size, worker->ledger->seed, id);
    if (!ledger_note(worker->ledger, record_of(state, claim), size, digest, &id)) {
        worker_fail(worker, "sequence %llu was claimed twice", (unsigned long long)claim->sequence);
    }
}

static void write_batch(struct publisher_state *state, struct batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        if (!batch->aborts[i]) {
            write_in_place(state, &batch->claims[i], batch->numbers[i], batch->sizes[i]);
        } else {
            ledger_note_aborted(state->worker->ledger, record_of(state, &batch->claims[i]));
        }
    }
}

static void count_finished(struct publisher_state *state, const struct batch *batch, uint32_t i)
{
    if (batch->aborts[i]) {
        atomic_fetch_add(&state->own->aborted, 1);
        state->aborted++;
    } else {
        publisher_committed(state, batch->numbers[i], batch->claims[i].size);
    }
}

/* One after the other, from any of them on, round. */
static void finish_singly(struct publisher_state *state, const struct batch *batch)
{
    struct worker *worker = state->worker;
    const uint32_t start = (uint32_t)random_below(&worker->random, batch->count);
    for (uint32_t n = 0; n < batch->count; n++) {
        const uint32_t i = (start + n) % batch->count;
        worker_may_die(worker);
        const int err = batch->aborts[i] ? shmbus_abort(state->publisher, &batch->claims[i])
                                         : shmbus_commit(state->publisher, &batch->claims[i]);
        if (err != 0) {
            worker_failed_call(worker, batch->aborts[i] ? "shmbus_abort" : "shmbus_commit", err);
        }
        count_finished(state, batch, i);
    }
}

/* All that are to be aborted, or all others, at once. */
static void finish_those(struct publisher_state *state, const struct batch *batch, bool aborts)
{
    struct worker *worker = state->worker;
    shmbus_claim_t some[SHMBUS_CLAIM_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        if (batch->aborts[i] == aborts) {
            some[count++] = batch->claims[i];
        }
    }
    const int err = count == 0 ? 0
                    : aborts   ? shmbus_abort_batch(state->publisher, some, count)
                               : shmbus_commit_batch(state->publisher, some, count);
    if (err != 0) {
        worker_failed_call(worker, aborts ? "shmbus_abort_batch" : "shmbus_commit_batch", err);
    }
    for (uint32_t i = 0; i < batch->count; i++) {
        if (batch->aborts[i] == aborts) {
            count_finished(state, batch, i);
        }
    }
}

void publisher_send_claims(struct publisher_state *state, uint32_t most)
{
    struct worker *worker = state->worker;
    struct batch batch;
    const bool named = state->named;
    plan_batch(state, &batch, most);
    claim(state, &batch);
    state->named = named && batch.end == state->next;
    publisher_announce(state, batch.end - state->next);
    worker_linger(worker);
    worker_may_die(worker);
    worker_does(worker, "writing claims");
    write_batch(state, &batch);
    worker_linger(worker);
    if (random_one_in(&worker->random, 2)) {
        finish_singly(state, &batch);
    } else {
        const bool aborts_first = random_one_in(&worker->random, 2);
        finish_those(state, &batch, aborts_first);
        worker_may_die(worker);
        finish_those(state, &batch, !aborts_first);
    }
    state->next = batch.end;
}

void publisher_leave_claims(struct publisher_state *state)
{
    struct worker *worker = state->worker;
    shmbus_claim_t claims[8];
    const uint32_t wanted = (uint32_t)random_between(&worker->random, 1, 8);
    for (uint32_t i = 0; i < wanted; i++) {
        claims[i].size = random_between(&worker->random, 0, worker->plan->largest);
    }
    const int claimed = shmbus_claim_batch(state->publisher, claims, wanted, worker_deadline(worker, false));
    if (claimed < 0 && !publisher_again(claimed)) {
        worker_failed_call(worker, "shmbus_claim_batch", claimed);
    }
    for (int i = 0; i < claimed; i++) {
        memset(claims[i].data, 0xee, claims[i].size);
        ledger_note_aborted(worker->ledger, record_of(state, &claims[i]));
        atomic_fetch_add(&state->own->aborted, 1);
    }
}
