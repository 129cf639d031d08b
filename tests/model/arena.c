/* SPDX-License-Identifier: Apache-2.0 */
/* Messages in the arena: the third one does not fit behind the first two and starts at the arena's beginning. */
#include "program.h"

#ifndef MULTI
#define MULTI 0
#endif

#define MESSAGES 4u

/* Lines 0; 1 and 2; not 3, but 4 and 5; 6. */
static size_t size_of(uint64_t number)
{
    return number % 3 == 0 ? ONE_LINE : TWO_LINES;
}

static void *publish(void *argument)
{
    for (uint64_t i = 0; i < MESSAGES; i++) {
        send(argument, i, size_of(i));
    }
    return NULL;
}

static void *subscribe(void *argument)
{
    for (uint64_t i = 0; i < MESSAGES; i++) {
        receive(argument, 0, i, size_of(i));
    }
    return NULL;
}

int main(void)
{
    channel_create(MULTI, false);
    struct producer *producer = publisher_open(0);
    struct consumer *consumer = subscriber_open(0);
    run_both(publish, producer, subscribe, consumer);
    check_all_usable(producer, consumer, MESSAGES);
    return 0;
}
