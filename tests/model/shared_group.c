/* SPDX-License-Identifier: Apache-2.0 */
/* A publisher and a shared group of two members: each message comes to one of them, each member's in order. */
#include "program.h"

#define MESSAGES 3u

/* How often each message came. Counted by whoever got it: two who got the same one race. */
static unsigned came[MESSAGES];
static atomic_u32 left;

static void *publish(void *argument)
{
    for (uint64_t i = 0; i < MESSAGES; i++) {
        send(argument, i, WORD);
    }
    return NULL;
}

static void use(struct consumer *consumer, const struct consumer_glimpse *seen, uint64_t *next)
{
    const uint64_t number = number_of(seen);
    assert(number < MESSAGES && number >= *next);
    *next = number + 1;
    came[number]++;
    (void)add32_acq_rel(&left, UINT32_MAX);
    give_back(consumer);
}

/* Until all were given to somebody. */
static void *subscribe(void *argument)
{
    struct consumer_glimpse seen;
    uint64_t next = 0;
    for (unsigned tries = 0; load32_acquire(&left) != 0;) {
        if (look_for_message(argument, &seen)) {
            use(argument, &seen, &next);
            tries = 0;
        } else if (load32_acquire(&left) != 0) {
            WAIT(tries);
            tries++;
        }
    }
    return NULL;
}

int main(void)
{
    channel_create(false, false);
    FORGET(came);
    store32_relaxed(&left, MESSAGES);
    struct producer *producer = publisher_open(0);
    struct consumer *first = start_group(0, 0, GROUP_SHARED, false);
    struct consumer *second = enter_group(1, 0);
    pthread_t publisher, subscribers[USERS];
    START(publisher, publish, producer);
    START(subscribers[0], subscribe, first);
    START(subscribers[1], subscribe, second);
    FINISH(publisher);
    FINISH(subscribers[0]);
    FINISH(subscribers[1]);
    for (unsigned i = 0; i < MESSAGES; i++) {
        assert(came[i] == 1);
    }
    check_all_usable(producer, second, MESSAGES);
    return 0;
}
