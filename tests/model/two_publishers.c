/* SPDX-License-Identifier: Apache-2.0 */
/* Two publishers and a reader: each publisher's messages in order, each once. */
#include "program.h"

#define MESSAGES 2u /* of each */

static void *publish(void *argument)
{
    for (uint64_t i = 0; i < MESSAGES; i++) {
        send(argument, i, WORD);
    }
    return NULL;
}

static void *subscribe(void *argument)
{
    uint64_t next[USERS] = {0, 0};
    for (unsigned i = 0; i < USERS * MESSAGES; i++) {
        struct consumer_glimpse seen;
        wait_for_message(argument, &seen);
        assert(seen.publisher < USERS && number_of(&seen) == next[seen.publisher]);
        next[seen.publisher]++;
        give_back(argument);
    }
    return NULL;
}

int main(void)
{
    channel_create(true, false);
    struct producer *first = publisher_open(0);
    struct producer *second = publisher_open(1);
    struct consumer *consumer = subscriber_open(0);
    pthread_t publishers[USERS], subscriber;
    START(publishers[0], publish, first);
    START(publishers[1], publish, second);
    START(subscriber, subscribe, consumer);
    FINISH(publishers[0]);
    FINISH(publishers[1]);
    FINISH(subscriber);
    check_all_usable(first, consumer, MESSAGES);
    return 0;
}
