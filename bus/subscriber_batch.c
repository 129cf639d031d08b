/* SPDX-License-Identifier: Apache-2.0 */
/*
 * subscriber.h: many messages at once. A second consumer, whose member and group are private memory, reads ahead of the
 * one that holds the first message: it shows, that one gives back, and the others see nothing but the latter.
 */
#include "error.h"
#include "latency.h"
#include "os_clock.h"
#include "subscriber.h"

#include <stdlib.h>

struct lookahead {
    struct consumer consumer;
    struct shm_group group;
    struct shm_member member;
};

const struct consumer *subscriber_front(const struct subscriber *subscriber)
{
    return subscriber->shown > 0 && !subscriber->consumer.ring->overwrite ? &subscriber->ahead->consumer
                                                                          : &subscriber->consumer;
}

/* Holds the peeked message the long way: the fast calls leave it alone. */
static void keep_first(struct consumer *consumer)
{
    consumer->window.end = consumer->window.slot;
    consumer->holding = CONSUMER_OTHER;
}

static int start(struct subscriber *subscriber, unsigned count)
{
    struct consumer *consumer = &subscriber->consumer;
    struct lookahead *ahead = subscriber->ahead;
    if (!ahead) {
        ahead = calloc(1, sizeof *ahead);
        if (!ahead) {
            return error_set(-ENOMEM, "no memory for a batch of messages");
        }
        subscriber->ahead = ahead;
    }
    const int err =
        subscriber_try_peek(subscriber, count < SUBSCRIBER_BATCH_MAX ? count : SUBSCRIBER_BATCH_MAX);
    if (err != 0) {
        return err;
    }
    keep_first(consumer);
    store64_relaxed(&ahead->group.cursor, position_make(consumer->sequence, consumer->line));
    consumer_init(&ahead->consumer, consumer->ring, &ahead->group, &ahead->member, consumer->sequence, NULL);
    ahead->consumer.sampled = consumer->sampled;
    return 0;
}

/* May no more be held? A shared group's member holds what was taken at once, any other one the ring. */
static bool is_full(const struct subscriber *subscriber)
{
    const struct consumer *own = &subscriber->consumer;
    const uint64_t next = subscriber->ahead->consumer.sequence;
    return own->shared ? next >= own->end : next - own->sequence >= own->ring->slot_count;
}

/* Passes over what was given up, maybe out of what a shared group's member has taken. */
static int look(struct subscriber *subscriber)
{
    struct consumer *ahead = &subscriber->ahead->consumer;
    if (is_full(subscriber)) {
        return -EBUSY;
    }
    const int err = consumer_peek(ahead, 1);
    if ((err == 0 || err == -EAGAIN) && is_full(subscriber)) {
        ahead->holding = CONSUMER_NOTHING;
        return -EBUSY;
    }
    return err;
}

static void sample(struct subscriber *subscriber)
{
    struct consumer *ahead = &subscriber->ahead->consumer;
    struct shm_member *own = subscriber->consumer.own;
    if (ahead->message.sent != 0) {
        store64_relaxed(&ahead->own->largest_lag, load64_relaxed(&own->largest_lag));
        latency_see(ahead, &ahead->ring->latencies[subscriber->member], (uint64_t)os_clock_monotonic());
        store64_relaxed(&own->largest_lag, load64_relaxed(&ahead->own->largest_lag));
    }
}

/* What was shown may have been seen, if we die: said before it is. What a dead member may have seen stays marked. */
static void say_seen(struct subscriber *subscriber, unsigned shown)
{
    const struct consumer *own = &subscriber->consumer;
    if (shown > 0 && !own->shared) {
        const uint64_t end = subscriber->ahead->consumer.sequence;
        store32_relaxed(&own->own->held_end, (uint32_t)(end > own->redeliver_end ? end : own->redeliver_end));
    }
    subscriber->shown += shown;
}

static int no_more(const struct subscriber *subscriber, int err)
{
    if (err == -EAGAIN && channel_removed(subscriber->channel)) {
        return channel_removed_error(subscriber->channel);
    }
    return err == -EBUSY
               ? error_set(
                     err,
                     "%u messages are held, as many as may be, or of a shared group as were taken at once: give "
                     "them back first",
                     subscriber->shown)
               : subscriber_peek_error(subscriber, err);
}

static int show_copy(struct subscriber *subscriber, shmbus_message *message)
{
    if (subscriber->shown > 0) {
        return error_set(
            -EBUSY,
            "a message of an overwrite channel is held, and one at a time may be: give it back first");
    }
    const int err = subscriber_try_peek(subscriber, 1);
    if (err != 0) {
        return err;
    }
    subscriber_describe(&subscriber->consumer, &subscriber->consumer, message);
    subscriber->consumer.refused = 0;
    subscriber->shown = 1;
    return 1;
}

/* Up to `count` of those that are there; `err` says why it was not more. */
static unsigned show_some(struct subscriber *subscriber, shmbus_message *messages, unsigned count, int *err)
{
    struct consumer *ahead = &subscriber->ahead->consumer;
    unsigned shown = 0;
    while (shown < count && (*err = look(subscriber)) == 0) {
        sample(subscriber);
        subscriber_describe(&subscriber->consumer, ahead, &messages[shown++]);
        (void)consumer_release(ahead);
    }
    return shown;
}

/* Nothing more is there: publishers may use what was given back, and the first message is found again. */
static void rest(struct subscriber *subscriber)
{
    if (subscriber->shown == 0) {
        consumer_refuse(&subscriber->consumer);
    } else if (!subscriber->consumer.shared) {
        consumer_publish(&subscriber->consumer);
        subscriber_tell_space(subscriber);
    }
}

int subscriber_show(struct subscriber *subscriber, shmbus_message *messages, unsigned count)
{
    if (subscriber->consumer.ring->overwrite) {
        return show_copy(subscriber, messages);
    }
    int err = subscriber->shown == 0 ? start(subscriber, count) : 0;
    if (err != 0) {
        return err;
    }
    unsigned shown = show_some(subscriber, messages, count, &err);
    if (shown == 0 && err == -EAGAIN && channel_removed(subscriber->channel)) {
        shown =
            show_some(subscriber, messages, count, &err); /* what was sent between the look and the removal */
    }
    say_seen(subscriber, shown);
    if (shown == 0) {
        rest(subscriber);
    }
    return shown > 0 ? (int)shown : no_more(subscriber, err);
}

int subscriber_release_shown(struct subscriber *subscriber, unsigned count)
{
    struct consumer *consumer = &subscriber->consumer;
    int err = 0;
    bool tell = false;
    for (unsigned i = 0; i < count && err == 0; i++) {
        tell |= consumer_release(consumer);
        consumer->missed = 0;
        subscriber->shown--;
        if (subscriber->shown > 0) {
            err = consumer_peek(consumer, 1); /* it was there, or it had not been shown */
            keep_first(consumer);
        }
    }
    if (tell) {
        subscriber_tell_space(subscriber);
    }
    if (err != 0) {
        subscriber->shown = 0; /* somebody damages the segment */
        consumer_refuse(consumer);
        return subscriber_peek_error(subscriber, err);
    }
    return 0;
}
