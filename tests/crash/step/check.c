/* SPDX-License-Identifier: Apache-2.0 */
/* The first three: delivery, repair, counters. */
#include "check.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define STEP_NS INT64_C(20000000)

_Noreturn void check_fail(const struct check *check, const char *text, uint64_t is, uint64_t must_be)
{
    story_fail(check->actor->story, "%s: %" PRIu64 ", must be %" PRIu64, text, is, must_be);
}

int check_send(struct check *check, size_t size, int64_t deadline)
{
    unsigned char bytes[LARGEST];
    const struct message_id id = {.publisher = FROM_CHECK, .number = check->sent};
    (void)message_fill(bytes, size, 0, id);
    const int err = shmbus_send(check->actor->publisher, bytes, size, deadline);
    if (err == 0) {
        check->sent++;
    } else if (err != -EAGAIN && err != -ETIMEDOUT) {
        (void)actor_must(check->actor, err, "shmbus_send of a survivor");
    }
    return err;
}

static void note_story(struct check *check, uint32_t number, bool marked)
{
    if (number >= STORY_MESSAGES) {
        check_fail(check, "a message of no known number", number, STORY_MESSAGES - 1);
    }
    check->seen[number]++;
    check->marked[number] += marked;
}

/*
 * What a survivor sends later arrives in order, once, and unmarked; on overwrite channels with gaps. The first may be
 * marked: a group whose only member died marks the next message, whether or not it was there when he died.
 */
static void note_check(struct check *check, uint32_t number, bool marked)
{
    if (marked && number > 0) {
        check_fail(check, "a message that nobody has seen is marked as redelivered", number, 0);
    }
    if (check->lossy ? number < check->got : number != check->got) {
        check_fail(check, "a later message is lost or repeated", number, check->got);
    }
    check->got = number + 1;
}

static void note_order(struct check *check, const shmbus_message *message)
{
    if (!scenario_has(check->actor->scenario, SHARED) && message->sequence < check->behind) {
        check_fail(check, "a sequence goes back", message->sequence, check->behind);
    }
    check->behind = message->sequence + 1;
}

bool check_receive(struct check *check, int64_t deadline)
{
    shmbus_message message;
    const int err = shmbus_peek(check->actor->subscriber, &message, deadline);
    if (err == -EAGAIN || err == -ETIMEDOUT) {
        return false;
    }
    (void)actor_must(check->actor, err, "shmbus_peek of a survivor");
    struct message_seen seen;
    char why[200];
    if (!message_read(message.data, message.size, 0, &seen, why, sizeof why)) {
        story_fail(check->actor->story, "sequence %" PRIu64 ": %s", message.sequence, why);
    }
    note_order(check, &message);
    const bool marked = (message.flags & SHMBUS_REDELIVERED) != 0;
    if (seen.id.publisher == FROM_STORY) {
        note_story(check, seen.id.number, marked);
    } else {
        note_check(check, seen.id.number, marked);
    }
    (void)actor_must(check->actor, shmbus_release(check->actor->subscriber), "shmbus_release of a survivor");
    return true;
}

void check_catch_up(struct check *check)
{
    const int64_t end = shmbus_deadline(PATIENCE_NS);
    while (check->got < check->sent) {
        if (!check_receive(check, end)) {
            check_fail(check, "a later message has not arrived in time", check->got, check->sent);
        }
    }
}

/* A message that finds room, whatever has to be read or repaired before. */
static void send_marker(struct check *check)
{
    const int64_t end = shmbus_deadline(PATIENCE_NS);
    while (check_send(check, SMALL_SIZE, SHMBUS_NOWAIT) != 0) {
        if (check_receive(check, SHMBUS_NOWAIT)) {
            continue;
        }
        if (check_send(check, SMALL_SIZE, shmbus_deadline(STEP_NS)) == 0) {
            return;
        }
        if (!check_receive(check, shmbus_deadline(STEP_NS)) && shmbus_now() > end) {
            check_fail(check, "neither room nor a message in time", 0, 1);
        }
    }
}

/* A sleeper has what it waited for, or gets it from what the survivor does. */
static void await_sleeper(struct check *check)
{
    struct story *story = check->actor->story;
    if (check->present && scenario_has(check->actor->scenario, SLEEPING_SENDER)) {
        const int64_t end = shmbus_deadline(PATIENCE_NS);
        while (sem_trywait(&story->awake) != 0) {
            (void)check_receive(check, shmbus_deadline(STEP_NS / 10));
            if (shmbus_now() > end) {
                check_fail(check, "the sleeping publisher has not come back", 0, 1);
            }
        }
    }
    send_marker(check);
    if (check->present && scenario_has(check->actor->scenario, SLEEPING_READER)) {
        story_wait(story, &story->awake);
    }
}

/* How often a message that has `sent` and `taken` may be delivered now. */
static uint32_t least_of(uint8_t sent, uint8_t taken)
{
    return sent == SENT_COMMITTED && (taken == TAKEN_NOT || taken == TAKEN_SHOWN || taken == TAKEN_ORPHAN);
}

static uint32_t most_of(uint8_t sent, uint8_t taken)
{
    return sent != SENT_NOT && taken != TAKEN_GIVEN;
}

/* Has a reader seen it who has died since? */
static bool was_shown(uint8_t taken)
{
    return taken == TAKEN_SHOWN || taken == TAKEN_GIVING || taken == TAKEN_ORPHAN;
}

/* Has something not arrived that must? */
static bool is_missing(const struct check *check)
{
    const struct story_facts *facts = &check->actor->story->facts;
    for (unsigned i = 0; i < STORY_MESSAGES; i++) {
        if (check->seen[i] < least_of(facts->sent[i], facts->taken[i])) {
            return true;
        }
    }
    return false;
}

static void judge_number(const struct check *check, unsigned number, uint64_t *lost)
{
    const struct story_facts *facts = &check->actor->story->facts;
    const uint8_t sent = facts->sent[number];
    const uint8_t taken = facts->taken[number];
    const uint32_t seen = check->seen[number];
    if (check->unknown && sent != SENT_NOT && seen <= 1) {
        return; /* perhaps of a new group, which nobody has read before */
    }
    if (seen > 1 && most_of(sent, taken) == 1 && check->marked[number] + 1 >= seen &&
        (!was_shown(taken) || check->marked[number] == seen)) {
        check->actor->story->repeats++;
        return;
    }
    if (seen > most_of(sent, taken) || (seen < least_of(sent, taken) && !check->lossy)) {
        story_fail(check->actor->story,
                   "message %u (sent %u, taken %u) was delivered %u times, %u of them marked", number, sent,
                   taken, seen, check->marked[number]);
    }
    if (seen && was_shown(taken) && !check->marked[number]) {
        story_fail(check->actor->story, "message %u is repeated and not marked as redelivered", number);
    }
    *lost += seen < least_of(sent, taken);
}

static void judge(const struct check *check)
{
    uint64_t lost = 0;
    for (unsigned i = 0; i < STORY_MESSAGES; i++) {
        judge_number(check, i, &lost);
    }
    shmbus_subscriber_stats stats;
    (void)actor_must(check->actor, shmbus_subscriber_stats_get(check->actor->subscriber, &stats),
                     "shmbus_subscriber_stats_get");
    if (lost > stats.missed) {
        check_fail(check, "more messages are lost than were counted as missed", lost, stats.missed);
    }
}

/* The survivor still holds the message that it had peeked: nobody else gets it. */
static void give_back_own(struct check *check)
{
    struct actor *actor = check->actor;
    if (!check->present || !scenario_has(actor->scenario, SURVIVOR_HOLDS)) {
        return;
    }
    (void)actor_must(actor, shmbus_release(actor->subscriber), "shmbus_release of what the survivor held");
    for (unsigned i = 0; i < STORY_MESSAGES; i++) {
        if (actor->story->facts.taken[i] == TAKEN_SHOWN) {
            actor->story->facts.taken[i] = TAKEN_GIVEN;
            return;
        }
    }
}

static void check_delivery(struct check *check)
{
    await_sleeper(check);
    check_catch_up(check);
    const int64_t end = shmbus_deadline(PATIENCE_NS);
    while (check_receive(check, SHMBUS_NOWAIT) ||
           (is_missing(check) && !check->lossy && !check->unknown && check_receive(check, end))) {
    }
}

static void check_repair(struct check *check)
{
    struct actor *actor = check->actor;
    (void)actor_must(actor, shmbus_recover(actor->bus), "shmbus_recover");
    const int64_t again = actor_must(actor, shmbus_recover(actor->bus), "shmbus_recover again");
    if (again != 0) {
        check_fail(check, "repairs when there is nothing left to repair", (uint64_t)again, 0);
    }
    while (check_receive(check, SHMBUS_NOWAIT)) { /* what nobody had to wait for, but a dead one still held */
    }
}

/* A channel that nobody can open any more tells so to those who have it open. */
static void check_removed(struct check *check)
{
    struct actor *actor = check->actor;
    shmbus_publisher *other = NULL;
    int err = shmbus_publisher_open(actor->bus, CHANNEL, NULL, &other);
    if (err != -ENOENT) {
        (void)shmbus_publisher_close(other);
        return;
    }
    err = shmbus_send(actor->publisher, "", 1, SHMBUS_NOWAIT);
    if (err != -EIDRM) {
        check_fail(check, "what shmbus_send() returns on a channel that cannot be opened any more, negated",
                   (uint64_t)-err, EIDRM);
    }
}

void check_run(struct check *check)
{
    struct actor *actor = check->actor;
    check->lossy = scenario_has(actor->scenario, OVERWRITE);
    check->unknown = check->unknown || scenario_has(actor->scenario, WIPES | NO_GROUP | PASSING);
    if (check->present && scenario_has(actor->scenario, REMOVES)) {
        check_removed(check);
        check_close(check);
    }
    give_back_own(check);
    actor_attach(actor);
    actor_join(actor);
    actor_publish(actor);
    check_delivery(check);
    check_repair(check);
    judge(check);
    check_counters(check);
    check_room(check);
    check_entries(check);
}
