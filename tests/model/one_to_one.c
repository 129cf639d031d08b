/* SPDX-License-Identifier: Apache-2.0 */
/* A publisher and a reader: more messages than slots, in order, each once. */
#include "program.h"

#define MESSAGES 4u

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
    struct consumer *consumer = subscriber_open(0);
    run_both(publish, producer, subscribe, consumer);
    check_all_usable(producer, consumer, MESSAGES);
    return 0;
}
