/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/peer_bus.h"
#include "perf/loops.h"

#include <shmbus/shmbus.h>

#include <stdio.h>
#include <stdlib.h>

/* Channel of the messages that role `i` sends in a round trip; streams use the first. */
static const char *const channels[2] = {"there", "back"};

struct bus_link {
    struct bench_role *role;
    shmbus_bus *bus;
    shmbus_publisher *publisher;
    shmbus_subscriber *subscriber;
    char *buffer; /* `batch` messages */
    /* batches */
    unsigned batch;
    unsigned filled;
    unsigned granted;
    struct iovec vectors[SHMBUS_CLAIM_MAX];
    shmbus_claim_t claims[SHMBUS_CLAIM_MAX];
    shmbus_on_message on_message;
    struct sink *sink;
    bool ended;
};

static __attribute__((noinline, cold, noreturn)) void bus_fail(struct bus_link *link, const char *call,
                                                               int error)
{
    role_fail(link->role, "%s: %s", call, shmbus_strerror(error));
}

static inline void bus_send(void *context, size_t size, uint64_t number)
{
    struct bus_link *link = context;
    payload_write(link->buffer, size, number);
    int error = shmbus_send(link->publisher, link->buffer, size, SHMBUS_FOREVER);
    if (unlikely(error != 0))
        bus_fail(link, "shmbus_send", error);
}

static inline void bus_claim(void *context, size_t size, uint64_t number)
{
    struct bus_link *link = context;
    shmbus_claim_t claim = {.size = size};
    int error = shmbus_claim(link->publisher, &claim, SHMBUS_FOREVER);
    if (unlikely(error != 0))
        bus_fail(link, "shmbus_claim", error);
    payload_write(claim.data, size, number);
    error = shmbus_commit(link->publisher, &claim);
    if (unlikely(error != 0))
        bus_fail(link, "shmbus_commit", error);
}

static __attribute__((noinline)) void bus_flush(struct bus_link *link)
{
    for (unsigned sent = 0; sent < link->filled;) {
        int count =
            shmbus_send_batch(link->publisher, link->vectors + sent, link->filled - sent, SHMBUS_FOREVER);
        if (count < 0)
            bus_fail(link, "shmbus_send_batch", count);
        sent += (unsigned)count;
    }
    link->filled = 0;
}

static inline void bus_send_batched(void *context, size_t size, uint64_t number)
{
    struct bus_link *link = context;
    payload_write(link->buffer + link->filled * size, size, number);
    link->filled++;
    if (link->filled == link->batch || unlikely((number & PAYLOAD_LAST) != 0))
        bus_flush(link);
}

static __attribute__((noinline)) void bus_claim_more(struct bus_link *link, size_t size)
{
    for (unsigned i = 0; i < link->batch; i++)
        link->claims[i].size = size;
    int count = shmbus_claim_batch(link->publisher, link->claims, link->batch, SHMBUS_FOREVER);
    if (count < 0)
        bus_fail(link, "shmbus_claim_batch", count);
    link->granted = (unsigned)count;
    link->filled = 0;
}

static __attribute__((noinline)) void bus_commit_all(struct bus_link *link)
{
    int error = shmbus_commit_batch(link->publisher, link->claims, link->filled);
    if (error == 0 && link->granted > link->filled)
        error =
            shmbus_abort_batch(link->publisher, link->claims + link->filled, link->granted - link->filled);
    if (error != 0)
        bus_fail(link, "shmbus_commit_batch", error);
    link->granted = link->filled = 0;
}

static inline void bus_claim_batched(void *context, size_t size, uint64_t number)
{
    struct bus_link *link = context;
    if (link->filled == link->granted)
        bus_claim_more(link, size);
    payload_write(link->claims[link->filled].data, size, number);
    link->filled++;
    if (link->filled == link->granted || unlikely((number & PAYLOAD_LAST) != 0))
        bus_commit_all(link);
}

static __attribute__((noinline, cold, noreturn)) void bus_wrong_size(struct bus_link *link, size_t got)
{
    role_fail(link->role, "a message of %zu bytes, but all have %zu", got, link->role->run->shape.size);
}

static inline const void *bus_next_data(struct bus_link *link, size_t size)
{
    shmbus_message message;
    int error = shmbus_next(link->subscriber, &message, SHMBUS_FOREVER);
    if (unlikely(error != 0))
        bus_fail(link, "shmbus_next", error);
    if (unlikely(message.size != size))
        bus_wrong_size(link, message.size);
    return message.data;
}

static inline bool bus_next(void *context, struct sink *sink, size_t size)
{
    return sink_take(sink, bus_next_data(context, size), size);
}

static inline bool bus_next_any(void *context, struct sink *sink, size_t size)
{
    return sink_take_any(sink, bus_next_data(context, size), size);
}

static inline bool bus_recv(void *context, struct sink *sink, size_t size)
{
    struct bus_link *link = context;
    int64_t got = shmbus_recv(link->subscriber, link->buffer, size, NULL, SHMBUS_FOREVER);
    if (unlikely(got < 0))
        bus_fail(link, "shmbus_recv", (int)got);
    if (unlikely((size_t)got != size))
        bus_wrong_size(link, (size_t)got);
    return sink_take(sink, link->buffer, size);
}

#define ON_MESSAGE(name, take, bytes)                                                                        \
    static int name(void *context, const shmbus_message *message)                                            \
    {                                                                                                        \
        struct bus_link *link = context;                                                                     \
        if (unlikely(message->size != (bytes)))                                                              \
            bus_wrong_size(link, message->size);                                                             \
        link->ended = take(link->sink, message->data, bytes);                                                \
        return link->ended;                                                                                  \
    }

ON_MESSAGE(on_message_8, sink_take, 8)
ON_MESSAGE(on_message_56, sink_take, 56)
ON_MESSAGE(on_message_64, sink_take, 64)
ON_MESSAGE(on_message, sink_take, link->role->run->shape.size)
ON_MESSAGE(on_message_any, sink_take_any, link->role->run->shape.size)

static shmbus_on_message on_message_of(const struct bench_shape *shape)
{
    if (shape->senders > 1)
        return on_message_any;
    switch (shape->size) {
    case 8:
        return on_message_8;
    case 56:
        return on_message_56;
    case 64:
        return on_message_64;
    default:
        return on_message;
    }
}

static inline bool bus_poll(void *context, struct sink *sink, size_t size)
{
    struct bus_link *link = context;
    (void)size;
    link->sink = sink;
    int count = shmbus_poll(link->subscriber, link->batch, SHMBUS_FOREVER, link->on_message, link);
    if (unlikely(count < 0))
        bus_fail(link, "shmbus_poll", count);
    return link->ended;
}

static int bus_report(const char *call, int error)
{
    fprintf(stderr, "%s: %s\n", call, shmbus_strerror(error));
    return -1;
}

int bus_prepare(struct bench_run *run, int variant)
{
    const struct bench_shape *shape = &run->shape;
    shmbus_channel_options options = {
        .producers = variant & BUS_MULTI ? SHMBUS_MULTI : SHMBUS_SINGLE,
        .overflow = SHMBUS_BLOCK,
        .slots = shape->arena != 0 && shape->slots < 64 ? 64 : shape->slots,
        .slot_size = shape->slot_size,
        .arena = shape->arena,
        .largest = shape->arena != 0 ? shape->size : 0,
    };
    shmbus_bus_options bus_options = {.open = SHMBUS_CREATE_NEW};
    shmbus_bus *bus;
    int error = shmbus_open(run->bus, &bus_options, &bus);
    if (error != 0)
        return bus_report("shmbus_open", error);
    for (unsigned i = 0; i < 2 && error == 0; i++)
        error = shmbus_channel_create(bus, channels[i], &options);
    if (error != 0)
        bus_report("shmbus_channel_create", error);
    shmbus_close(bus);
    return error != 0 ? -1 : 0;
}

void bus_finish(struct bench_run *run, int variant)
{
    (void)variant;
    shmbus_remove(run->bus);
}

static enum shmbus_wait bus_wait(const struct bench_role *role, int variant)
{
    if (variant & BUS_BLOCK || (variant & BUS_ANSWERER_BLOCKS && role->index != 0))
        return SHMBUS_WAIT_BLOCK;
    return variant & BUS_ADAPTIVE ? SHMBUS_WAIT_ADAPTIVE : SHMBUS_WAIT_SPIN;
}

static void bus_publish_on(struct bus_link *link, const char *channel, int variant)
{
    shmbus_publisher_options options = {.wait = bus_wait(link->role, variant)};
    int error = shmbus_publisher_open(link->bus, channel, &options, &link->publisher);
    if (error != 0)
        bus_fail(link, "shmbus_publisher_open", error);
}

static void bus_subscribe_to(struct bus_link *link, const char *channel, int variant)
{
    shmbus_subscriber_options options = {.wait = bus_wait(link->role, variant)};
    int error = shmbus_subscriber_open(link->bus, channel, &options, &link->subscriber);
    if (error != 0)
        bus_fail(link, "shmbus_subscriber_open", error);
}

static void bus_join(struct bus_link *link, struct bench_role *role, int variant)
{
    const struct bench_shape *shape = &role->run->shape;
    shmbus_bus_options options = {.open = SHMBUS_OPEN_EXISTING};
    *link = (struct bus_link){.role = role, .batch = shape->batch, .on_message = on_message_of(shape)};
    link->buffer = aligned_alloc(64, (shape->batch * shape->size + 63) / 64 * 64);
    if (link->buffer == NULL)
        role_fail(role, "no memory for %u messages of %zu bytes", shape->batch, shape->size);
    for (unsigned i = 0; i < shape->batch; i++)
        link->vectors[i] = (struct iovec){link->buffer + i * shape->size, shape->size};
    int error = shmbus_open(role->run->bus, &options, &link->bus);
    if (error != 0)
        bus_fail(link, "shmbus_open", error);
    if (shape->kind == ROUND_TRIP) {
        bus_publish_on(link, channels[role->index], variant);
        bus_subscribe_to(link, channels[1 - role->index], variant);
    } else if (role->reader < 0) {
        bus_publish_on(link, channels[0], variant);
    } else {
        bus_subscribe_to(link, channels[0], variant);
    }
}

#define ROUND_TRIP_BY(send, take)                                                                            \
    do {                                                                                                     \
        if (role->index == 0)                                                                                \
            LOOP_BY_SIZE(size, loop_ask, role, link, send, take);                                            \
        else if (role->run->shape.reply_ns > 0)                                                              \
            loop_answer_late(role, link, send, take, size);                                                  \
        else                                                                                                 \
            LOOP_BY_SIZE(size, loop_answer, role, link, send, take);                                         \
    } while (0)

static void bus_round_trip(struct bench_role *role, struct bus_link *link, int variant)
{
    size_t size = role->run->shape.size;
    switch (variant & BUS_WAY) {
    case BUS_SEND_NEXT:
        ROUND_TRIP_BY(bus_send, bus_next);
        break;
    case BUS_CLAIM_NEXT:
        ROUND_TRIP_BY(bus_claim, bus_next);
        break;
    case BUS_SEND_RECV:
        ROUND_TRIP_BY(bus_send, bus_recv);
        break;
    default:
        role_fail(role, "no batches in a round trip");
    }
}

static void bus_produce(struct bench_role *role, struct bus_link *link, int variant)
{
    size_t size = role->run->shape.size;
    if ((variant & BUS_WAY) == BUS_BATCH_POLL && role->run->shape.arena != 0)
        LOOP_BY_SIZE(size, loop_produce, role, link, bus_claim_batched);
    else if ((variant & BUS_WAY) == BUS_BATCH_POLL)
        LOOP_BY_SIZE(size, loop_produce, role, link, bus_send_batched);
    else if ((variant & BUS_WAY) == BUS_CLAIM_NEXT)
        LOOP_BY_SIZE(size, loop_produce, role, link, bus_claim);
    else
        LOOP_BY_SIZE(size, loop_produce, role, link, bus_send);
}

static void bus_consume(struct bench_role *role, struct bus_link *link, int variant)
{
    size_t size = role->run->shape.size;
    if ((variant & BUS_WAY) == BUS_BATCH_POLL)
        loop_consume(role, link, bus_poll, size);
    else if ((variant & BUS_WAY) == BUS_SEND_RECV)
        LOOP_BY_SIZE(size, loop_consume, role, link, bus_recv);
    else if (role->run->shape.senders > 1)
        LOOP_BY_SIZE(size, loop_consume, role, link, bus_next_any);
    else
        LOOP_BY_SIZE(size, loop_consume, role, link, bus_next);
}

static void bus_wake(struct bench_role *role, struct bus_link *link, int variant)
{
    size_t size = role->run->shape.size;
    shmbus_publisher_stats stats;
    if ((variant & BUS_WAY) == BUS_BATCH_POLL)
        loop_wake(role, link, bus_send_batched, size, link->batch);
    else
        loop_wake(role, link, bus_send, size, 1);
    int error = shmbus_publisher_stats_get(link->publisher, &stats);
    if (error != 0)
        bus_fail(link, "shmbus_publisher_stats_get", error);
    role->result->wakes = stats.wakes;
}

static void bus_woken(struct bench_role *role, struct bus_link *link)
{
    shmbus_subscriber_stats stats;
    loop_woken(role, link, bus_next, role->run->shape.size);
    int error = shmbus_subscriber_stats_get(link->subscriber, &stats);
    if (error != 0)
        bus_fail(link, "shmbus_subscriber_stats_get", error);
    role->result->sleeps = stats.sleeps;
}

void bus_body(struct bench_role *role, int variant)
{
    struct bus_link link;
    bus_join(&link, role, variant);
    role_ready(role);
    if (role->run->shape.kind == ROUND_TRIP)
        bus_round_trip(role, &link, variant);
    else if (role->run->shape.kind == WAKE_UP && role->reader < 0)
        bus_wake(role, &link, variant);
    else if (role->run->shape.kind == WAKE_UP)
        bus_woken(role, &link);
    else if (role->reader < 0)
        bus_produce(role, &link, variant);
    else
        bus_consume(role, &link, variant);
    shmbus_close(link.bus);
    free(link.buffer);
}
