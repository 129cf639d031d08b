/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The publishing half of shmbus.h: finds the handle, tries inside the read-side section, and pins the handle
 * where it has to wait.
 */
#include "api_child.h"
#include "api_publisher.h"
#include "api_reply.h"
#include "error.h"

__thread uintptr_t reply_lines;

/* One API call on a publisher: inside a read-side section until it pins. */
struct call {
    struct publisher_handle *owner;
    bool pinned;
};

static int call_begin(struct call *call, shmbus_publisher *key)
{
    struct handle *handle = handle_enter_any(key, HANDLE_PUBLISHER);
    if (!handle) {
        return -EBADF;
    }
    *call = (struct call){.owner = publisher_from_handle(handle)};
    return 0;
}

static int call_end(struct call *call, int result)
{
    if (!call->pinned || handle_unpin(&call->owner->child.handle)) {
        handle_leave();
    }
    return result;
}

/* The same after a claim: one that was made while the handle was closed is aborted by now. */
static int call_end_claim(struct call *call, int claimed)
{
    if (call->pinned && !handle_unpin(&call->owner->child.handle)) {
        return -ECANCELED;
    }
    handle_leave();
    return claimed;
}

static void wake(struct handle *handle)
{
    const struct channel *channel = publisher_from_handle(handle)->publisher.channel;
    waiter_tell(&channel->ring.shared->space, &channel->segment->self);
}

static int open_publisher(struct bus_child *child, struct channel *channel, const void *asked)
{
    const shmbus_publisher_options *options = asked;
    struct publisher *publisher = &publisher_from_handle(&child->handle)->publisher;
    const struct wait_style style = {.strategy = options->wait, .interruptible = options->interruptible != 0};
    return publisher_open(publisher, channel, style, &child->handle.closing);
}

static void close_publisher(struct bus_child *child)
{
    publisher_close(&publisher_from_handle(&child->handle)->publisher);
}

static const struct child_kind publisher_kind = {
    .handle = HANDLE_PUBLISHER,
    .size = sizeof(struct publisher_handle),
    .wake = wake,
    .open = open_publisher,
    .close = close_publisher,
};

int shmbus_publisher_open(shmbus_bus *bus, const char *channel, const shmbus_publisher_options *asked,
                          shmbus_publisher **out)
{
    const shmbus_publisher_options options = asked ? *asked : (shmbus_publisher_options){0};
    if (!out || (unsigned)options.wait > SHMBUS_WAIT_BLOCK) {
        return error_set(-EINVAL, out ? "wait is %d, must be 0 to 2" : "no place for the handle (wait %d)",
                         (int)options.wait);
    }
    void *key;
    const int err = child_open(bus, &publisher_kind, channel, options.channel, &options, &key);
    if (err == 0) {
        *out = key;
    }
    return err;
}

int shmbus_publisher_close(shmbus_publisher *publisher)
{
    return handle_close(publisher, HANDLE_PUBLISHER);
}

/*
 * Who will not wait is told the truth: room that readers have made and not published counts. (Who waits lets
 * them publish: following a reader slot by slot would slow both down.)
 */
static int try_again_exactly(struct publisher *publisher, unsigned count)
{
    const int claimed = publisher_try_claim_exactly(publisher, count);
    if (claimed == -EAGAIN) {
        publisher_give_up(publisher);
    }
    return claimed;
}

/*
 * Claims up to `count` messages of producer.claims[].size: at once, or pinned until `deadline`. What was
 * committed before is announced before a wait, or its readers might sleep while we wait for them.
 */
static int claim_until(struct call *call, unsigned count, int64_t deadline)
{
    struct publisher *publisher = &call->owner->publisher;
    int claimed = publisher_try_claim(publisher, count);
    if (claimed != -EAGAIN) {
        return claimed;
    }
    publisher_count_blocked(publisher);
    publisher_notify(publisher);
    if (deadline == SHMBUS_NOWAIT) {
        return try_again_exactly(publisher, count);
    }
    if (!call->pinned) {
        const int err = handle_pin(&call->owner->child.handle);
        if (err != 0) {
            return err;
        }
        call->pinned = true;
    }
    return publisher_claim(publisher, count, deadline);
}

static int claim_open_error(void)
{
    return error_set(-EBUSY, "the publisher has a claim open: commit or abort it first");
}

static int send_in(struct call *call, const void *data, size_t size, int64_t deadline)
{
    struct publisher *publisher = &call->owner->publisher;
    struct producer *producer = &publisher->producer;
    if (!data && size > 0) {
        return error_set(-EINVAL, "`data` is NULL and `size` is %zu", size);
    }
    if (producer->open != 0) {
        return claim_open_error();
    }
    if (!channel_removed(publisher->channel) &&
        (producer_send_arena(producer, data, size) || producer_send_multi(producer, data, size))) {
        publisher_notify(publisher);
        reply_expect(producer, size);
        return 0;
    }
    producer->claims[0].size = size;
    const int claimed = claim_until(call, 1, deadline);
    if (claimed != 1) {
        return claimed;
    }
    producer_fill(producer, 0, data);
    publisher_finish(publisher, 0, size, 0);
    publisher_notify(publisher);
    reply_expect(producer, size);
    return 0;
}

static __attribute__((noinline)) int send_slow(shmbus_publisher *key, const void *data, size_t size,
                                               int64_t deadline)
{
    struct call call;
    if (call_begin(&call, key) != 0) {
        return -EBADF;
    }
    return call_end(&call, send_in(&call, data, size, deadline));
}

/* What follows a fast send when somebody sleeps; ends the section. */
static __attribute__((noinline, cold)) int notify_and_leave(struct publisher *publisher)
{
    publisher_notify(publisher);
    handle_leave();
    return 0;
}

/* The rest of a send that has entered the section already. */
static __attribute__((noinline)) int send_entered(struct handle *handle, const void *data, size_t size,
                                                  int64_t deadline)
{
    struct call call = {.owner = publisher_from_handle(handle)};
    return call_end(&call, send_in(&call, data, size, deadline));
}

int shmbus_send(shmbus_publisher *key, const void *data, size_t size, int64_t deadline)
{
    struct handle_section section;
    if (unlikely(!handle_enter_cached(key, HANDLE_PUBLISHER, &section))) {
        return send_slow(key, data, size, deadline);
    }
    struct publisher *publisher = &publisher_from_handle(section.handle)->publisher;
    bool wake_readers;
    if (unlikely(!publisher_send_fast(publisher, data, size, &wake_readers))) {
        return send_entered(section.handle, data, size, deadline);
    }
    reply_lines = (uintptr_t)publisher->producer.window.slot + slot_more_lines(size);
    if (unlikely(wake_readers)) {
        return notify_and_leave(publisher);
    }
    handle_leave_cached(section);
    return 0;
}

/* Sends as many of up to `count` as one claim takes; how many, or an error. */
static int send_some(struct call *call, const struct iovec *messages, unsigned count, int64_t deadline)
{
    struct publisher *publisher = &call->owner->publisher;
    struct producer *producer = &publisher->producer;
    unsigned chunk = count < SHMBUS_CLAIM_MAX ? count : SHMBUS_CLAIM_MAX;
    for (unsigned i = 0; i < chunk; i++) {
        if (!messages[i].iov_base && messages[i].iov_len > 0) {
            if (i == 0) {
                return error_set(-EINVAL, "a message's iov_base is NULL and its iov_len %zu",
                                 messages[i].iov_len);
            }
            chunk = i;
        } else {
            producer->claims[i].size = messages[i].iov_len;
        }
    }
    const int claimed = claim_until(call, chunk, deadline);
    for (int i = 0; i < claimed; i++) {
        producer_fill(producer, (unsigned)i, messages[i].iov_base);
        publisher_finish(publisher, (unsigned)i, messages[i].iov_len, 0);
    }
    return claimed;
}

/* The count is told; what ended the batch, by the next call: an interrupt is given back for that. */
static int sent_some(struct publisher *publisher, unsigned sent, int err)
{
    if (err == -EINTR) {
        publisher->waits.interrupts--;
    }
    return (int)sent;
}

static int send_batch(struct call *call, const struct iovec *messages, unsigned count, int64_t deadline)
{
    struct publisher *publisher = &call->owner->publisher;
    struct producer *producer = &publisher->producer;
    if (producer->open != 0) {
        return claim_open_error();
    }
    if (publisher_removed(publisher)) {
        return channel_removed_error(publisher->channel);
    }
    unsigned sent = 0;
    for (;;) {
        sent += producer_send_run(producer, messages + sent, count - sent);
        if (sent == count) {
            publisher_notify(publisher);
            return (int)sent;
        }
        const struct iovec *next = &messages[sent];
        if (next->iov_base && producer_send_arena(producer, next->iov_base, next->iov_len)) {
            sent++;
            continue;
        }
        /* Where there is a window one message opens it again. */
        const unsigned rest = producer->may_send_fast ? 1 : count - sent;
        const int some = send_some(call, next, rest, deadline);
        if (some <= 0) {
            publisher_notify(publisher);
            return sent > 0 ? sent_some(publisher, sent, some) : some;
        }
        sent += (unsigned)some;
    }
}

int shmbus_send_batch(shmbus_publisher *key, const struct iovec *messages, unsigned count, int64_t deadline)
{
    if (!messages || count == 0 || count > INT32_MAX) {
        return error_set(-EINVAL, "a batch of %u messages at %p: it needs 1 to %d", count,
                         (const void *)messages, INT32_MAX);
    }
    struct call call;
    if (call_begin(&call, key) != 0) {
        return -EBADF;
    }
    return call_end(&call, send_batch(&call, messages, count, deadline));
}

static int claim_batch(struct call *call, shmbus_claim_t *claims, unsigned count, int64_t deadline)
{
    struct producer *producer = &call->owner->publisher.producer;
    if (producer->open != 0) {
        return claim_open_error();
    }
    for (unsigned i = 0; i < count; i++) {
        producer->claims[i].size = claims[i].size;
    }
    const int claimed = claim_until(call, count, deadline);
    for (int i = 0; i < claimed; i++) {
        claims[i].data = producer_payload(producer, (unsigned)i);
        claims[i].sequence = producer->first + (unsigned)i;
    }
    return claimed;
}

int shmbus_claim_batch(shmbus_publisher *key, shmbus_claim_t *claims, unsigned count, int64_t deadline)
{
    if (!claims || count == 0 || count > SHMBUS_CLAIM_MAX) {
        return error_set(-EINVAL, "a batch of %u claims at %p: it needs 1 to %d", count, (void *)claims,
                         SHMBUS_CLAIM_MAX);
    }
    struct call call;
    if (call_begin(&call, key) != 0) {
        return -EBADF;
    }
    return call_end_claim(&call, claim_batch(&call, claims, count, deadline));
}

int shmbus_claim(shmbus_publisher *key, shmbus_claim_t *claim, int64_t deadline)
{
    struct handle_section section;
    if (likely(claim && handle_enter_cached(key, HANDLE_PUBLISHER, &section))) {
        struct publisher *publisher = &publisher_from_handle(section.handle)->publisher;
        struct producer *producer = &publisher->producer;
        const bool claimed = !publisher_removed(publisher) && producer_claim_one(producer, claim->size);
        if (likely(claimed)) {
            claim->data = producer_payload(producer, 0);
            claim->sequence = producer->first;
        }
        handle_leave_cached(section);
        if (likely(claimed)) {
            return 0;
        }
    }
    const int claimed = shmbus_claim_batch(key, claim, 1, deadline);
    return claimed == 1 ? 0 : claimed;
}

/* Is each of them an open claim of this publisher, no larger than it was claimed, and named once? */
static int check_claims(const struct producer *producer, const shmbus_claim_t *claims, unsigned count)
{
    uint64_t seen = 0;
    for (unsigned i = 0; i < count; i++) {
        const uint64_t index = claims[i].sequence - producer->first;
        const uint64_t bit = index < producer->claimed ? UINT64_C(1) << index : 0;
        if (!(producer->open & bit & ~seen)) {
            return error_set(-EINVAL, "message %llu is no open claim of this publisher",
                             (unsigned long long)claims[i].sequence);
        }
        if (claims[i].size > producer->claims[index].size) {
            return error_set(-EMSGSIZE, "the claim was for %zu bytes and has grown to %zu",
                             producer->claims[index].size, claims[i].size);
        }
        seen |= bit;
    }
    return 0;
}

static int finish_claims(shmbus_publisher *key, const shmbus_claim_t *claims, unsigned count, uint32_t flags)
{
    if (!claims && count > 0) {
        return error_set(-EINVAL, "`claims` is NULL");
    }
    struct call call;
    if (call_begin(&call, key) != 0) {
        return -EBADF;
    }
    struct publisher *publisher = &call.owner->publisher;
    struct producer *producer = &publisher->producer;
    const uint64_t first = producer->first;
    const int err = check_claims(producer, claims, count);
    for (unsigned i = 0; err == 0 && i < count; i++) {
        publisher_finish(publisher, (unsigned)(claims[i].sequence - first), claims[i].size, flags);
    }
    publisher_notify(publisher);
    return call_end(&call, err);
}

int shmbus_commit(shmbus_publisher *key, const shmbus_claim_t *claim)
{
    struct handle_section section;
    if (unlikely(!claim || !handle_enter_cached(key, HANDLE_PUBLISHER, &section))) {
        return finish_claims(key, claim, 1, 0);
    }
    struct publisher *publisher = &publisher_from_handle(section.handle)->publisher;
    if (unlikely(!producer_commit_one(&publisher->producer, claim->sequence, claim->size))) {
        handle_leave_cached(section);
        return finish_claims(key, claim, 1, 0);
    }
    reply_expect(&publisher->producer, claim->size);
    if (unlikely(publisher_wake_wanted(publisher))) {
        return notify_and_leave(publisher);
    }
    handle_leave_cached(section);
    return 0;
}

int shmbus_abort(shmbus_publisher *publisher, const shmbus_claim_t *claim)
{
    return finish_claims(publisher, claim, 1, STAMP_ABORTED);
}

int shmbus_commit_batch(shmbus_publisher *publisher, const shmbus_claim_t *claims, unsigned count)
{
    return finish_claims(publisher, claims, count, 0);
}

int shmbus_abort_batch(shmbus_publisher *publisher, const shmbus_claim_t *claims, unsigned count)
{
    return finish_claims(publisher, claims, count, STAMP_ABORTED);
}

int shmbus_publisher_stats_get(shmbus_publisher *key, shmbus_publisher_stats *stats)
{
    if (!stats) {
        return error_set(-EINVAL, "no place for the counters: `stats` is NULL");
    }
    struct call call;
    if (call_begin(&call, key) != 0) {
        return -EBADF;
    }
    const struct producer *producer = &call.owner->publisher.producer;
    const struct shm_publisher *own = producer->own;
    *stats = (shmbus_publisher_stats){
        .messages = producer_messages(producer->ring, own) - (producer->window_claim ? 1 : 0),
        .bytes = load64_relaxed(&own->bytes),
        .aborted = load64_relaxed(&own->aborted),
        .blocked = load64_relaxed(&own->blocked),
        .spins = load64_relaxed(&own->spins),
        .sleeps = load64_relaxed(&own->sleeps),
        .wakes = load64_relaxed(&own->wakes),
    };
    return call_end(&call, 0);
}
