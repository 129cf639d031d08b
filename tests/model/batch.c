/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of two claims, which are committed backwards, one publisher or, with MULTI, two. */
#include "program.h"

#ifndef MULTI
#define MULTI 0
#endif

#define PUBLISHERS (MULTI ? 2u : 1u)
#define MESSAGES (4u / PUBLISHERS) /* of each */

static void fill(struct producer *producer, unsigned index, uint64_t number)
{
    uint64_t word;
    compose(&word, WORD, producer->id, number);
    producer_fill(producer, index, &word);
}

/* As many of up to two as there is room for. */
static unsigned claim(struct producer *producer, unsigned count)
{
    int claimed = -EAGAIN;
    for (unsigned tries = 0; claimed < 0; tries++) {
        producer->claims[0].size = WORD;
        producer->claims[1].size = WORD;
        claimed = producer_claim(producer, count, tries > 0);
        if (claimed < 0) {
            WAIT(tries);
        }
    }
    return (unsigned)claimed;
}

static void *publish(void *argument)
{
    for (uint64_t number = 0; number < MESSAGES;) {
        const unsigned claimed = claim(argument, MESSAGES - number < 2 ? 1 : 2);
        for (unsigned index = claimed; index-- > 0;) {
            fill(argument, index, number + index);
            producer_finish(argument, index, WORD, 0);
        }
        number += claimed;
    }
    return NULL;
}

static void *subscribe(void *argument)
{
    uint64_t next[USERS] = {0, 0};
    for (unsigned i = 0; i < PUBLISHERS * MESSAGES; i++) {
        struct consumer_glimpse seen;
        wait_for_message(argument, &seen);
        assert(seen.publisher < PUBLISHERS && number_of(&seen) == next[seen.publisher]);
        next[seen.publisher]++;
        give_back(argument);
    }
    return NULL;
}

int main(void)
{
    channel_create(MULTI, false);
    struct producer *first = publisher_open(0);
    struct producer *second = MULTI ? publisher_open(1) : NULL;
    struct consumer *consumer = subscriber_open(0);
    pthread_t publishers[USERS], subscriber;
    START(publishers[0], publish, first);
    if (MULTI) {
        START(publishers[1], publish, second);
    }
    START(subscriber, subscribe, consumer);
    FINISH(publishers[0]);
    if (MULTI) {
        FINISH(publishers[1]);
    }
    FINISH(subscriber);
    check_all_usable(first, consumer, MESSAGES);
    return 0;
}
