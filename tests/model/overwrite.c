/* SPDX-License-Identifier: Apache-2.0 */
/* An overwrite channel: the publisher waits for nobody; who reads is lapped, gets whole messages, and counts the rest. */
#include "program.h"

#ifndef SIZE
#define SIZE WORD
#endif

#define MESSAGES 4u

static void *publish(void *argument)
{
    uint64_t words[WORDS(TWO_LINES)];
    for (uint64_t i = 0; i < MESSAGES; i++) {
        compose(words, SIZE, 0, i);
        const bool sent = send_at_once(argument, words, SIZE, false);
        assert(sent);
        (void)sent;
    }
    return NULL;
}

static void *subscribe(void *argument)
{
    struct consumer *consumer = argument;
    for (uint64_t next = 0; next < MESSAGES; next++) {
        struct consumer_glimpse seen;
        wait_for_message(consumer, &seen);
        next += consumer->missed;
        consumer->missed = 0;
        assert(seen.size == SIZE && number_of(&seen) == next);
        give_back(consumer);
    }
    return NULL;
}

int main(void)
{
    channel_create(false, true);
    run_both(publish, publisher_open(0), subscribe, subscriber_open(0));
    return 0;
}
