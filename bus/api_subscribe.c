/* SPDX-License-Identifier: Apache-2.0 */
/* The subscribing part of shmbus.h but for the receiving: open, close, counters. */
#include "api_subscriber.h"
#include "error.h"

#include <stdlib.h>

static void wake(struct handle *handle)
{
    struct subscriber *subscriber = &subscriber_from_handle(handle)->subscriber;
    (void)waiter_wake(&subscriber->channel->ring.shared->data);
}

static void finish(struct handle *handle)
{
    struct subscriber_handle *owner = subscriber_from_handle(handle);
    struct segment *segment = &owner->child.bus->segment;
    if (segment_lock(segment) == 0) {
        subscriber_close(&owner->subscriber);
        segment_unlock(segment);
    }
    bus_release(&owner->child);
    handle_free(handle);
}

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

static int open_in(struct bus *bus, const char *channel, const shmbus_subscriber_options *options,
                   struct subscriber_handle *owner)
{
    struct channel *opened;
    int err = segment_lock(&bus->segment);
    if (err != 0) {
        return err;
    }
    err = channel_open(&bus->segment, channel, options->channel, &opened);
    if (err == 0) {
        err = subscriber_open(&owner->subscriber, opened, options, &owner->child.handle.closing);
        if (err != 0) {
            channel_close(opened);
        }
    }
    segment_unlock(&bus->segment);
    return err;
}

static void *adopt(struct bus *bus, struct subscriber_handle *owner)
{
    owner->child.handle.wake = wake;
    owner->child.handle.finish = finish;
    void *key = bus_adopt(bus, &owner->child, HANDLE_SUBSCRIBER);
    if (!key && segment_lock(&bus->segment) == 0) {
        subscriber_close(&owner->subscriber);
        segment_unlock(&bus->segment);
    }
    return key;
}

int shmbus_subscriber_open(shmbus_bus *key, const char *channel, const shmbus_subscriber_options *asked,
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
    struct bus *bus = bus_get(key);
    if (!bus) {
        return -EBADF;
    }
    struct subscriber_handle *owner = calloc(1, sizeof *owner);
    err = owner ? open_in(bus, channel, &options, owner) : error_set(-ENOMEM, "no memory for a subscriber");
    if (err == 0) {
        *out = adopt(bus, owner);
        err = *out ? 0 : error_set(-EBADF, "the bus is being closed");
    }
    if (err != 0) {
        free(owner);
    }
    bus_put(bus);
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
        .sleeps = load64_relaxed(&own->sleeps),
        .position = consumer->sequence,
    };
    handle_leave();
    return 0;
}
