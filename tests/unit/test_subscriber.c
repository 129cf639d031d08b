/* SPDX-License-Identifier: Apache-2.0 */
/* Receiving: recv, peek, release, next and poll, and what they leave as it was. */
#include "unit.h"

static const shmbus_channel_options block = {.slots = 64, .arena = 64 << 10, .largest = 4096};
static const shmbus_channel_options lossy = {.slots = 64, .overflow = SHMBUS_OVERWRITE};

struct pair {
    shmbus_bus *bus;
    shmbus_publisher *publisher;
    shmbus_subscriber *subscriber;
};

/* Kind 0: an exclusive group, 1: a shared group, 2 and 3: the same on an overwrite channel. */
#define KINDS 4

static struct pair open_pair(unsigned kind)
{
    struct pair pair = {.bus = unit_open()};
    pair.publisher = unit_publisher(pair.bus, kind / 2 ? &lossy : &block);
    pair.subscriber = kind % 2 ? unit_worker(pair.bus, "g") : unit_subscriber(pair.bus, "g");
    return pair;
}

static void close_pair(struct pair *pair)
{
    unit_check_ledger();
    check_eq(shmbus_close(pair->bus), 0);
    check_eq(shmbus_remove(unit_bus), 0);
}

static void send_many(struct pair *pair, uint64_t first, uint64_t count, size_t size)
{
    for (uint64_t i = first; i < first + count; i++) {
        check_eq(unit_send(pair->publisher, size, i, SHMBUS_NOWAIT), 0);
    }
}

static shmbus_message peek(const struct pair *pair)
{
    shmbus_message message = {0};
    check_eq(shmbus_peek(pair->subscriber, &message, SHMBUS_NOWAIT), 0);
    return message;
}

/* ------------------------------------------------------------------------------------ recv and peek */

UNIT(subscriber, bad_arguments)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct pair pair = open_pair(kind);
        send_many(&pair, 0, 1, 10);
        shmbus_subscriber_stats stats;
        check_fails(shmbus_recv(pair.subscriber, NULL, 10, NULL, SHMBUS_NOWAIT), -EINVAL, "NULL", "10");
        check_fails(shmbus_peek(pair.subscriber, NULL, SHMBUS_NOWAIT), -EINVAL, "NULL");
        check_fails(shmbus_next(pair.subscriber, NULL, SHMBUS_NOWAIT), -EINVAL, "NULL");
        check_fails(shmbus_poll(pair.subscriber, 1, SHMBUS_NOWAIT, NULL, NULL), -EINVAL, "callback");
        check_fails(shmbus_release(pair.subscriber), -EINVAL, "no message");
        check_fails(shmbus_subscriber_stats_get(pair.subscriber, NULL), -EINVAL, "NULL");
        check_fails(shmbus_subscriber_stats_get(NULL, &stats), -EBADF, "NULL");
        unit_receive(pair.subscriber, 0, 10, 0);
        close_pair(&pair);
    }
}

UNIT(subscriber, keeps_a_message_that_does_not_fit)
{
    const size_t sizes[] = {1, 40, 56, 57, 2000, 4096};
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct pair pair = open_pair(kind);
        for (uint64_t i = 0; i < 6; i++) {
            unsigned char small[4096] = {0xee};
            shmbus_message message = {.size = 12345};
            char is[24], was[24];
            (void)snprintf(is, sizeof is, "%zu bytes", sizes[i]);
            (void)snprintf(was, sizeof was, "%zu", sizes[i] - 1);
            send_many(&pair, i, 1, sizes[i]);
            check_fails(shmbus_recv(pair.subscriber, small, sizes[i] - 1, &message, SHMBUS_NOWAIT), -EMSGSIZE,
                        is, was);
            check_fails(shmbus_recv(pair.subscriber, NULL, 0, NULL, SHMBUS_FOREVER), -EMSGSIZE, is, "0");
            check_eq(small[0], 0xee);
            check_eq(message.size, 12345);
            check_eq(peek(&pair).size, sizes[i]);
            unit_receive(pair.subscriber, i, sizes[i], i);
        }
        close_pair(&pair);
    }
}

UNIT(subscriber, peeks_the_same_until_it_releases)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct pair pair = open_pair(kind);
        send_many(&pair, 0, 10, 100);
        for (uint64_t i = 0; i < 10; i += 2) {
            const shmbus_message first = peek(&pair), again = peek(&pair);
            check_eq(first.sequence, i);
            check(memcmp(&first, &again, sizeof first) == 0);
            unit_check_content(first.data, first.size, i);
            check_eq(shmbus_release(pair.subscriber), 0);
            check_fails(shmbus_release(pair.subscriber), -EINVAL, "no message");
            (void)peek(&pair);
            unit_receive(pair.subscriber, i + 1, 100, i + 1); /* recv takes what was peeked */
        }
        close_pair(&pair);
    }
}

UNIT(subscriber, next_releases_and_peeks)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct pair pair = open_pair(kind);
        shmbus_message message;
        send_many(&pair, 0, 30, 30);
        for (uint64_t i = 0; i < 30; i++) {
            check_eq(shmbus_next(pair.subscriber, &message, SHMBUS_NOWAIT), 0);
            check_eq(message.sequence, i);
            check_eq(peek(&pair).sequence, i);
        }
        check_fails(shmbus_next(pair.subscriber, &message, SHMBUS_NOWAIT), -EAGAIN, "");
        check_fails(shmbus_release(pair.subscriber), -EINVAL, "no message"); /* the last was released */
        check_eq(unit_group_info("g").messages, 30);
        close_pair(&pair);
    }
}

/* What is peeked stays as it is, however much is sent meanwhile. */
UNIT(subscriber, holds_what_it_peeked)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct pair pair = open_pair(kind);
        send_many(&pair, 0, 1, kind % 2 ? 3000 : 50);
        const shmbus_message message = peek(&pair);
        int err = 0;
        for (uint64_t i = 1; i < 500 && err == 0; i++) {
            err = unit_send(pair.publisher, (size_t)(i % 4000), i, SHMBUS_NOWAIT);
        }
        check_eq(err, kind / 2 ? 0 : -EAGAIN);
        unit_check_content(message.data, message.size, 0);
        check_eq(shmbus_release(pair.subscriber), 0);
        close_pair(&pair);
    }
}

UNIT(subscriber, counts)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct pair pair = open_pair(kind);
        shmbus_subscriber_stats stats;
        send_many(&pair, 0, 20, 100);
        for (uint64_t i = 0; i < 15; i++) {
            unit_receive(pair.subscriber, i, 100, i);
        }
        check_eq(shmbus_subscriber_stats_get(pair.subscriber, &stats), 0);
        check_eq(stats.messages, 15);
        check_eq(stats.bytes, 1500);
        check_eq(stats.missed + stats.aborted + stats.redelivered + stats.sleeps, 0);
        check_eq(stats.position, 15);
        check_eq(unit_group_info("g").pending, 5);
        close_pair(&pair);
    }
}

/* -------------------------------------------------------------------------------------------- poll */

struct polled {
    struct pair *pair;
    uint64_t next;
    uint64_t stop_at; /* the callback returns non-0 after this sequence */
    unsigned calls;
};

static int collect(void *context, const shmbus_message *message)
{
    struct polled *polled = context;
    check_eq(message->sequence, polled->next);
    unit_check_content(message->data, message->size, message->sequence);
    polled->next++;
    polled->calls++;
    return message->sequence == polled->stop_at;
}

UNIT(subscriber, polls_what_is_there_up_to_the_maximum)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct pair pair = open_pair(kind);
        struct polled polled = {.pair = &pair, .stop_at = UINT64_MAX};
        check_fails(shmbus_poll(pair.subscriber, 10, SHMBUS_NOWAIT, collect, &polled), -EAGAIN, "");
        send_many(&pair, 0, 60, 300);
        check_fails(shmbus_poll(pair.subscriber, 0, SHMBUS_NOWAIT, collect, &polled), -EINVAL, "max is 0");
        check_fails(shmbus_poll(pair.subscriber, UINT32_MAX, SHMBUS_NOWAIT, collect, &polled), -EINVAL,
                    "4294967295");
        check_eq(shmbus_poll(pair.subscriber, 1, SHMBUS_NOWAIT, collect, &polled), 1);
        check_eq(shmbus_poll(pair.subscriber, 20, SHMBUS_NOWAIT, collect, &polled), 20);
        check_eq(shmbus_poll(pair.subscriber, 1000, SHMBUS_FOREVER, collect, &polled), 39);
        check_eq(polled.calls, 60);
        check_fails(shmbus_poll(pair.subscriber, 1, SHMBUS_NOWAIT, collect, &polled), -EAGAIN, "");
        close_pair(&pair);
    }
}

UNIT(subscriber, poll_stops_early)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct pair pair = open_pair(kind);
        struct polled polled = {.pair = &pair, .stop_at = 4};
        send_many(&pair, 0, 20, 60);
        check_eq(shmbus_poll(pair.subscriber, 20, SHMBUS_NOWAIT, collect, &polled), 5);
        unit_receive(pair.subscriber, 5, 60, 5); /* what follows is still there */
        polled.next = 6;
        (void)peek(&pair);
        check_eq(shmbus_poll(pair.subscriber, 20, SHMBUS_NOWAIT, collect, &polled), 14);
        check_eq(unit_group_info("g").messages, 20);
        check_eq(unit_group_info("g").pending, 0);
        close_pair(&pair);
    }
}

static int call_everything(void *context, const shmbus_message *message)
{
    struct polled *polled = context;
    struct pair *pair = polled->pair;
    shmbus_message other;
    char byte;
    check_fails(shmbus_recv(pair->subscriber, &byte, 1, NULL, SHMBUS_NOWAIT), -EBUSY, "poll");
    check_fails(shmbus_peek(pair->subscriber, &other, SHMBUS_NOWAIT), -EBUSY, "poll");
    check_fails(shmbus_next(pair->subscriber, &other, SHMBUS_FOREVER), -EBUSY, "poll");
    check_fails(shmbus_release(pair->subscriber), -EBUSY, "poll");
    check_fails(shmbus_poll(pair->subscriber, 1, SHMBUS_NOWAIT, collect, context), -EBUSY, "poll");
    /* Anything else works: counters, other handles, opening and closing some. */
    shmbus_subscriber_stats stats;
    check_eq(shmbus_subscriber_stats_get(pair->subscriber, &stats), 0);
    shmbus_subscriber *second = unit_subscriber(pair->bus, NULL);
    check_eq(unit_send(pair->publisher, 10, message->sequence + 1, SHMBUS_NOWAIT), 0);
    shmbus_message last = {0};
    while (shmbus_next(second, &other, SHMBUS_NOWAIT) == 0) {
        last = other;
    }
    check_eq(last.sequence, message->sequence + 1);
    check_eq(shmbus_subscriber_close(second), 0);
    unit_check_content(message->data, message->size, message->sequence);
    polled->calls++;
    return message->sequence == 9;
}

UNIT(subscriber, poll_callback_may_call_anything_else)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct pair pair = open_pair(kind);
        struct polled polled = {.pair = &pair};
        send_many(&pair, 0, 1, 10);
        check_eq(shmbus_poll(pair.subscriber, 100, SHMBUS_NOWAIT, call_everything, &polled), 10);
        check_eq(polled.calls, 10);
        unit_receive(pair.subscriber, 10, 10, 10);
        close_pair(&pair);
    }
}

static int close_own(void *context, const shmbus_message *message)
{
    struct polled *polled = context;
    polled->calls++;
    if (message->sequence == polled->stop_at) {
        check_eq(shmbus_subscriber_close(polled->pair->subscriber), 0);
        check_fails(shmbus_subscriber_close(polled->pair->subscriber), -EBADF, "no open subscriber");
    }
    unit_check_content(message->data, message->size, message->sequence); /* valid until it returns */
    return 0;
}

UNIT(subscriber, poll_callback_may_close_the_subscriber)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct pair pair = open_pair(kind);
        struct polled polled = {.pair = &pair, .stop_at = 3};
        send_many(&pair, 0, 20, 200);
        check_eq(shmbus_poll(pair.subscriber, 20, SHMBUS_NOWAIT, close_own, &polled), 4);
        check_eq(polled.calls, 4);
        check_fails(shmbus_poll(pair.subscriber, 20, SHMBUS_NOWAIT, close_own, &polled), -EBADF,
                    "subscriber");
        check_eq(unit_channel_info().members, 0);
        check_eq(unit_channel_info().groups, 0);
        close_pair(&pair);
    }
}

static int close_bus(void *context, const shmbus_message *message)
{
    struct polled *polled = context;
    check_eq(shmbus_close(polled->pair->bus), 0);
    unit_check_content(message->data, message->size, message->sequence);
    return 0;
}

UNIT(subscriber, poll_callback_may_close_the_bus)
{
    struct pair pair = open_pair(0);
    struct polled polled = {.pair = &pair};
    send_many(&pair, 0, 20, 200);
    check_eq(shmbus_poll(pair.subscriber, 20, SHMBUS_NOWAIT, close_bus, &polled), 1);
    check_fails(shmbus_poll(pair.subscriber, 20, SHMBUS_NOWAIT, close_own, &polled), -EBADF, "subscriber");
    check_eq(unit_channel_info().members, 0);
}

/* ---------------------------------------------------------------------------------------- overwrite */

UNIT(subscriber, is_told_exactly_what_it_missed)
{
    for (unsigned kind = 2; kind < KINDS; kind++) {
        struct pair pair = open_pair(kind);
        uint64_t sent = 0, expected = 0, missed = 0;
        for (unsigned round = 0; round < 40; round++) {
            const uint64_t count = round * 13 % 200;
            send_many(&pair, sent, count, round * 50);
            sent += count;
            shmbus_message message;
            while (shmbus_next(pair.subscriber, &message, SHMBUS_NOWAIT) == 0) {
                check_eq(message.sequence, expected + message.missed);
                missed += message.missed;
                expected = message.sequence + 1;
                unit_check_content(message.data, message.size, message.sequence);
            }
            check_eq(expected, sent);
            check(count <= 64 || missed > 0);
        }
        shmbus_subscriber_stats stats;
        check_eq(shmbus_subscriber_stats_get(pair.subscriber, &stats), 0);
        check(missed > 0);
        check_eq(stats.missed, missed);
        check_eq(stats.messages + missed, sent);
        check_eq(unit_group_info("g").missed, missed);
        close_pair(&pair);
    }
}
