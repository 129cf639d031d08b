/* SPDX-License-Identifier: Apache-2.0 */
#include "subscriber_work.h"

#include <inttypes.h>

static shmbus_subscriber_stats counters_of(struct subscriber_state *state)
{
    shmbus_subscriber_stats stats;
    const int err = shmbus_subscriber_stats_get(state->subscriber, &stats);
    if (err != 0) {
        worker_failed_call(state->worker, "shmbus_subscriber_stats_get", err);
    }
    return stats;
}

/* Messages passed over, given up by their publishers, since this was last asked. */
static uint64_t newly_aborted(struct subscriber_state *state)
{
    const uint64_t before = state->aborted;
    state->aborted = counters_of(state).aborted;
    return state->aborted - before;
}

/* Between two messages of a reader lie only those that it was told of. */
static void check_gap(struct subscriber_state *state, const shmbus_message *message)
{
    const uint64_t gap = message->sequence - state->next;
    if ((int64_t)gap < 0) {
        worker_fail(state->worker, "message %" PRIu64 " came after message %" PRIu64, message->sequence,
                    state->next - 1);
    }
    const uint64_t aborted = gap == message->missed ? 0 : newly_aborted(state);
    if (gap != message->missed + aborted) {
        worker_fail(state->worker,
                    "message %" PRIu64 " came after message %" PRIu64 ": a gap of %" PRIu64 ", but %" PRIu64
                    " were said to be missed and %" PRIu64 " aborted",
                    message->sequence, state->next - 1, gap, message->missed, aborted);
    }
}

/* All from `from` to `to` must have been given up. */
static void check_all_aborted(struct subscriber_state *state, uint64_t from, uint64_t to)
{
    const struct ledger *ledger = state->worker->ledger;
    for (uint64_t sequence = from; sequence < to; sequence++) {
        if (RECORD_KIND(atomic_load(&ledger->record[ledger_at(ledger, sequence)])) != RECORD_ABORTED) {
            worker_fail(state->worker,
                        "the group went on at message %" PRIu64 ": message %" PRIu64
                        " was skipped (it had to go on at "
                        "%" PRIu64 ")",
                        to, sequence, from);
        }
    }
}

/* The first message of a member that enters a group: where the group was. */
static void check_entry(struct subscriber_state *state, const shmbus_message *message)
{
    const uint64_t expected = atomic_load(&state->own->next);
    const bool marked = (message->flags & SHMBUS_REDELIVERED) != 0;
    if (marked && state->kills && message->sequence + 1 == expected) {
        return; /* its reader died between noting it and giving it back */
    }
    if ((int64_t)(message->sequence - expected) < 0) {
        worker_fail(state->worker, "the group went back to message %" PRIu64 "%s, it had read up to %" PRIu64,
                    message->sequence, marked ? " (marked redelivered)" : "", expected - 1);
    }
    if (!state->overwrite && !plan_kills(state->worker->plan)) {
        check_all_aborted(state, expected, message->sequence);
    }
}

static void check_join(struct subscriber_state *state, const shmbus_message *message)
{
    if (message->sequence >= state->newest) {
        return;
    }
    if (state->group->from == SHMBUS_FROM_NOW) {
        worker_fail(state->worker,
                    "joined now and got message %" PRIu64 ", but %" PRIu64 " had been read before",
                    message->sequence, state->newest);
    }
    atomic_fetch_add(&state->own->joins_behind, 1);
}

static void check_order(struct subscriber_state *state, const shmbus_message *message)
{
    if (state->shared) {
        if (message->flags & SHMBUS_REDELIVERED) {
            return;
        }
        if (state->any && (int64_t)(message->sequence - state->next) < 0) {
            worker_fail(state->worker, "message %" PRIu64 " came after message %" PRIu64, message->sequence,
                        state->next - 1);
        }
    } else if (state->any) {
        check_gap(state, message);
    } else if (state->group->kind == GROUP_JOINER) {
        check_join(state, message);
    } else {
        check_entry(state, message);
    }
    if (!state->any) {
        state->aborted = counters_of(state).aborted;
    }
    state->any = true;
    state->next = message->sequence + 1;
}

/* Each message goes to each group once; again only when its reader was killed, and then marked. */
static void note_seen(struct subscriber_state *state, const shmbus_message *message, uint64_t at)
{
    struct worker *worker = state->worker;
    const bool marked = (message->flags & SHMBUS_REDELIVERED) != 0;
    const uint16_t before =
        atomic_fetch_add(&worker->ledger->seen[worker->group][at], marked ? SEEN_MARKED : SEEN_PLAIN);
    if (before != 0 && !(state->kills && marked)) {
        worker_fail(worker,
                    "message %" PRIu64 " was given to the group again%s: before it was given %u times%s",
                    message->sequence, marked ? ", marked redelivered," : "", (before & 0xff) + (before >> 8),
                    before >= SEEN_MARKED ? ", marked redelivered" : "");
    }
    if (marked && !state->kills &&
        (state->group->kind == GROUP_SHARED || state->group->kind == GROUP_EXCLUSIVE)) {
        worker_fail(worker, "message %" PRIu64 " is marked redelivered, but nobody left or died",
                    message->sequence);
    }
    if (before == 0) {
        atomic_fetch_add(&state->own->seen, 1);
    }
    if (marked) {
        atomic_fetch_add(&state->own->marked, 1);
    }
}

static void raise(_Atomic uint64_t *newest, uint64_t sequence)
{
    uint64_t there = atomic_load(newest);
    while (there < sequence && !atomic_compare_exchange_weak(newest, &there, sequence)) {
    }
}

/* The same message for whoever sees this sequence, and what its publisher put there. */
static void note_record(struct subscriber_state *state, const shmbus_message *message, uint64_t at,
                        const struct message_seen *seen)
{
    struct ledger *ledger = state->worker->ledger;
    if (!ledger_note(ledger, at, message->size, seen->digest, seen->named ? &seen->id : NULL)) {
        worker_fail(state->worker,
                    "message %" PRIu64
                    " has %zu bytes (publisher %d, number %d), others saw or wrote %u bytes "
                    "(name %" PRIx64 ")%s",
                    message->sequence, message->size, seen->named ? (int)seen->id.publisher : -1,
                    seen->named ? (int)seen->id.number : -1, RECORD_SIZE(atomic_load(&ledger->record[at])),
                    atomic_load(&ledger->name[at]),
                    RECORD_KIND(atomic_load(&ledger->record[at])) == RECORD_ABORTED ? " and gave it up" : "");
    }
    atomic_store(&ledger->index[at], (uint16_t)(message->publisher + 1));
    raise(&ledger->newest, message->sequence + 1);
}

void subscriber_check(struct subscriber_state *state, const shmbus_message *message)
{
    struct worker *worker = state->worker;
    struct message_seen seen;
    char why[200];
    worker_may_die(worker);
    if (!message_read(message->data, message->size, worker->ledger->seed, &seen, why, sizeof why)) {
        worker_fail(worker, "message %" PRIu64 " of the channel's publisher %u is %s", message->sequence,
                    message->publisher, why);
    }
    const uint64_t at = ledger_at(worker->ledger, message->sequence);
    if (at == worker->ledger->capacity) {
        worker_fail(worker, "message %" PRIu64 " is not of this round", message->sequence);
    }
    if (message->missed != 0 && !state->overwrite) {
        worker_fail(worker,
                    "message %" PRIu64 " says that %" PRIu64 " were missed; the channel does not overwrite",
                    message->sequence, message->missed);
    }
    note_record(state, message, at, &seen);
    check_order(state, message);
    if (state->sees_all) {
        note_seen(state, message, at);
        if (!state->shared) {
            atomic_store(&state->own->next, message->sequence + 1);
        }
    } else {
        atomic_fetch_add(&state->own->seen, 1);
    }
    atomic_fetch_add(&state->own->missed, message->missed);
    state->messages++;
    state->bytes += message->size;
    state->missed += message->missed;
    state->marked += (message->flags & SHMBUS_REDELIVERED) != 0;
    worker_progress(worker);
    worker_may_die(worker);
}

void subscriber_check_counters(struct subscriber_state *state)
{
    const shmbus_subscriber_stats stats = counters_of(state);
    /* What was overwritten behind the last message is missed, and no message has told yet. */
    const bool missed_fits = state->overwrite ? stats.missed >= state->missed : stats.missed == 0;
    if (stats.messages != state->messages || stats.bytes != state->bytes ||
        stats.redelivered != state->marked || !missed_fits) {
        worker_fail(state->worker,
                    "the counters say %" PRIu64 " messages, %" PRIu64 " bytes, %" PRIu64
                    " redelivered, %" PRIu64 " missed; it got %" PRIu64 ", %" PRIu64 ", %" PRIu64
                    ", %" PRIu64,
                    stats.messages, stats.bytes, stats.redelivered, stats.missed, state->messages,
                    state->bytes, state->marked, state->missed);
    }
    const uint64_t told = state->next + (stats.missed - state->missed) + (stats.aborted - state->aborted);
    if (!state->shared && state->any && stats.position != told) {
        worker_fail(state->worker,
                    "the counters say it is at %" PRIu64 "; its last message was %" PRIu64 ", then %" PRIu64
                    " missed and %" PRIu64 " aborted",
                    stats.position, state->next - 1, stats.missed - state->missed,
                    stats.aborted - state->aborted);
    }
}
