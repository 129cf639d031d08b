/* SPDX-License-Identifier: Apache-2.0 */
/* Sending and receiving. */
#include "operations.h"

#include <errno.h>
#include <string.h>

static void note_sent(struct actor *victim, unsigned first, unsigned count, uint8_t what)
{
    for (unsigned i = 0; i < count; i++) {
        victim->story->facts.sent[victim->first_ready + first + i] = what;
    }
}

static void note_taken(struct actor *victim, unsigned number, uint8_t what)
{
    victim->story->facts.taken[number] = what;
}

/* A ring that is full takes nothing: that is a result like any other. */
static void note_result(struct actor *victim, int sent, const char *what)
{
    if (sent == -EAGAIN || sent == -ETIMEDOUT) {
        sent = 0;
    }
    (void)actor_must(victim, sent, what);
    note_sent(victim, 0, (unsigned)sent, SENT_COMMITTED);
    note_sent(victim, (unsigned)sent, victim->scenario->operation->count - (unsigned)sent, SENT_NOT);
}

static void send_until(struct actor *victim, int64_t deadline)
{
    note_sent(victim, 0, 1, SENT_TRIED);
    const int err = shmbus_send(victim->publisher, victim->ready[0], victim->ready_size, deadline);
    note_result(victim, err == 0 ? 1 : err, "shmbus_send");
}

void do_send(struct actor *victim)
{
    send_until(victim, SHMBUS_NOWAIT);
}

#define SHORT_WAIT_NS INT64_C(300000)

void do_send_waiting(struct actor *victim)
{
    send_until(victim, shmbus_deadline(SHORT_WAIT_NS));
}

void do_send_batch(struct actor *victim)
{
    struct iovec messages[BATCH];
    for (unsigned i = 0; i < BATCH; i++) {
        messages[i] = (struct iovec){.iov_base = victim->ready[i], .iov_len = victim->ready_size};
    }
    note_sent(victim, 0, BATCH, SENT_TRIED);
    const int sent = shmbus_send_batch(victim->publisher, messages, BATCH, SHMBUS_NOWAIT);
    note_result(victim, sent, "shmbus_send_batch");
}

static int claim(struct actor *victim, shmbus_claim_t *claims, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        claims[i].size = victim->ready_size;
    }
    const int claimed = count == 1 ? shmbus_claim(victim->publisher, claims, SHMBUS_NOWAIT)
                                   : shmbus_claim_batch(victim->publisher, claims, count, SHMBUS_NOWAIT);
    if (claimed == -EAGAIN) {
        return 0;
    }
    (void)actor_must(victim, claimed, "shmbus_claim");
    return count == 1 ? 1 : claimed;
}

void do_claim_commit(struct actor *victim)
{
    shmbus_claim_t one;
    if (claim(victim, &one, 1) == 1) {
        memcpy(one.data, victim->ready[0], victim->ready_size);
        note_sent(victim, 0, 1, SENT_TRIED);
        (void)actor_must(victim, shmbus_commit(victim->publisher, &one), "shmbus_commit");
        note_sent(victim, 0, 1, SENT_COMMITTED);
    }
}

void do_claim_abort(struct actor *victim)
{
    shmbus_claim_t one;
    if (claim(victim, &one, 1) == 1) {
        memcpy(one.data, victim->ready[0], victim->ready_size);
        (void)actor_must(victim, shmbus_abort(victim->publisher, &one), "shmbus_abort");
    }
}

/* Commits the second, aborts the third, and commits the first of up to three claims. */
void do_claim_batch(struct actor *victim)
{
    static const unsigned order[BATCH] = {1, 2, 0};
    shmbus_claim_t claims[BATCH];
    const int claimed = claim(victim, claims, BATCH);
    for (unsigned i = 0; i < BATCH; i++) {
        const unsigned at = order[i];
        if ((int)at >= claimed) {
            continue;
        }
        if (at == 2) {
            (void)actor_must(victim, shmbus_abort(victim->publisher, &claims[at]), "shmbus_abort");
            continue;
        }
        memcpy(claims[at].data, victim->ready[at], victim->ready_size);
        note_sent(victim, at, 1, SENT_TRIED);
        (void)actor_must(victim, shmbus_commit(victim->publisher, &claims[at]), "shmbus_commit");
        note_sent(victim, at, 1, SENT_COMMITTED);
    }
}

static void recv_until(struct actor *victim, int64_t deadline)
{
    unsigned char *buffer = victim->ready[0];
    const unsigned number = actor_next(victim);
    const uint8_t before = victim->story->facts.taken[number];
    note_taken(victim, number, TAKEN_TRIED);
    const int64_t size = shmbus_recv(victim->subscriber, buffer, LARGE_SIZE, NULL, deadline);
    if (size == -EAGAIN || size == -ETIMEDOUT) {
        note_taken(victim, number, before);
        return;
    }
    (void)actor_must(victim, size, "shmbus_recv");
    note_taken(victim, number, TAKEN_GIVEN);
}

void do_recv(struct actor *victim)
{
    recv_until(victim, SHMBUS_NOWAIT);
}

void do_recv_waiting(struct actor *victim)
{
    recv_until(victim, shmbus_deadline(SHORT_WAIT_NS));
}

static void release(struct actor *victim, unsigned number)
{
    note_taken(victim, number, TAKEN_GIVING);
    (void)actor_must(victim, shmbus_release(victim->subscriber), "shmbus_release");
    note_taken(victim, number, TAKEN_GIVEN);
}

void do_peek_release(struct actor *victim)
{
    shmbus_message message;
    const unsigned number = actor_next(victim);
    const int err = shmbus_peek(victim->subscriber, &message, SHMBUS_NOWAIT);
    if (err == 0) {
        note_taken(victim, number, TAKEN_SHOWN);
        release(victim, number);
    } else if (err != -EAGAIN) {
        (void)actor_must(victim, err, "shmbus_peek");
    }
}

/* Of the message that it holds from before. */
void do_release(struct actor *victim)
{
    unsigned held = 0;
    while (held < STORY_MESSAGES - 1 && victim->story->facts.taken[held] != TAKEN_SHOWN) {
        held++;
    }
    release(victim, held);
}

void do_next(struct actor *victim)
{
    unsigned held = STORY_MESSAGES;
    for (unsigned i = 0; i < BATCH; i++) {
        shmbus_message message;
        const unsigned number = actor_next(victim);
        if (held < STORY_MESSAGES) {
            note_taken(victim, held, TAKEN_GIVING);
        }
        const int err = shmbus_next(victim->subscriber, &message, SHMBUS_NOWAIT);
        if (held < STORY_MESSAGES) {
            note_taken(victim, held, TAKEN_GIVEN);
        }
        if (err == -EAGAIN) {
            return;
        }
        (void)actor_must(victim, err, "shmbus_next");
        note_taken(victim, number, TAKEN_SHOWN);
        held = number;
    }
}

struct polling {
    struct actor *victim;
    unsigned held;
};

static int on_message(void *context, const shmbus_message *message)
{
    struct polling *polling = context;
    (void)message;
    if (polling->held < STORY_MESSAGES) {
        note_taken(polling->victim, polling->held, TAKEN_GIVEN);
    }
    polling->held = actor_next(polling->victim);
    note_taken(polling->victim, polling->held, TAKEN_SHOWN);
    note_taken(polling->victim, polling->held, TAKEN_GIVING);
    return 0;
}

void do_poll(struct actor *victim)
{
    struct polling polling = {victim, STORY_MESSAGES};
    const int got = shmbus_poll(victim->subscriber, BATCH, SHMBUS_NOWAIT, on_message, &polling);
    if (polling.held < STORY_MESSAGES) {
        note_taken(victim, polling.held, TAKEN_GIVEN);
    }
    if (got != -EAGAIN) {
        (void)actor_must(victim, got, "shmbus_poll");
    }
}
