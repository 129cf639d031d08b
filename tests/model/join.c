/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A group joins while messages are sent, now or at the oldest message that stays: from where it has started it gets all.
 * No other group holds the publisher up, or with BESIDE one does.
 */
#include "program.h"

#ifndef OLDEST
#define OLDEST 0
#endif
#ifndef BESIDE
#define BESIDE 0
#endif

#define MESSAGES 3u

static void *publish(void *argument)
{
    for (uint64_t i = 0; i < MESSAGES; i++) {
        send(argument, i, WORD);
    }
    return NULL;
}

static void *subscribe(void *argument)
{
    for (uint64_t i = 0; i < MESSAGES; i++) {
        receive(argument, 0, i, WORD);
    }
    return NULL;
}

static void *join(void *argument)
{
    (void)argument;
    struct consumer *consumer = start_group(0, 0, 0, CHOOSE(OLDEST, 2) == 1);
    for (uint64_t i = consumer->sequence; i < MESSAGES; i++) {
        receive(consumer, 0, i, WORD);
    }
    return NULL;
}

int main(void)
{
    channel_create(false, false);
    struct producer *producer = publisher_open(0);
    struct consumer *other = BESIDE ? subscriber_open(1) : NULL;
    pthread_t publisher, joiner, subscriber;
    START(publisher, publish, producer);
    START(joiner, join, NULL);
    if (BESIDE) {
        START(subscriber, subscribe, other);
    }
    FINISH(publisher);
    FINISH(joiner);
    if (BESIDE) {
        FINISH(subscriber);
    }
    return 0;
}
