/* SPDX-License-Identifier: Apache-2.0 */
/* Many messages held at once: what is shown, what is given back, what others see of it, and what a death leaves. */
#include "unit.h"

#define MANY 200u

static const shmbus_channel_options small = {.slots = 16, .members = 4, .groups = 4};
static const shmbus_channel_options large = {.slots = 256, .members = 4, .groups = 4};

static void send_from(shmbus_publisher *publisher, uint64_t first, uint64_t count, size_t size)
{
    for (uint64_t i = first; i < first + count; i++) {
        check_eq(unit_send(publisher, size, i, SHMBUS_NOWAIT), 0);
    }
}

/* Shows `count` messages, which are those of sequence and seed `first` on. */
static void shows(shmbus_subscriber *subscriber, uint64_t first, unsigned count, size_t size, uint32_t flags)
{
    shmbus_message messages[MANY];
    check_eq(shmbus_peek_batch(subscriber, messages, count, SHMBUS_NOWAIT), (int)count);
    for (unsigned i = 0; i < count; i++) {
        check_eq(messages[i].sequence, first + i);
        check_eq(messages[i].size, size);
        check_eq(messages[i].flags, flags);
        check_eq(messages[i].missed, 0);
        unit_check_content(messages[i].data, size, first + i);
    }
}

static void shows_no_more(shmbus_subscriber *subscriber)
{
    shmbus_message message;
    check_fails(shmbus_peek_batch(subscriber, &message, 1, SHMBUS_NOWAIT), -EAGAIN, "");
}

static int never(void *context, const shmbus_message *message)
{
    (void)context;
    (void)message;
    unit_fail(__FILE__, __LINE__, "a poll beside a batch");
}

UNIT(subscriber_batch, shows_and_gives_back)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &small);
    shmbus_subscriber *subscriber = unit_subscriber(bus, "g");
    shmbus_message messages[MANY], one;
    check_fails(shmbus_peek_batch(subscriber, NULL, 1, SHMBUS_NOWAIT), -EINVAL, "1");
    check_fails(shmbus_peek_batch(subscriber, messages, 0, SHMBUS_NOWAIT), -EINVAL, "0");
    check_fails(shmbus_release_batch(subscriber, 1), -EINVAL, "1", "0");
    shows_no_more(subscriber);
    send_from(publisher, 0, 10, 20);
    shows(subscriber, 0, 4, 20, 0);
    check_eq(shmbus_peek_batch(subscriber, messages, MANY, SHMBUS_NOWAIT), 6);
    check_eq(messages[0].sequence, 4);
    shows_no_more(subscriber);
    send_from(publisher, 10, 6, 20);
    check_fails(unit_send(publisher, 20, 16, SHMBUS_NOWAIT), -EAGAIN, "");
    char buffer[64];
    check_fails(shmbus_peek(subscriber, &one, SHMBUS_NOWAIT), -EBUSY, "10 messages");
    check_fails(shmbus_next(subscriber, &one, SHMBUS_NOWAIT), -EBUSY, "10 messages");
    check_fails(shmbus_recv(subscriber, buffer, sizeof buffer, NULL, SHMBUS_NOWAIT), -EBUSY, "10 messages");
    check_fails(shmbus_poll(subscriber, 1, SHMBUS_NOWAIT, never, NULL), -EBUSY, "10 messages");
    check_fails(shmbus_release(subscriber), -EBUSY, "10 messages");
    check_fails(shmbus_release_batch(subscriber, 11), -EINVAL, "11", "10");
    check_eq(shmbus_peek_batch(subscriber, messages + 6, MANY - 6, SHMBUS_NOWAIT), 6);
    check_fails(shmbus_peek_batch(subscriber, &one, 1, SHMBUS_FOREVER), -EBUSY,
                "16 messages"); /* all there may be */
    check_eq(shmbus_release_batch(subscriber, 3), 0);
    check_eq(shmbus_release_batch(subscriber, 0), 0);
    unit_check_content(messages[0].data, 20, 4);
    shmbus_subscriber_stats stats;
    check_eq(shmbus_subscriber_stats_get(subscriber, &stats), 0);
    check_eq(stats.position, 3);
    check_eq(stats.messages, 3);
    send_from(publisher, 16, 3, 20);
    check_fails(unit_send(publisher, 20, 19, SHMBUS_NOWAIT), -EAGAIN, "");
    shows(subscriber, 16, 3, 20, 0);
    check_eq(shmbus_release_batch(subscriber, 16), 0);
    unit_check_ledger();
    send_from(publisher, 19, 1, 20);
    unit_receive(subscriber, 19, 20, 19);
    check_eq(shmbus_close(bus), 0);
}

UNIT(subscriber_batch, is_refused_beside_a_peek)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &small);
    shmbus_subscriber *subscriber = unit_subscriber(bus, "g");
    send_from(publisher, 0, 2, 20);
    shmbus_message message;
    check_eq(shmbus_peek(subscriber, &message, SHMBUS_NOWAIT), 0);
    check_fails(shmbus_peek_batch(subscriber, &message, 1, SHMBUS_NOWAIT), -EBUSY, "shmbus_release()");
    check_eq(shmbus_release(subscriber), 0);
    shows(subscriber, 1, 1, 20, 0);
    check_eq(shmbus_close(bus), 0);
}

/* Sizes up to the arena's, laps of ring and arena, aborted claims: everything once, in order, whole. */
UNIT(subscriber_batch, follows_a_stream)
{
    enum {
        MESSAGES = 20000
    };
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher =
        unit_publisher(bus, &(shmbus_channel_options){.slots = 64, .arena = 65536, .largest = 4096});
    shmbus_subscriber *subscriber = unit_subscriber(bus, "g");
    uint64_t sent = 0, read = 0, held = 0, sequence = 0, random = 1;
    while (read < MESSAGES) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        const unsigned choice = (unsigned)(random >> 60);
        if (choice < 6 && sent < MESSAGES) {
            (void)(unit_send(publisher, sent % 300 == 0 ? 4000 : sent % 100, sent, SHMBUS_NOWAIT) == 0 &&
                   ++sent);
        } else if (choice == 6) {
            shmbus_claim_t claim = {.size = (size_t)(random >> 40 & 255)};
            (void)(shmbus_claim(publisher, &claim, SHMBUS_NOWAIT) == 0 && shmbus_abort(publisher, &claim));
        } else if (choice < 12) {
            shmbus_message messages[8];
            const int shown = shmbus_peek_batch(subscriber, messages, 1 + choice % 8, SHMBUS_NOWAIT);
            for (int i = 0; i < shown; i++, read++, held++) {
                check(messages[i].sequence >= sequence);
                sequence = messages[i].sequence + 1;
                unit_check_content(messages[i].data, read % 300 == 0 ? 4000 : read % 100, read);
            }
        } else if (held > 0) {
            const uint64_t count = 1 + (random >> 40) % held;
            check_eq(shmbus_release_batch(subscriber, (unsigned)count), 0);
            held -= count;
        }
    }
    check_eq(shmbus_release_batch(subscriber, (unsigned)held), 0);
    shows_no_more(subscriber);
    unit_check_ledger();
    check_eq(unit_group_info("g").messages, MESSAGES);
    check_eq(shmbus_close(bus), 0);
}

UNIT(subscriber_batch, takes_64_of_a_shared_group)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &large);
    shmbus_subscriber *first = unit_worker(bus, "g");
    shmbus_subscriber *second = unit_worker(bus, "g");
    send_from(publisher, 0, 100, 20);
    shmbus_message messages[MANY];
    shows(first, 0, 10, 20, 0);
    check_fails(shmbus_peek_batch(first, messages, 1, SHMBUS_NOWAIT), -EBUSY, "10 messages");
    check_eq(shmbus_release_batch(first, 10), 0);
    check_eq(shmbus_peek_batch(first, messages, MANY, SHMBUS_NOWAIT), 64);
    check_eq(messages[0].sequence, 10);
    check_fails(shmbus_peek_batch(first, messages, 1, SHMBUS_NOWAIT), -EBUSY, "64 messages");
    shows(second, 74, 26, 20, 0);
    check_eq(shmbus_release_batch(first, 4), 0);
    check_fails(shmbus_peek_batch(first, messages, 1, SHMBUS_NOWAIT), -EBUSY, "60 messages");
    check_eq(shmbus_subscriber_close(first), 0);
    check_eq(shmbus_release_batch(second, 26), 0);
    shows(second, 14, 60, 20, UNIT_REDELIVERED(1));
    check_eq(shmbus_release_batch(second, 60), 0);
    shows_no_more(second);
    unit_check_ledger();
    check_eq(shmbus_close(bus), 0);
}

static int stop_at_once(void *context, const shmbus_message *message)
{
    (void)context;
    (void)message;
    return 1;
}

static void abort_one(shmbus_publisher *publisher)
{
    shmbus_claim_t claim = {.size = 20};
    check_eq(shmbus_claim(publisher, &claim, SHMBUS_NOWAIT), 0);
    check_eq(shmbus_abort(publisher, &claim), 0);
}

/* What was taken ends in a message that was given up, and so does what comes behind it. */
UNIT(subscriber_batch, of_a_shared_group_ends_where_its_taking_ends)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &large);
    shmbus_subscriber *worker = unit_worker(bus, "g");
    shmbus_waitset *set = NULL;
    shmbus_event event;
    shmbus_message message;
    check_eq(shmbus_waitset_open(NULL, &set), 0);
    check_eq(shmbus_waitset_add_subscriber(set, worker, NULL), 0);
    send_from(publisher, 0, 3, 20);
    abort_one(publisher);
    check_eq(shmbus_poll(worker, 5, SHMBUS_NOWAIT, stop_at_once, NULL), 1);
    shows(worker, 1, 2, 20, 0);
    check_fails(shmbus_peek_batch(worker, &message, 1, SHMBUS_FOREVER), -EBUSY, "2 messages");
    abort_one(publisher);
    send_from(publisher, 5, 1, 20);
    check_fails(shmbus_peek_batch(worker, &message, 1, SHMBUS_FOREVER), -EBUSY, "2 messages");
    check_fails(shmbus_waitset_wait(set, &event, 1, SHMBUS_NOWAIT), -EAGAIN, "");
    check_eq(shmbus_release_batch(worker, 2), 0);
    check_eq(shmbus_waitset_wait(set, &event, 1, SHMBUS_NOWAIT), 1);
    shows(worker, 5, 1, 20, 0);
    check_eq(shmbus_release_batch(worker, 1), 0);
    unit_check_ledger();
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

/* -------------------------------------------------------------------------------------- interrupted */

static shmbus_subscriber *durable(shmbus_bus *bus)
{
    shmbus_subscriber *subscriber = NULL;
    const shmbus_subscriber_options options = {.group = "d", .durable = 1, .from = SHMBUS_FROM_OLDEST};
    check_eq(shmbus_subscriber_open(bus, "c", &options, &subscriber), 0);
    return subscriber;
}

static void show_and_die(void *context)
{
    shmbus_subscriber *subscriber = durable(unit_open());
    shmbus_message messages[8];
    check_eq(shmbus_peek_batch(subscriber, messages, 8, SHMBUS_NOWAIT), 8);
    check_eq(shmbus_release_batch(subscriber, 3), 0);
    unit_wait_to_be_killed(context);
}

/* All that was shown and not given back is marked, and nothing else; those that a second one was not shown, still. */
UNIT(subscriber_batch, marks_what_a_dead_member_was_shown)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &small);
    check_eq(shmbus_subscriber_close(durable(bus)), 0);
    send_from(publisher, 0, 16, 20);
    const struct unit_gate gate = unit_gate();
    const pid_t child = unit_fork(show_and_die, (void *)(uintptr_t)&gate);
    unit_gate_wait(&gate);
    unit_kill(child);
    shmbus_subscriber *subscriber = durable(bus);
    shows(subscriber, 3, 2, 20, UNIT_REDELIVERED(1));
    check_eq(shmbus_release_batch(subscriber, 1), 0);
    check_eq(shmbus_subscriber_close(subscriber), 0);
    subscriber = durable(bus);
    shows(subscriber, 4, 1, 20, UNIT_REDELIVERED(2));
    check_eq(shmbus_release_batch(subscriber, 1), 0);
    check_eq(shmbus_subscriber_close(subscriber), 0); /* that one has left nothing that it had seen */
    check_eq(shmbus_subscriber_close(durable(bus)), 0);
    subscriber = durable(bus);
    shows(subscriber, 5, 3, 20, UNIT_REDELIVERED(2));
    shows(subscriber, 8, 8, 20, 0);
    check_eq(shmbus_release_batch(subscriber, 11), 0);
    check_eq(shmbus_subscriber_close(subscriber), 0);
    subscriber = durable(bus);
    send_from(publisher, 16, 2, 20);
    shows(subscriber, 16, 2, 20, 0);
    check_eq(shmbus_close(bus), 0);
}

/* ------------------------------------------------------------------------------------------- others */

UNIT(subscriber_batch, one_at_a_time_on_overwrite_channels)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher =
        unit_publisher(bus, &(shmbus_channel_options){.slots = 16, .overflow = SHMBUS_OVERWRITE});
    shmbus_subscriber *subscriber = unit_subscriber(bus, "g");
    send_from(publisher, 0, 40, 20);
    shmbus_message messages[8];
    uint64_t seen = 0, missed = 0;
    while (seen + missed < 40) {
        check_eq(shmbus_peek_batch(subscriber, messages, 8, SHMBUS_NOWAIT), 1);
        missed += messages[0].missed;
        check_eq(messages[0].sequence, seen + missed);
        seen++;
        unit_check_content(messages[0].data, 20, messages[0].sequence);
        check_fails(shmbus_peek_batch(subscriber, &messages[1], 1, SHMBUS_NOWAIT), -EBUSY, "overwrite");
        check_eq(shmbus_release_batch(subscriber, 1), 0);
    }
    check(missed >= 24);
    shows_no_more(subscriber);
    send_from(publisher, 40, 40, 20);
    check_fails(shmbus_recv(subscriber, messages, 1, NULL, SHMBUS_NOWAIT), -EMSGSIZE, "20");
    check_eq(shmbus_release_batch(subscriber, 0), 0);
    check_eq(shmbus_peek_batch(subscriber, messages, 1, SHMBUS_NOWAIT), 1);
    check(messages[0].missed > 0);
    while (shmbus_release_batch(subscriber, 1) == 0 &&
           shmbus_peek_batch(subscriber, messages, 1, SHMBUS_NOWAIT) == 1) {
    }
    unit_check_ledger();
    check_eq(shmbus_close(bus), 0);
}

static void *send_one(void *context)
{
    check_soon(unit_channel_info().readers_asleep);
    check_eq(unit_send(context, 20, 2, SHMBUS_NOWAIT), 0);
    return NULL;
}

UNIT(subscriber_batch, waits_behind_what_it_holds)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &small);
    shmbus_subscriber *subscriber = NULL;
    const shmbus_subscriber_options options = {.wait = SHMBUS_WAIT_BLOCK};
    check_eq(shmbus_subscriber_open(bus, "c", &options, &subscriber), 0);
    send_from(publisher, 0, 2, 20);
    shows(subscriber, 0, 2, 20, 0);
    shmbus_message message;
    check_fails(shmbus_peek_batch(subscriber, &message, 1, shmbus_deadline(1000000)), -ETIMEDOUT, "");
    pthread_t thread;
    check_eq(pthread_create(&thread, NULL, send_one, publisher), 0);
    check_eq(shmbus_peek_batch(subscriber, &message, 1, SHMBUS_FOREVER), 1);
    unit_check_content(message.data, 20, 2);
    check_eq(pthread_join(thread, NULL), 0);
    check_eq(shmbus_channel_remove(bus, "c"), 0);
    check_fails(shmbus_peek_batch(subscriber, &message, 1, SHMBUS_FOREVER), -EIDRM, "\"c\"");
    check_eq(shmbus_release_batch(subscriber, 3), 0);
    check_fails(shmbus_peek_batch(subscriber, &message, 1, SHMBUS_FOREVER), -EIDRM, "\"c\"");
    check_eq(shmbus_close(bus), 0);
}

UNIT(subscriber_batch, is_ready_for_what_was_not_shown)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &small);
    shmbus_subscriber *alone = unit_subscriber(bus, "alone");
    shmbus_subscriber *worker = unit_worker(bus, "g");
    shmbus_waitset *set = NULL;
    shmbus_event events[2];
    check_eq(shmbus_waitset_open(NULL, &set), 0);
    check_eq(shmbus_waitset_add_subscriber(set, alone, NULL), 0);
    check_eq(shmbus_waitset_add_subscriber(set, worker, NULL), 0);
    send_from(publisher, 0, 2, 20);
    check_eq(shmbus_waitset_wait(set, events, 2, SHMBUS_NOWAIT), 2);
    shows(alone, 0, 2, 20, 0);
    shows(worker, 0, 2, 20, 0);
    check_fails(shmbus_waitset_wait(set, events, 2, SHMBUS_NOWAIT), -EAGAIN, "");
    send_from(publisher, 2, 1, 20);
    check_eq(shmbus_waitset_wait(set, events, 2, SHMBUS_NOWAIT), 1); /* the worker may take no more as yet */
    check(events[0].subscriber == alone);
    check_eq(shmbus_release_batch(worker, 2), 0);
    check_eq(shmbus_waitset_wait(set, events, 2, SHMBUS_NOWAIT), 2);
    shows(alone, 2, 1, 20, 0);
    check_eq(shmbus_release_batch(alone, 3), 0);
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}
