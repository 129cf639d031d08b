/* SPDX-License-Identifier: Apache-2.0 */
/* A publisher and two groups of one reader each: both see every message, and the slower one holds the publisher up. */
#include "program.h"

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

int main(void)
{
    channel_create(false, false);
    struct producer *producer = publisher_open(0);
    struct consumer *first = subscriber_open(0);
    struct consumer *second = subscriber_open(1);
    pthread_t publisher, subscribers[USERS];
    START(publisher, publish, producer);
    START(subscribers[0], subscribe, first);
    START(subscribers[1], subscribe, second);
    FINISH(publisher);
    FINISH(subscribers[0]);
    FINISH(subscribers[1]);
    return 0;
}
