/* SPDX-License-Identifier: Apache-2.0 */
#include "publisher.h"

#include "error.h"
#include "os_clock.h"
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
    if (index < 0) { /* whether repaired by this call or by another's at the same time */
        (void)recovery_run(channel);
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
    store64_relaxed(&entry->spins, 0);
    /* The limit and the count of entries before the owner: who sees the owner sees the rest. */
    producer_init(&publisher->producer, ring, (uint32_t)index, false);
    store32_release(&entry->fenced, 1); /* [rel:fenced] */
    if (load32_relaxed(&ring->shared->publishers_used) <= (uint32_t)index) {
        store32_release(&ring->shared->publishers_used, (uint32_t)index + 1); /* [rel:tables] */
    }
    store64_release(&entry->owner, channel->segment->self.owner); /* [rel:owner] */
    publisher->channel = channel;
    publisher->closing = closing;
    publisher->style = style;
    publisher->fenced = true;
    publisher->quiet = 0;
    publisher->sampler = (struct latency_sampler){0};
    if (SAMPLING_BUILT) {
        producer_sample_at(&publisher->producer, publisher->producer.sequence);
    }
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
    recovery_leave_publisher(publisher->channel, producer->id);
    channel_close(publisher->channel);
}

#define QUIET_LOOKS 16u /* that found nobody asleep: it need not fence any more */

/* No claim is open, so the window is not in use. */
static void set_fenced(struct publisher *publisher, bool fenced)
{
    /* What was committed without a fence is visible before the word is. [rel:fenced] */
    store32_release(&publisher->producer.own->fenced, fenced);
    fence_seq_cst(); /* [fence:fenced] with the barriers of wait.c and waitset.c */
    publisher->fenced = fenced;
    publisher->quiet = 0;
    producer_allow_window(&publisher->producer, !fenced);
}

/* Who raised a flag before our fence may have counted on the word: then it is given again. */
static void stop_fencing(struct publisher *publisher)
{
    set_fenced(publisher, false);
    if (waiter_wanted(&publisher->producer.shared->data)) {
        set_fenced(publisher, true);
    }
}

/* Readers that sleep are no fast stream, though the last sample may have been of one: the next is not far. */
static void sample_soon(struct publisher *publisher)
{
    struct producer *producer = &publisher->producer;
    const uint64_t soon = producer->sequence + producer_passed(producer) + LATENCY_STEP_WOKEN;
    if (SAMPLING_BUILT && producer->sample_at > soon) {
        producer_sample_at(producer, soon);
    }
}

static void found_sleepers(struct publisher *publisher)
{
    count_relaxed(&publisher->producer.own->wakes, 1);
    publisher->quiet = 0;
    if (publisher->producer.open == 0) {
        sample_soon(publisher);
    }
    if (!publisher->fenced && publisher->producer.open == 0) {
        set_fenced(publisher, true);
    }
}

void publisher_notify(struct publisher *publisher)
{
    const struct participant *self = &publisher->channel->segment->self;
    if (waiter_notify(&publisher->producer.shared->data, self, publisher->fenced)) {
        found_sleepers(publisher);
    } else if (publisher->fenced && self->registered && publisher->producer.open == 0 &&
               ++publisher->quiet >= QUIET_LOOKS) {
        stop_fencing(publisher);
    }
}

/* The flag that makes message `index` say when it was sent, if it is its turn and there is room for that. */
static uint32_t sample(struct publisher *publisher, unsigned index, size_t size)
{
    struct producer *producer = &publisher->producer;
    if (likely(!producer_sample_due(producer, index))) {
        return 0;
    }
    producer->sent = (uint64_t)os_clock_monotonic();
    producer->sample_at = producer->first + index + latency_step(&publisher->sampler, producer->sent);
    return producer_may_sample(producer, index, size) ? STAMP_SAMPLED : 0;
}

void publisher_finish(struct publisher *publisher, unsigned index, size_t size, uint32_t flags)
{
    if (!(flags & STAMP_ABORTED)) {
        flags |= sample(publisher, index, size);
    }
    producer_finish(&publisher->producer, index, size, flags);
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

static bool never(const struct wait_source *source)
{
    (void)source;
    return false;
}

struct wait_source publisher_source(struct publisher *publisher, size_t size)
{
    return (struct wait_source){
        .channel = publisher->channel,
        .wait = &publisher->channel->ring.shared->space,
        .ready = room,
        .held_up = always,
        .fenced = never,
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

static int try_claim(struct publisher *publisher, unsigned count, bool exact)
{
    const int fit = check_claim(publisher, count);
    if (fit <= 0) {
        return fit;
    }
    return producer_claim(&publisher->producer, (unsigned)fit, exact);
}

int publisher_try_claim(struct publisher *publisher, unsigned count)
{
    return try_claim(publisher, count, false);
}

int publisher_try_claim_exactly(struct publisher *publisher, unsigned count)
{
    return try_claim(publisher, count, true);
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
        .spins = &publisher->producer.own->spins,
        .memory = &publisher->waits,
    };
}

void publisher_give_up(struct publisher *publisher)
{
    struct wait_for_source one;
    const struct wait_request request = wait_request(publisher, &one, SHMBUS_NOWAIT);
    wait_not_at_all(&request);
}

int publisher_claim(struct publisher *publisher, unsigned count, int64_t deadline)
{
    struct wait_for_source one;
    const struct wait_request request = wait_request(publisher, &one, deadline);
    int claimed = -EAGAIN;
    while (claimed == -EAGAIN) {
        const int err = wait_until_ready(&request);
        if (err != 0 && err != -ETIMEDOUT) {
            return err == -EIDRM ? channel_removed_error(publisher->channel) : err;
        }
        claimed = err == 0 ? publisher_try_claim(publisher, count) : -EAGAIN;
        if (claimed == -EAGAIN) { /* what is ready need not be published, and a last look is an exact one */
            claimed = publisher_try_claim_exactly(publisher, count);
        }
        if (claimed == -EAGAIN && err != 0) {
            return err;
        }
    }
    return claimed;
}
