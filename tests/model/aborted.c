/* SPDX-License-Identifier: Apache-2.0 */
/* A message is claimed and given up, inline and in the arena: the reader passes over it, and its lines are free again. */
#include "program.h"

#ifndef MULTI
#define MULTI 0
#endif

static void give_up(struct producer *producer, size_t size)
{
    producer->claims[0].size = size;
    for (unsigned tries = 0; producer_claim(producer, 1, tries > 0) != 1; tries++) {
        WAIT(tries);
    }
    producer_finish(producer, 0, 0, STAMP_ABORTED);
}

static void *publish(void *argument)
{
    give_up(argument, TWO_LINES);
    send(argument, 0, TWO_LINES);
    give_up(argument, WORD);
    send(argument, 1, ONE_LINE);
    return NULL;
}

static void *subscribe(void *argument)
{
    receive(argument, 0, 0, TWO_LINES);
    receive(argument, 0, 1, ONE_LINE);
    return NULL;
}

int main(void)
{
    channel_create(MULTI, false);
    struct producer *producer = publisher_open(0);
    struct consumer *consumer = subscriber_open(0);
    run_both(publish, producer, subscribe, consumer);
    assert(load64_relaxed(&world.publishers[0].aborted) == 2);
    assert(load64_relaxed(&world.members[0].aborted) == 2);
    check_all_usable(producer, consumer, 2);
    return 0;
}
