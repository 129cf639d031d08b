/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A publisher dies before its step number DEATH, alone or, with MULTI, beside another: nothing that was committed is
 * lost, what was claimed is aborted by whoever is held up, and each slot can be used again.
 */
#define MAY_DIE
#include "program.h"

#ifndef MULTI
#define MULTI 0
#endif
#ifndef SIZE
#define SIZE WORD
#endif

#define DEATHS (MULTI ? 192u : 64u) /* more steps than it makes */
#define MESSAGES 2u                 /* of each */
#define THE_DEAD 0u

static unsigned last_step;
static bool finished;

static bool alive(const void *who, uint64_t owner)
{
    (void)who;
    return owner != THE_DEAD + 1 || load32_acquire(&dead) == 0;
}

/* recovery_claims.c: repair_publisher(), of the dead one. Has it changed anything? */
static bool repair(void)
{
    const struct ring_living living = {.alive = alive, .who = NULL};
    atomic_u64 *word = &world.publishers[THE_DEAD].owner;
    uint64_t owner = load64_acquire(word);
    unsigned repaired = 0;
    if (owner != OWNER_NONE && !alive(NULL, owner)) {
        repaired = ring_repair_claims(&channel, THE_DEAD, &living);
        repaired += cas64_acq_rel(word, &owner, OWNER_NONE);
    }
    return repaired + ring_repair_fronts(&channel, &living) > 0;
}

static void *publish(void *argument)
{
    uint64_t words[WORDS(TWO_LINES)];
    struct producer *producer = argument;
    for (uint64_t i = 0; i < MESSAGES; i++) {
        compose(words, SIZE, producer->id, i);
        for (unsigned tries = 0; !send_at_once(producer, words, SIZE, tries > 0); tries++) {
            if (!repair()) {
                WAIT(tries);
            }
        }
    }
    return NULL;
}

static void *publish_and_die(void *argument)
{
    STEPS_LEFT = CHOOSE(DEATH, DEATHS);
    last_step = STEPS_LEFT;
    for (uint64_t i = 0; i < MESSAGES; i++) {
        send(argument, i, SIZE);
    }
    finished = true;
    die();
    return NULL;
}

/* Counts `next` on. False: there is no message. */
static bool take_one(struct consumer *consumer, uint64_t *next)
{
    struct consumer_glimpse seen;
    if (!look_for_message(consumer, &seen)) {
        return false;
    }
    assert(seen.publisher < USERS && seen.size == SIZE && number_of(&seen) == next[seen.publisher]);
    next[seen.publisher]++;
    give_back(consumer);
    return true;
}

/* Until all is read that was sent: the living one's messages, and nothing claimed. */
static bool all_read(const struct consumer *consumer, const uint64_t *next)
{
    return load32_acquire(&dead) != 0 && (!MULTI || next[1] == MESSAGES) &&
           position_sequence(load64_acquire(&world.channel.tail)) == (uint32_t)consumer->sequence;
}

static void *subscribe(void *argument)
{
    uint64_t next[USERS] = {0, 0};
    for (unsigned tries = 0; !all_read(argument, next);) {
        if (take_one(argument, next) || repair()) {
            tries = 0;
        } else if (!all_read(argument, next)) {
            WAIT(tries);
            tries++;
        }
    }
    assert(next[0] <= MESSAGES);
    return NULL;
}

int main(void)
{
    channel_create(MULTI, false);
    FORGET(dead);
    FORGET(finished);
    struct producer *first = publisher_open(THE_DEAD);
    struct producer *second = MULTI ? publisher_open(1) : NULL;
    struct consumer *consumer = subscriber_open(0);
    pthread_t publishers[USERS], subscriber;
    START(publishers[0], publish_and_die, first);
    if (MULTI) {
        START(publishers[1], publish, second);
    }
    START(subscriber, subscribe, consumer);
    FINISH(publishers[0]);
    if (MULTI) {
        FINISH(publishers[1]);
    }
    FINISH(subscriber);
    assert(finished || last_step < DEATHS - 1); /* or there are steps before which it has not died */
    (void)repair();
    assert(load64_relaxed(&world.publishers[THE_DEAD].owner) == OWNER_NONE);
    check_all_usable(publisher_open(THE_DEAD), consumer, MESSAGES);
    return 0;
}
