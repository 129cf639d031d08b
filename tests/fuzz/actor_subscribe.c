/* SPDX-License-Identifier: Apache-2.0 */
#include "actor_acts.h"

#include "verdict.h"

static const char *const groups[] = {NULL, "own", "shared", "durable"};

static const char *group_of(struct actor *actor)
{
    return groups[bytes_below(actor->bytes, 4)];
}

static void join(struct actor *actor, shmbus_subscriber **subscriber)
{
    const char *group = group_of(actor);
    const uint32_t how = bytes_below(actor->bytes, 64);
    const shmbus_subscriber_options options = {
        .group = group,
        .shared = group == groups[2] ? how % 8 != 0 : how % 8 == 0,
        .durable = group == groups[3],
        .from = how & 8 ? SHMBUS_FROM_NOW : SHMBUS_FROM_OLDEST,
        .wait = how >> 4 == 3 ? SHMBUS_WAIT_BLOCK : (enum shmbus_wait)(how >> 4),
        .channel = actor_shape(actor),
    };
    (void)actor_check(actor, shmbus_subscriber_open(actor->bus, actor_channel(actor), &options, subscriber));
}

/* One of the actor's subscribers, joined if need be; NULL when it cannot be. */
static shmbus_subscriber *subscriber_of(struct actor *actor)
{
    shmbus_subscriber **subscriber = &actor->subscribers[bytes_below(actor->bytes, ACTOR_SUBSCRIBERS)];
    if (!*subscriber) {
        join(actor, subscriber);
    }
    return *subscriber;
}

static void read_message(const struct actor *actor, int64_t result, const shmbus_message *message)
{
    if (actor_check(actor, result) >= 0) {
        verdict_readable(message->data, message->size);
    }
}

void act_recv(struct actor *actor)
{
    static unsigned char buffer[1500];
    shmbus_subscriber *subscriber = subscriber_of(actor);
    shmbus_message message;
    if (subscriber) {
        const size_t capacity = bytes_below(actor->bytes, 4) ? sizeof buffer : 40;
        const int64_t size = shmbus_recv(subscriber, buffer, capacity, &message, actor_deadline(actor));
        read_message(actor, size, &message);
    }
}

void act_peek(struct actor *actor)
{
    shmbus_subscriber *subscriber = subscriber_of(actor);
    shmbus_message message;
    if (subscriber) {
        const int err = shmbus_peek(subscriber, &message, actor_deadline(actor));
        read_message(actor, err, &message);
    }
}

void act_next(struct actor *actor)
{
    shmbus_subscriber *subscriber = subscriber_of(actor);
    shmbus_message message;
    if (subscriber) {
        const int err = shmbus_next(subscriber, &message, actor_deadline(actor));
        read_message(actor, err, &message);
    }
}

void act_release(struct actor *actor)
{
    shmbus_subscriber *subscriber = subscriber_of(actor);
    if (subscriber) {
        (void)actor_check(actor, shmbus_release(subscriber));
    }
}

static int on_message(void *context, const shmbus_message *message)
{
    int *left = context;
    verdict_readable(message->data, message->size);
    return --*left == 0;
}

void act_poll(struct actor *actor)
{
    shmbus_subscriber *subscriber = subscriber_of(actor);
    if (!subscriber) {
        return;
    }
    const unsigned most = 1 + bytes_below(actor->bytes, 100);
    int left = 1 + (int)bytes_below(actor->bytes, 100);
    const int polled = shmbus_poll(subscriber, most, actor_deadline(actor), on_message, &left);
    if (actor_check(actor, polled) > (int64_t)most) {
        fuzz_fail("poll: %d messages of at most %u", polled, most);
    }
}

void act_subscriber_stats(struct actor *actor)
{
    shmbus_subscriber *subscriber = subscriber_of(actor);
    shmbus_subscriber_stats stats;
    if (subscriber) {
        (void)actor_check(actor, shmbus_subscriber_stats_get(subscriber, &stats));
    }
}

void act_join(struct actor *actor)
{
    (void)subscriber_of(actor);
}

void act_leave(struct actor *actor)
{
    shmbus_subscriber **subscriber = &actor->subscribers[bytes_below(actor->bytes, ACTOR_SUBSCRIBERS)];
    if (*subscriber) {
        (void)actor_check(actor, shmbus_subscriber_close(*subscriber));
        *subscriber = NULL;
    }
}

void act_remove_group(struct actor *actor)
{
    const char *group = group_of(actor);
    if (group) {
        (void)actor_check(actor, shmbus_group_remove(actor->bus, actor_channel(actor), group));
    }
}

/* ------------------------------------------------------------------------------------- the waitset */

static shmbus_waitset *set_of(struct actor *actor)
{
    if (!actor->set) {
        const shmbus_waitset_options options = {.wait = bytes_below(actor->bytes, 3)};
        (void)actor_check(actor, shmbus_waitset_open(&options, &actor->set));
    }
    return actor->set;
}

void act_wait(struct actor *actor)
{
    shmbus_waitset *set = set_of(actor);
    shmbus_event events[4];
    if (set) {
        (void)actor_check(actor, shmbus_waitset_wait(set, events, 4, actor_deadline(actor)));
    }
}

void act_wait_for_message(struct actor *actor)
{
    shmbus_waitset *set = set_of(actor);
    shmbus_subscriber *subscriber = subscriber_of(actor);
    if (set && subscriber) {
        (void)actor_check(actor, shmbus_waitset_add_subscriber(set, subscriber, NULL));
    }
}

void act_wait_for_room(struct actor *actor)
{
    shmbus_waitset *set = set_of(actor);
    shmbus_publisher *publisher = actor->publishers[bytes_below(actor->bytes, ACTOR_PUBLISHERS)].handle;
    if (set && publisher) {
        const size_t size = bytes_take(actor->bytes, 1) * 4;
        (void)actor_check(actor, shmbus_waitset_add_publisher(set, publisher, size, NULL));
    }
}
