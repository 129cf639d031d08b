/* SPDX-License-Identifier: Apache-2.0 */
/* The subscribing part of shmbus.h but for the receiving: open, close, counters. */
#include "api_child.h"
#include "api_subscriber.h"
#include "error.h"

static void wake(struct handle *handle)
{
    const struct channel *channel = subscriber_from_handle(handle)->subscriber.channel;
    waiter_tell(&channel->ring.shared->data, &channel->segment->self);
}

static int open_subscriber(struct bus_child *child, struct channel *channel, const void *options)
{
    struct subscriber *subscriber = &subscriber_from_handle(&child->handle)->subscriber;
    return subscriber_open(subscriber, channel, options, &child->handle.closing);
}

static void close_subscriber(struct bus_child *child)
{
    subscriber_close(&subscriber_from_handle(&child->handle)->subscriber);
}

static const struct child_kind subscriber_kind = {
    .handle = HANDLE_SUBSCRIBER,
    .size = sizeof(struct subscriber_handle),
    .wake = wake,
    .open = open_subscriber,
    .close = close_subscriber,
};

static int check_options(const shmbus_subscriber_options *options)
{
    if ((unsigned)options->wait > SHMBUS_WAIT_BLOCK) {
        return error_set(-EINVAL, "wait is %d, must be 0 to 2", (int)options->wait);
    }
    if ((unsigned)options->from > SHMBUS_FROM_OLDEST) {
        return error_set(-EINVAL, "from is %d, must be 0 or 1", (int)options->from);
    }
    if (options->group) {
        return layout_check_name("group", options->group);
    }
    if (options->shared || options->durable) {
        return error_set(-EINVAL, "a %s group needs a name", options->shared ? "shared" : "durable");
    }
    return 0;
}

int shmbus_subscriber_open(shmbus_bus *bus, const char *channel, const shmbus_subscriber_options *asked,
                           shmbus_subscriber **out)
{
    const shmbus_subscriber_options options = asked ? *asked : (shmbus_subscriber_options){0};
    if (!out) {
        return error_set(-EINVAL, "no place for the subscriber handle: `subscriber` is NULL");
    }
    int err = check_options(&options);
    if (err != 0) {
        return err;
    }
    void *key;
    err = child_open(bus, &subscriber_kind, channel, options.channel, &options, &key);
    if (err == 0) {
        *out = key;
    }
    return err;
}

int shmbus_subscriber_close(shmbus_subscriber *subscriber)
{
    return handle_close(subscriber, HANDLE_SUBSCRIBER);
}

int shmbus_subscriber_stats_get(shmbus_subscriber *key, shmbus_subscriber_stats *stats)
{
    if (!stats) {
        return error_set(-EINVAL, "no place for the counters: `stats` is NULL");
    }
    struct handle *handle = handle_enter(key, HANDLE_SUBSCRIBER);
    if (!handle) {
        return -EBADF;
    }
    const struct consumer *consumer = &subscriber_from_handle(handle)->subscriber.consumer;
    const struct shm_member *own = consumer->own;
    *stats = (shmbus_subscriber_stats){
        .messages = load64_relaxed(&own->messages),
        .bytes = load64_relaxed(&own->bytes),
        .missed = load64_relaxed(&own->missed),
        .aborted = load64_relaxed(&own->aborted),
        .redelivered = load64_relaxed(&own->redelivered),
        .spins = load64_relaxed(&own->spins),
        .sleeps = load64_relaxed(&own->sleeps),
        .largest_lag = load64_relaxed(&own->largest_lag),
        .position = consumer->sequence,
    };
    handle_leave();
    return 0;
}
