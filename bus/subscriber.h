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

struct lookahead;

struct subscriber {
    struct consumer consumer;
    struct lookahead *ahead; /* NULL before the first batch */
    unsigned shown; /* messages of a batch that are not given back; `consumer` holds the first of them */
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

/* Waits until there may be a message that was not shown: 0, or as subscriber_peek(). */
int subscriber_wait(struct subscriber *subscriber, int64_t deadline);

/* Explains what consumer_peek() returned. */
int subscriber_peek_error(const struct subscriber *subscriber, int err);

/* What it waits for: the next message that it does not hold. */
struct wait_source subscriber_source(struct subscriber *subscriber);

/* Gives the peeked message back and wakes publishers who wait for room. */
void subscriber_release(struct subscriber *subscriber);

/* Wakes publishers who wait for room. */
void subscriber_tell_space(struct subscriber *subscriber);

/* ------------------------------------------------------------------------------------------ batches */

#define SUBSCRIBER_BATCH_MAX 64u /* most messages of a shared group that one member holds */

/*
 * Shows up to `count` messages behind those that are shown. How many, or an error of subscriber_try_peek(), or -EBUSY
 * when it may hold no more.
 */
int subscriber_show(struct subscriber *subscriber, shmbus_message *messages, unsigned count);

/* Gives the first `count` of those shown back. -EBADMSG, and all are forgotten: they are not where they were. */
int subscriber_release_shown(struct subscriber *subscriber, unsigned count);

/* Who looks for the next message: the consumer, or the lookahead behind what a batch shows. */
const struct consumer *subscriber_front(const struct subscriber *subscriber);

/* Fills `message` with what `peeked` has peeked, and `own` will give back. */
static inline void subscriber_describe(const struct consumer *own, const struct consumer *peeked,
                                       shmbus_message *message)
{
    const bool again = peeked->sequence < own->redeliver_end;
    message->data = peeked->message.data;
    message->size = peeked->message.size;
    message->sequence = peeked->sequence;
    message->missed = peeked->missed;
    message->publisher = peeked->message.publisher;
    message->flags = again ? SHMBUS_REDELIVERED | own->attempts << SHMBUS_ATTEMPTS_SHIFT : 0;
}

#endif
