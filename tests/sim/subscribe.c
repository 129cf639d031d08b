/* SPDX-License-Identifier: Apache-2.0 */
/* Subscribers of the simulated world. */
#include "world.h"

#include "oracle.h"

#include <errno.h>

#define WAIT_NS INT64_C(20000000)
#define OPEN_TRIES 20u
#define ENOUGH_TRIES 6u /* in vain, after the last publisher has gone: long enough to look after the dead */

/* Missed and aborted messages that this member has passed. */
static uint64_t passed(struct actor *actor)
{
    shmbus_subscriber_stats stats;
    (void)shmbus_subscriber_stats_get(actor->subscriber, &stats);
    return stats.missed + stats.aborted;
}

static void shows(struct actor *actor, const shmbus_message *message)
{
    oracle_shows(actor->member, message, passed(actor));
}

static int64_t some_deadline(struct random *random)
{
    return world.busy || random_one_in(random, 3) ? SHMBUS_NOWAIT : shmbus_deadline(WAIT_NS);
}

static int receive(struct actor *actor, int64_t deadline)
{
    unsigned char bytes[WORLD_SIZE_MAX];
    shmbus_message message;
    machine_call("receive");
    oracle_receives(actor->member, true);
    const int64_t size = shmbus_recv(actor->subscriber, bytes, sizeof bytes, &message, deadline);
    if (size >= 0) {
        oracle_shows(actor->member, &message, passed(actor));
        oracle_released(actor->member); /* it has been given back before that */
    }
    oracle_receives(actor->member, false);
    return size < 0 ? (int)size : 0;
}

static int peek(struct actor *actor, int64_t deadline)
{
    shmbus_message message;
    machine_call("peek");
    const int err = shmbus_peek(actor->subscriber, &message, deadline);
    if (err != 0) {
        return err;
    }
    shows(actor, &message);
    if (random_one_in(&actor->random, 4)) {
        machine_relax();
        machine_point("works");
    }
    machine_call("release");
    (void)shmbus_release(actor->subscriber);
    oracle_released(actor->member);
    return 0;
}

static int next(struct actor *actor, int64_t deadline)
{
    shmbus_message message;
    uint64_t times = random_between(&actor->random, 1, 4);
    int err = 0;
    while (err == 0 && times-- > 0) {
        machine_call("next");
        err = shmbus_next(actor->subscriber, &message, deadline);
        oracle_released(actor->member);
        if (err == 0) {
            shows(actor, &message);
        }
    }
    if (err == 0) {
        machine_call("release");
        (void)shmbus_release(actor->subscriber);
        oracle_released(actor->member);
    }
    return err;
}

static int on_message(void *context, const shmbus_message *message)
{
    struct actor *actor = context;
    oracle_released(actor->member);
    shows(actor, message);
    return random_one_in(&actor->random, 6);
}

static int poll(struct actor *actor, int64_t deadline)
{
    machine_call("poll");
    const unsigned most = (unsigned)random_between(&actor->random, 1, 6);
    const int count = shmbus_poll(actor->subscriber, most, deadline, on_message, actor);
    oracle_released(actor->member);
    return count < 0 ? count : 0;
}

/* One attempt, in any of the ways there are. */
static int read_some(struct actor *actor, int64_t deadline)
{
    static int (*const ways[])(struct actor *, int64_t) = {receive, peek, next, poll};
    actor->waits = deadline != SHMBUS_NOWAIT;
    const int err = ways[random_below(&actor->random, 4)](actor, deadline);
    actor->waits = false;
    if (err != 0 && err != -EAGAIN && err != -ETIMEDOUT) {
        machine_violation("receiving: %d", err);
    }
    return err;
}

static bool join(struct actor *actor, const struct world_group *group, uint32_t tries)
{
    const shmbus_subscriber_options options = {
        .group = group->name,
        .shared = group->shared,
        .durable = group->durable,
        .from = random_one_in(&actor->random, 2) ? SHMBUS_FROM_NOW : SHMBUS_FROM_OLDEST,
        .wait = random_one_in(&actor->random, 16) ? SHMBUS_WAIT_ADAPTIVE : SHMBUS_WAIT_BLOCK,
    };
    for (uint32_t i = 0; i < tries; i++) {
        machine_call("join");
        const int err = shmbus_subscriber_open(actor->bus, WORLD_CHANNEL, &options, &actor->subscriber);
        if (err == 0) {
            struct adapter_group facts = adapter_group_of(actor->subscriber);
            facts.durable = facts.durable && !world.removes;
            actor->member = oracle_joins(facts);
            actor->has_member = true;
            return true;
        }
        if (err != -EBUSY && err != -EUSERS) {
            machine_violation("shmbus_subscriber_open: %d", err);
        }
        world_sleep(WAIT_NS);
    }
    return false;
}

static void leave(struct actor *actor)
{
    if (random_one_in(&actor->random, 4)) { /* with a message in hand */
        shmbus_message message;
        if (shmbus_peek(actor->subscriber, &message, SHMBUS_NOWAIT) == 0) {
            shows(actor, &message);
        }
    }
    machine_call("leave");
    oracle_left(actor->member);
    actor->has_member = false;
    (void)shmbus_subscriber_close(actor->subscriber);
}

/* Nobody publishes any more, and what the dead have left could be put right. */
static bool nothing_will_come(void)
{
    if (world.publishing > 0 || !machine_settled()) {
        return false;
    }
    weak_told();
    return true;
}

static uint64_t tail(void)
{
    struct adapter_audit audit;
    adapter_audit(&audit);
    return audit.tail;
}

void world_subscribe(struct actor *actor, uint32_t messages)
{
    if (!join(actor, actor->role.group, OPEN_TRIES)) {
        return;
    }
    uint32_t in_vain = 0;
    for (uint32_t calls = 0; calls < messages && in_vain < ENOUGH_TRIES; calls++) {
        const bool late = nothing_will_come();
        const int err = read_some(actor, late ? shmbus_deadline(WAIT_NS) : some_deadline(&actor->random));
        in_vain = late && err != 0 ? in_vain + 1 : 0;
        if (err == -EAGAIN) {
            world_sleep(WAIT_NS / 20);
        }
    }
    if (in_vain == ENOUGH_TRIES) {
        oracle_drained(actor->member, tail());
    }
    leave(actor);
}

void world_drain(struct actor *actor, const struct world_group *group)
{
    if (!join(actor, group, 1)) {
        machine_violation("a group of the dead cannot be joined");
    }
    /* A call that takes over what the dead held may find nothing but aborted messages: the next one looks on. */
    for (uint32_t in_vain = 0; in_vain < ENOUGH_TRIES;) {
        in_vain = read_some(actor, SHMBUS_NOWAIT) == 0 ? 0 : in_vain + 1;
    }
    oracle_drained(actor->member, tail());
    machine_call("leave");
    oracle_left(actor->member);
    actor->has_member = false;
    (void)shmbus_subscriber_close(actor->subscriber);
}
