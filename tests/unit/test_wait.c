/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting: deadlines that pass, and what wakes a publisher or subscriber that sleeps. */
#define _GNU_SOURCE
#include "unit_map.h"

#include <sched.h>

#define MS INT64_C(1000000)

static const shmbus_channel_options small[] = {
    {.producers = SHMBUS_SINGLE, .slots = 8, .arena = 8192, .largest = 4096},
    {.producers = SHMBUS_MULTI, .slots = 8, .arena = 8192, .largest = 4096},
};

static const enum shmbus_wait strategies[] = {SHMBUS_WAIT_ADAPTIVE, SHMBUS_WAIT_SPIN, SHMBUS_WAIT_BLOCK};

static shmbus_publisher *publisher_that(shmbus_bus *bus, enum shmbus_wait wait,
                                        const shmbus_channel_options *channel)
{
    shmbus_publisher *publisher = NULL;
    const shmbus_publisher_options options = {.channel = channel, .wait = wait};
    check_eq(shmbus_publisher_open(bus, "c", &options, &publisher), 0);
    return publisher;
}

static shmbus_subscriber *subscriber_that(shmbus_bus *bus, enum shmbus_wait wait, int shared)
{
    shmbus_subscriber *subscriber = NULL;
    const shmbus_subscriber_options options = {
        .group = "g", .shared = shared, .wait = wait, .from = SHMBUS_FROM_OLDEST};
    check_eq(shmbus_subscriber_open(bus, "c", &options, &subscriber), 0);
    return subscriber;
}

static void fill(shmbus_publisher *publisher)
{
    for (uint64_t i = 0; i < 8; i++) {
        check_eq(unit_send(publisher, 30, i, SHMBUS_NOWAIT), 0);
    }
}

static int no_callback(void *context, const shmbus_message *message)
{
    (void)context;
    (void)message;
    unit_fail(__FILE__, __LINE__, "there is no message");
}

/* ---------------------------------------------------------------------------------------- deadlines */

static void receive_times_out(shmbus_subscriber *subscriber, int64_t deadline)
{
    char byte;
    shmbus_message message;
    check_eq(shmbus_recv(subscriber, &byte, 1, NULL, deadline), -ETIMEDOUT);
    check_eq(shmbus_peek(subscriber, &message, deadline), -ETIMEDOUT);
    check_eq(shmbus_next(subscriber, &message, deadline), -ETIMEDOUT);
    check_eq(shmbus_poll(subscriber, 10, deadline, no_callback, NULL), -ETIMEDOUT);
    check(shmbus_now() >= deadline);
}

static void send_times_out(shmbus_publisher *publisher, int64_t deadline)
{
    shmbus_claim_t claims[2] = {{.size = 1}, {.size = 1}};
    const struct iovec message = {.iov_base = claims, .iov_len = 1};
    check_eq(shmbus_send(publisher, "x", 1, deadline), -ETIMEDOUT);
    check_eq(shmbus_send_batch(publisher, &message, 1, deadline), -ETIMEDOUT);
    check_eq(shmbus_claim(publisher, claims, deadline), -ETIMEDOUT);
    check_eq(shmbus_claim_batch(publisher, claims, 2, deadline), -ETIMEDOUT);
    check(shmbus_now() >= deadline);
}

/* Readers publish room by the eighth of the ring: who gives up looks at what they have really given back. */
UNIT(wait, counts_unpublished_room_before_it_gives_up)
{
    for (unsigned i = 0; i < 6; i++) {
        const shmbus_channel_options options = {.producers = i % 2 ? SHMBUS_SINGLE : SHMBUS_MULTI,
                                                .slots = 64};
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = publisher_that(bus, strategies[i / 2], &options);
        shmbus_subscriber *subscriber = unit_subscriber(bus, NULL);
        char byte;
        for (unsigned k = 0; k < 64; k++) {
            check_eq(shmbus_send(publisher, "x", 1, SHMBUS_NOWAIT), 0);
        }
        check_eq(shmbus_send(publisher, "x", 1, shmbus_now()), -ETIMEDOUT);
        for (unsigned k = 0; k < 3; k++) {
            check_eq(shmbus_recv(subscriber, &byte, 1, NULL, SHMBUS_NOWAIT), 1);
        }
        for (unsigned k = 0; k < 3; k++) {
            check_eq(shmbus_send(publisher, "x", 1, shmbus_now()), 0);
        }
        check_eq(shmbus_send(publisher, "x", 1, shmbus_now()), -ETIMEDOUT);
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

UNIT(wait, ends_at_the_deadline)
{
    for (unsigned i = 0; i < 12; i++) {
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = publisher_that(bus, strategies[i % 3], &small[i / 3 % 2]);
        shmbus_subscriber *subscriber = subscriber_that(bus, strategies[i % 3], (int)i / 6);
        receive_times_out(subscriber, shmbus_deadline(20 * MS));
        receive_times_out(subscriber, shmbus_deadline(-1));
        receive_times_out(subscriber, 1);
        receive_times_out(subscriber, INT64_MIN);
        fill(publisher);
        send_times_out(publisher, shmbus_deadline(20 * MS));
        send_times_out(publisher, 1);
        send_times_out(publisher, INT64_MIN);
        check_eq(unit_channel_info().published, 8);
        check(strategies[i % 3] != SHMBUS_WAIT_SPIN || unit_member_info(0).stats.sleeps == 0);
        check(strategies[i % 3] != SHMBUS_WAIT_BLOCK || unit_member_info(0).stats.sleeps > 0);
        check(strategies[i % 3] != SHMBUS_WAIT_BLOCK || unit_publisher_info(0).stats.sleeps > 0);
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

/* A deadline that has passed does not keep from what is there. */
UNIT(wait, does_not_keep_from_what_is_there)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = publisher_that(bus, SHMBUS_WAIT_ADAPTIVE, &small[0]);
    shmbus_subscriber *subscriber = subscriber_that(bus, SHMBUS_WAIT_ADAPTIVE, 0);
    char byte;
    for (uint64_t i = 0; i < 50; i++) {
        check_eq(shmbus_send(publisher, "x", 1, 1), 0);
        check_eq(shmbus_recv(subscriber, &byte, 1, NULL, 1), 1);
    }
    check_eq(shmbus_close(bus), 0);
}

/* ------------------------------------------------------------------------------------------- threads */

struct call {
    shmbus_publisher *publisher;
    shmbus_subscriber *subscriber;
    size_t size; /* of what is sent; else 5 */
    int64_t deadline;
    int64_t result;
    pthread_t thread;
};

static void *receive(void *context)
{
    struct call *call = context;
    char buffer[64];
    call->result = shmbus_recv(call->subscriber, buffer, sizeof buffer, NULL, call->deadline);
    return NULL;
}

static void *send_one(void *context)
{
    struct call *call = context;
    call->result = unit_send(call->publisher, call->size ? call->size : 5, 0, call->deadline);
    return NULL;
}

static void start(struct call *call, void *(*body)(void *))
{
    check_eq(pthread_create(&call->thread, NULL, body, call), 0);
}

static int64_t finish(struct call *call)
{
    check_eq(pthread_join(call->thread, NULL), 0);
    return call->result;
}

UNIT(wait, of_a_subscriber_ends_with_a_message)
{
    for (unsigned i = 0; i < 12; i++) {
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = publisher_that(bus, SHMBUS_WAIT_ADAPTIVE, &small[i % 2]);
        struct call call = {.subscriber = subscriber_that(bus, strategies[i / 2 % 3], (int)i / 6)};
        for (unsigned round = 0; round < 5; round++) {
            const uint64_t slept = unit_member_info(0).stats.sleeps;
            call.deadline = round % 2 ? SHMBUS_FOREVER : shmbus_deadline(60000 * MS);
            start(&call, receive);
            if (strategies[i / 2 % 3] != SHMBUS_WAIT_SPIN) {
                check_soon(unit_member_info(0).stats.sleeps > slept);
            }
            check_eq(shmbus_send(publisher, "hello", 5, SHMBUS_NOWAIT), 0);
            check_eq(finish(&call), 5);
        }
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

UNIT(wait, of_a_publisher_ends_with_room)
{
    for (unsigned i = 0; i < 12; i++) {
        shmbus_bus *bus = unit_open();
        struct call call = {.publisher = publisher_that(bus, strategies[i / 2 % 3], &small[i % 2])};
        shmbus_subscriber *subscriber = subscriber_that(bus, SHMBUS_WAIT_ADAPTIVE, (int)i / 6);
        fill(call.publisher);
        for (uint64_t round = 0; round < 5; round++) {
            const uint64_t blocked = unit_publisher_info(0).stats.blocked;
            const uint64_t slept = unit_publisher_info(0).stats.sleeps;
            call.deadline = round % 2 ? SHMBUS_FOREVER : shmbus_deadline(60000 * MS);
            start(&call, send_one);
            check_soon(unit_publisher_info(0).stats.blocked > blocked);
            if (strategies[i / 2 % 3] != SHMBUS_WAIT_SPIN) {
                check_soon(unit_publisher_info(0).stats.sleeps > slept);
            }
            char buffer[64];
            check(shmbus_recv(subscriber, buffer, sizeof buffer, NULL, SHMBUS_NOWAIT) > 0);
            check_eq(finish(&call), 0);
        }
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

/* Slots are free, but the arena is not. */
UNIT(wait, of_a_publisher_ends_with_room_in_the_arena)
{
    for (unsigned i = 0; i < 4; i++) {
        shmbus_bus *bus = unit_open();
        struct call call = {.publisher = publisher_that(bus, SHMBUS_WAIT_BLOCK, &small[i % 2]),
                            .size = 4096,
                            .deadline = SHMBUS_FOREVER};
        shmbus_subscriber *subscriber = subscriber_that(bus, SHMBUS_WAIT_BLOCK, (int)i / 2);
        uint64_t sent = 0;
        while (unit_send(call.publisher, 4096, sent, SHMBUS_NOWAIT) == 0) {
            sent++;
        }
        check(sent >= 1 && sent < 8);
        check_eq(unit_send(call.publisher, 4096, sent, shmbus_deadline(5 * MS)), -ETIMEDOUT);
        check_eq(unit_send(call.publisher, 40, sent, SHMBUS_NOWAIT), 0); /* this one lies in its slot */
        const uint64_t slept = unit_publisher_info(0).stats.sleeps;
        start(&call, send_one);
        check_soon(unit_publisher_info(0).stats.sleeps > slept);
        for (uint64_t j = 0; j < sent; j++) {
            unit_receive(subscriber, j, 4096, j);
        }
        unit_receive(subscriber, sent, 40, sent);
        check_eq(finish(&call), 0);
        unit_receive(subscriber, sent + 1, 4096, 0);
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

/* One send wakes all groups; one message wakes at least the one worker who gets it. */
UNIT(wait, of_many_ends_together)
{
    enum {
        READERS = 12
    };
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = publisher_that(bus, SHMBUS_WAIT_ADAPTIVE, &small[1]);
    struct call calls[READERS];
    for (uint32_t i = 0; i < READERS; i++) {
        const shmbus_subscriber_options options = {.wait = SHMBUS_WAIT_BLOCK};
        calls[i] = (struct call){.deadline = SHMBUS_FOREVER};
        check_eq(shmbus_subscriber_open(bus, "c", &options, &calls[i].subscriber), 0);
        start(&calls[i], receive);
    }
    for (uint32_t i = 0; i < READERS; i++) {
        check_soon(unit_member_info(i).stats.sleeps > 0);
    }
    check_eq(shmbus_send(publisher, "hello", 5, SHMBUS_NOWAIT), 0);
    for (unsigned i = 0; i < READERS; i++) {
        check_eq(finish(&calls[i]), 5);
    }
    check(unit_publisher_info(0).stats.wakes > 0);
    check_eq(shmbus_close(bus), 0);
}

UNIT(wait, of_workers_is_shared_out)
{
    enum {
        WORKERS = 6
    };
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = publisher_that(bus, SHMBUS_WAIT_ADAPTIVE, &small[1]);
    struct call calls[WORKERS];
    for (uint32_t i = 0; i < WORKERS; i++) {
        calls[i] = (struct call){.subscriber = subscriber_that(bus, SHMBUS_WAIT_BLOCK, 1),
                                 .deadline = SHMBUS_FOREVER};
        start(&calls[i], receive);
    }
    for (uint32_t i = 0; i < WORKERS; i++) {
        check_soon(unit_member_info(i).stats.sleeps > 0);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        check_eq(shmbus_send(publisher, "hello", 5, SHMBUS_NOWAIT), 0);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        check_eq(finish(&calls[i]), 5);
    }
    check_eq(unit_group_info("g").messages, WORKERS);
    check_eq(shmbus_close(bus), 0);
}

/* ----------------------------------------------------------------------------------------- processes */

static void echo(void *context)
{
    const struct unit_gate *joined = context;
    shmbus_bus *bus = unit_open();
    shmbus_subscriber *subscriber = unit_subscriber(bus, "child");
    unit_gate_open(joined);
    for (unsigned i = 0; i < 20; i++) {
        char buffer[8];
        check_eq(shmbus_recv(subscriber, buffer, sizeof buffer, NULL, SHMBUS_FOREVER), 5);
    }
    check_eq(shmbus_close(bus), 0);
}

UNIT(wait, of_another_process_ends_with_a_message)
{
    struct unit_gate joined = unit_gate();
    shmbus_bus *bus = NULL;
    check_eq(shmbus_open(unit_bus, NULL, &bus), 0);
    check_eq(shmbus_channel_create(bus, "c", &small[0]), 0);
    check_eq(shmbus_close(bus), 0);
    const pid_t child = unit_fork(echo, &joined);
    bus = unit_open();
    shmbus_publisher *publisher = publisher_that(bus, SHMBUS_WAIT_ADAPTIVE, NULL);
    unit_gate_wait(&joined);
    for (unsigned i = 0; i < 20; i++) {
        const uint64_t slept = unit_member_info(0).stats.sleeps;
        check_eq(unit_group_info("child").pending, 0);
        check_soon(unit_member_info(0).stats.sleeps > slept);
        check_eq(shmbus_send(publisher, "hello", 5, SHMBUS_NOWAIT), 0);
        if (i < 19) {
            check_soon(unit_group_info("child").pending == 0);
        }
    }
    unit_join(child);
    check_eq(shmbus_close(bus), 0);
}

/* ------------------------------------------------------------------------------------------- removal */

UNIT(wait, ends_with_the_removal_of_the_channel)
{
    for (unsigned i = 0; i < 6; i++) {
        shmbus_bus *bus = unit_open();
        const enum shmbus_wait wait = strategies[i % 3];
        struct call sending = {.publisher = publisher_that(bus, wait, &small[i / 3]),
                               .deadline = SHMBUS_FOREVER};
        struct call receiving = {.subscriber = subscriber_that(bus, wait, (int)i / 3),
                                 .deadline = SHMBUS_FOREVER};
        fill(sending.publisher);
        shmbus_subscriber *idle = NULL;
        check_eq(shmbus_subscriber_open(bus, "c", &(shmbus_subscriber_options){.wait = wait}, &idle), 0);
        receiving.subscriber = idle;
        start(&receiving, receive);
        start(&sending, send_one);
        check_soon(unit_publisher_info(0).stats.blocked > 0);
        if (wait != SHMBUS_WAIT_SPIN) {
            check_soon(unit_publisher_info(0).stats.sleeps > 0 && unit_member_info(1).stats.sleeps > 0);
        }
        /* They are woken: each sleep ends by itself as well, but late. */
        const struct ring ring = unit_ring(unit_map());
        check_soon(wait == SHMBUS_WAIT_SPIN ||
                   (unit_asleep(&ring.shared->data) && unit_asleep(&ring.shared->space)));
        const uint32_t data = load32_acquire(&ring.shared->data.event);
        const uint32_t space = load32_acquire(&ring.shared->space.event);
        check_eq(shmbus_channel_remove(bus, "c"), 0);
        check(wait == SHMBUS_WAIT_SPIN || load32_acquire(&ring.shared->data.event) != data);
        check(wait == SHMBUS_WAIT_SPIN || load32_acquire(&ring.shared->space.event) != space);
        check_eq(finish(&sending), -EIDRM);
        check_eq(finish(&receiving), -EIDRM);
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

static void wait_for_removal(void *context)
{
    const struct unit_gate *joined = context;
    shmbus_bus *bus = unit_open();
    shmbus_subscriber *subscriber = unit_subscriber(bus, NULL);
    char byte;
    unit_gate_open(joined);
    check_fails(shmbus_recv(subscriber, &byte, 1, NULL, SHMBUS_FOREVER), -EIDRM, "\"c\"", "removed");
    check_eq(shmbus_close(bus), 0);
}

UNIT(wait, of_another_process_ends_with_the_removal)
{
    struct unit_gate joined = unit_gate();
    shmbus_bus *bus = unit_open();
    const struct unit_file empty = unit_file();
    check_eq(shmbus_channel_create(bus, "c", &small[1]), 0);
    check_eq(shmbus_close(bus), 0);
    const pid_t child = unit_fork(wait_for_removal, &joined);
    unit_gate_wait(&joined);
    check_soon(unit_member_info(0).stats.sleeps > 0);
    bus = unit_open();
    check_eq(shmbus_channel_remove(bus, "c"), 0);
    unit_join(child);
    check_eq(unit_file().blocks, empty.blocks); /* given back by the last who used it */
    check_eq(shmbus_close(bus), 0);
}

struct farewell {
    shmbus_bus *bus;
    shmbus_publisher *publisher;
};

static void *send_and_remove(void *context)
{
    struct farewell *farewell = context;
    check_eq(unit_send(farewell->publisher, 30, 0, SHMBUS_FOREVER), 0);
    check_eq(shmbus_channel_remove(farewell->bus, "c"), 0);
    return NULL;
}

/*
 * A message that was sent before the removal is told before the removal, also where both happen in the middle of the
 * reader's look: on one CPU, while it yields.
 */
UNIT(wait, ends_with_the_message_before_the_removal)
{
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    (void)sched_setaffinity(0, sizeof first, &first); /* where that CPU is not ours the race is only rarer */
    for (unsigned round = 0; round < 60; round++) {
        shmbus_bus *bus = unit_open();
        struct farewell farewell = {
            .bus = bus, .publisher = publisher_that(bus, SHMBUS_WAIT_ADAPTIVE, &small[round % 2])};
        shmbus_subscriber *subscriber = subscriber_that(bus, strategies[round % 3], 0);
        pthread_t thread;
        check_eq(pthread_create(&thread, NULL, send_and_remove, &farewell), 0);
        char message[64];
        check_eq(shmbus_recv(subscriber, message, sizeof message, NULL, SHMBUS_FOREVER), 30);
        check_eq(shmbus_recv(subscriber, message, sizeof message, NULL, SHMBUS_FOREVER), -EIDRM);
        check_eq(pthread_join(thread, NULL), 0);
        check_eq(shmbus_close(bus), 0);
    }
}

UNIT(wait, strategy_out_of_bounds)
{
    shmbus_bus *bus = unit_open();
    check_eq(shmbus_channel_create(bus, "c", NULL), 0);
    shmbus_publisher *publisher = NULL;
    shmbus_subscriber *subscriber = NULL;
    for (int wait = -1; wait <= 3; wait += 4) {
        char is[24];
        (void)snprintf(is, sizeof is, "wait is %d", wait);
        const shmbus_publisher_options p = {.wait = (enum shmbus_wait)wait};
        const shmbus_subscriber_options s = {.wait = (enum shmbus_wait)wait};
        check_fails(shmbus_publisher_open(bus, "c", &p, &publisher), -EINVAL, is, "0 to 2");
        check_fails(shmbus_subscriber_open(bus, "c", &s, &subscriber), -EINVAL, is, "0 to 2");
    }
    check(publisher == NULL && subscriber == NULL);
    check_eq(shmbus_close(bus), 0);
}
