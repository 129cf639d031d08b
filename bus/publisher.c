/* SPDX-License-Identifier: Apache-2.0 */
#include "publisher.h"

#include "error.h"
#include "recovery.h"
#include "wait.h"

#include <inttypes.h>

static int free_entry(const struct ring *ring)
{
    for (uint32_t i = 0; i < ring->publisher_max; i++) {
        if (load64_acquire(&ring->publishers[i].owner) == OWNER_NONE) { /* [acq:owner] */
            return (int)i;
        }
    }
    return -1;
}

static int taken_error(const struct channel *channel)
{
    const struct ring *ring = &channel->ring;
    if (ring->multi) {
        return error_set(-EUSERS, "channel \"%s\" has %u publishers, as many as it was created for",
                         channel->name, ring->publisher_max);
    }
    const struct participant *self = &channel->segment->self;
    const uint32_t index = participant_index(load64_relaxed(&ring->publishers[0].owner));
    const struct shm_participant *holder = &self->table[index < self->count ? index : 0];
    return error_set(-EBUSY,
                     "channel \"%s\" is for a single publisher and has one: participant %u \"%.*s\", pid %u",
                     channel->name, index, SHMBUS_NAME_MAX, holder->name, load32_relaxed(&holder->pid));
}

int publisher_open(struct publisher *publisher, struct channel *channel, struct wait_style style,
                   const atomic_u32 *closing)
{
    const struct ring *ring = &channel->ring;
    int index = free_entry(ring);
    if (index < 0 && recovery_run(channel) > 0) {
        index = free_entry(ring);
    }
    if (index < 0) {
        return taken_error(channel);
    }
    struct shm_publisher *entry = &ring->publishers[index];
    store64_relaxed(&entry->batch, 0);
    store64_relaxed(&entry->messages, 0);
    store64_relaxed(&entry->bytes, 0);
    store64_relaxed(&entry->aborted, 0);
    store64_relaxed(&entry->blocked, 0);
    store64_relaxed(&entry->sleeps, 0);
    store64_relaxed(&entry->wakes, 0);
    /* The limit and the count of entries before the owner: who sees the owner sees the rest. */
    producer_init(&publisher->producer, ring, (uint32_t)index, channel->segment->self.registered);
    if (load32_relaxed(&ring->shared->publishers_used) <= (uint32_t)index) {
        store32_release(&ring->shared->publishers_used, (uint32_t)index + 1); /* [rel:tables] */
    }
    store64_release(&entry->owner, channel->segment->self.owner); /* [rel:owner] */
    publisher->channel = channel;
    publisher->closing = closing;
    publisher->style = style;
    wait_memory_init(&publisher->waits);
    return 0;
}

void publisher_close(struct publisher *publisher)
{
    struct producer *producer = &publisher->producer;
    while (producer->open != 0) {
        const unsigned index = (unsigned)__builtin_ctzll(producer->open);
        producer_finish(producer, index, 0, STAMP_ABORTED);
    }
    publisher_notify(publisher);
    (void)recovery_release_publisher(publisher->channel, producer->id); /* settled: it has no claim */
    channel_close(publisher->channel);
}

void publisher_notify(struct publisher *publisher)
{
    if (waiter_notify(&publisher->producer.shared->data, &publisher->channel->segment->self)) {
        count_relaxed(&publisher->producer.own->wakes, 1);
    }
}

static bool room(const struct wait_source *source, bool thorough)
{
    struct publisher *publisher = source->user;
    return publisher->producer.open == 0 && producer_ready(&publisher->producer, source->size, thorough);
}

static bool always(const struct wait_source *source)
{
    (void)source;
    return true;
}

struct wait_source publisher_source(struct publisher *publisher, size_t size)
{
    return (struct wait_source){
        .channel = publisher->channel,
        .wait = &publisher->channel->ring.shared->space,
        .ready = room,
        .held_up = always,
        .user = publisher,
        .size = size,
    };
}

static int check_claim(const struct publisher *publisher, unsigned count)
{
    const struct producer *producer = &publisher->producer;
    if (producer->open != 0) {
        return error_set(-EBUSY, "the publisher has a claim open: commit or abort it first");
    }
    for (unsigned i = 0; i < count; i++) {
        if (producer->claims[i].size > producer->ring->largest) {
            return i > 0 ? (int)i
                         : error_set(-EMSGSIZE,
                                     "the message has %zu bytes, the largest of channel \"%s\" is %" PRIu64,
                                     producer->claims[0].size, publisher->channel->name,
                                     producer->ring->largest);
        }
    }
    if (channel_removed(publisher->channel)) {
        return channel_removed_error(publisher->channel);
    }
    return (int)count;
}

int publisher_try_claim(struct publisher *publisher, unsigned count)
{
    const int fit = check_claim(publisher, count);
    if (fit <= 0) {
        return fit;
    }
    return producer_claim(&publisher->producer, (unsigned)fit);
}

static struct wait_request wait_request(struct publisher *publisher, struct wait_for_source *one,
                                        int64_t deadline)
{
    const size_t size = publisher->producer.claims[0].size;
    *one =
        (struct wait_for_source){.source = publisher_source(publisher, size), .closing = publisher->closing};
    return (struct wait_request){
        .kind = &wait_kind_source,
        .context = one,
        .breadth = 1,
        .style = publisher->style,
        .deadline = deadline,
        .sleeps = &publisher->producer.own->sleeps,
        .memory = &publisher->waits,
    };
}

void publisher_give_up(struct publisher *publisher)
{
    struct wait_for_source one;
    const struct wait_request request = wait_request(publisher, &one, SHMBUS_NOWAIT);
    wait_not_at_all(&request);
}

/* The last look before a time-out is an exact one: room that readers have made and not published counts. */
static int claim_at_last(struct publisher *publisher, unsigned count)
{
    const bool ready = producer_ready(&publisher->producer, publisher->producer.claims[0].size, true);
    const int claimed = ready ? publisher_try_claim(publisher, count) : -EAGAIN;
    return claimed == -EAGAIN ? -ETIMEDOUT : claimed;
}

int publisher_claim(struct publisher *publisher, unsigned count, int64_t deadline)
{
    struct wait_for_source one;
    const struct wait_request request = wait_request(publisher, &one, deadline);
    for (;;) {
        const int claimed = publisher_try_claim(publisher, count);
        if (claimed != -EAGAIN) {
            return claimed;
        }
        const int err = wait_until_ready(&request);
        if (err == -ETIMEDOUT) {
            return claim_at_last(publisher, count);
        }
        if (err != 0) {
            return err == -EIDRM ? channel_removed_error(publisher->channel) : err;
        }
    }
}
