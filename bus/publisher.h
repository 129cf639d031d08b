/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A publisher: a producer on a channel, with names, sizes, waiting and waking.
 *
 *   call                   who                           may overlap with
 *   publisher_open/close   holder of the directory lock   use of the channel by others
 *   others                 the handle's one user          everything
 *
 * killed        recovery.h frees the entry and aborts what was claimed and not committed.
 */
#ifndef SHMBUS_BUS_PUBLISHER_H
#define SHMBUS_BUS_PUBLISHER_H

#include "channel.h"
#include "latency.h"
#include "ring_producer.h"
#include "wait.h"
#include "waiter.h"

struct publisher {
    struct producer producer;
    struct channel *channel;
    const atomic_u32 *closing;
    struct wait_memory waits;
    struct wait_style style;
    bool fenced;    /* as own->fenced says to sleepers */
    uint32_t quiet; /* looks for sleepers that found none, since it fences */
    struct latency_sampler sampler;
};

/* Takes an entry of the channel. -EBUSY, -EUSERS. The reference to `channel` becomes the publisher's. */
int publisher_open(struct publisher *publisher, struct channel *channel, struct wait_style style,
                   const atomic_u32 *closing);

/* Aborts open claims, frees the entry, drops the channel. */
void publisher_close(struct publisher *publisher);

/*
 * Claims up to `count` messages of producer.claims[].size, without waiting or until `deadline`. Returns how
 * many, or -EMSGSIZE, -EBUSY, -EAGAIN, -ETIMEDOUT, -EIDRM, -ECANCELED.
 */
int publisher_try_claim(struct publisher *publisher, unsigned count);

/* The same; room that readers have made and not published counts. Dearer, and it follows them slot by slot. */
int publisher_try_claim_exactly(struct publisher *publisher, unsigned count);

/* Commits claimed message `index` with its final size, or aborts it: producer_finish() with a sample now and then. */
void publisher_finish(struct publisher *publisher, unsigned index, size_t size, uint32_t flags);

/* After an -EAGAIN that is the answer: somebody must look after the dead. */
void publisher_give_up(struct publisher *publisher);
int publisher_claim(struct publisher *publisher, unsigned count, int64_t deadline);

/* What it waits for when it has a message of `size` bytes: room. */
struct wait_source publisher_source(struct publisher *publisher, size_t size);

/*
 * Wakes sleeping readers, if any. After every commit or batch of them.
 *
 * A publisher that finds sleepers fences its commits from then on, and says so: they need no membarrier to sleep
 * again, which would interrupt every process on the host that sends. When it has found none for a while it
 * takes the word back and sends without (publisher.c).
 */
void publisher_notify(struct publisher *publisher);

static inline bool publisher_removed(const struct publisher *publisher)
{
    return load32_relaxed(&publisher->producer.shared->removed) != 0;
}

/* Do readers sleep for messages? After a commit through the window: publishers without one call publisher_notify(). */
static inline bool publisher_wake_wanted(const struct publisher *publisher)
{
    return waiter_wanted(&publisher->producer.shared->data);
}

/* Sends the usual message (producer_send_fast()); true with `*wake`: publisher_notify() is due. */
static inline bool publisher_send_fast(struct publisher *publisher, const void *data, size_t size, bool *wake)
{
    if (unlikely(!data || publisher_removed(publisher) ||
                 !producer_send_fast(&publisher->producer, data, size))) {
        return false;
    }
    *wake = publisher_wake_wanted(publisher);
    return true;
}

/* Counts a send that found no room. */
static inline void publisher_count_blocked(struct publisher *publisher)
{
    count_relaxed(&publisher->producer.own->blocked, 1);
}

#endif
