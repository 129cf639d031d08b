/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A subscriber: a consumer in a group of a channel, with joining, waiting and waking.
 *
 *   call                    who                            may overlap with
 *   subscriber_open/close   holder of the directory lock   use of the channel by others
 *   subscriber_remove_group holder of the directory lock   use of the channel by others
 *   others                  the handle's one user          everything
 *
 * killed        recovery.h frees the entry, and hands over what a shared group's member had taken.
 */
#ifndef SHMBUS_BUS_SUBSCRIBER_H
#define SHMBUS_BUS_SUBSCRIBER_H

#include "channel.h"
#include "ring_consumer.h"
#include "wait.h"
#include "waiter.h"

struct subscriber {
    struct consumer consumer;
    struct channel *channel;
    const atomic_u32 *closing;
    uint32_t group;  /* index */
    uint32_t member; /* index */
    struct wait_memory waits;
    struct wait_style style;
    uint32_t orphans; /* as the channel's when it last found no orphan */
};

/* Joins. The reference to `channel` becomes the subscriber's. Errors as shmbus_subscriber_open(). */
int subscriber_open(struct subscriber *subscriber, struct channel *channel,
                    const shmbus_subscriber_options *options, const atomic_u32 *closing);

/* Leaves the group and drops the channel. */
void subscriber_close(struct subscriber *subscriber);

/* Removes group `name` if it has no living member. -ENOENT, -EBUSY. */
int subscriber_remove_group(struct channel *channel, const char *name);

/* Shows the next message in consumer.message; takes up to `batch` in a shared group. */
int subscriber_try_peek(struct subscriber *subscriber, unsigned batch);

/* After an -EAGAIN that is the answer: somebody must look after the dead. */
void subscriber_give_up(struct subscriber *subscriber);
int subscriber_peek(struct subscriber *subscriber, unsigned batch, int64_t deadline);

/* What it waits for: the next message that it does not hold. */
struct wait_source subscriber_source(struct subscriber *subscriber);

/* Gives the peeked message back and wakes publishers who wait for room. */
void subscriber_release(struct subscriber *subscriber);

#endif
