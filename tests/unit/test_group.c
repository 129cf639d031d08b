/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: exclusive, shared, anonymous and durable ones; where new ones start; what is refused. */
#include "unit.h"

static const shmbus_channel_options block = {.slots = 64, .groups = 4, .members = 6};

static shmbus_publisher *fill(shmbus_bus *bus, const shmbus_channel_options *options, uint64_t count)
{
    shmbus_publisher *publisher = unit_publisher(bus, options);
    for (uint64_t i = 0; i < count; i++) {
        check_eq(unit_send(publisher, 20, options->first_sequence + i, SHMBUS_NOWAIT), 0);
    }
    return publisher;
}

static int join(shmbus_bus *bus, shmbus_subscriber_options options, shmbus_subscriber **subscriber)
{
    return shmbus_subscriber_open(bus, "c", &options, subscriber);
}

static void check_empty(shmbus_subscriber *subscriber)
{
    check_fails(shmbus_recv(subscriber, NULL, 0, NULL, SHMBUS_NOWAIT), -EAGAIN, "");
}

/* -------------------------------------------------------------------------------------- who may join */

UNIT(group, options_out_of_bounds)
{
    shmbus_bus *bus = unit_open();
    check_eq(shmbus_channel_create(bus, "c", &block), 0);
    char longest[SHMBUS_NAME_MAX + 2];
    memset(longest, 'g', sizeof longest);
    longest[SHMBUS_NAME_MAX + 1] = '\0';
    const struct {
        shmbus_subscriber_options options;
        int err;
        const char *is, *limit;
    } cases[] = {
        {{.wait = (enum shmbus_wait)3}, -EINVAL, "wait is 3", "2"},
        {{.from = (enum shmbus_from)2}, -EINVAL, "from is 2", "1"},
        {{.shared = 1}, -EINVAL, "shared", "name"},
        {{.durable = 1}, -EINVAL, "durable", "name"},
        {{.group = ""}, -EINVAL, "group name", "47"},
        {{.group = longest}, -ENAMETOOLONG, "48 bytes", "47"},
        {{.group = "a/b"}, -EINVAL, "group name", "0x2f"},
        {{.group = "\x01"}, -EINVAL, "group name", "0x01"},
        {{.group = ".g"}, -EINVAL, "group name", "dot"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        shmbus_subscriber *subscriber = NULL;
        check_fails(join(bus, cases[i].options, &subscriber), cases[i].err, cases[i].is, cases[i].limit);
        check(subscriber == NULL);
    }
    check_fails(shmbus_subscriber_open(bus, "c", NULL, NULL), -EINVAL, "NULL");
    check_eq(unit_channel_info().groups, 0);
    check_fails(shmbus_group_remove(bus, "c", ""), -EINVAL, "group name", "47");
    check_fails(shmbus_group_remove(bus, "c", NULL), -EINVAL, "group name", "47");
    check_fails(shmbus_group_remove(bus, "c", longest), -ENAMETOOLONG, "48 bytes", "47");
    check_fails(shmbus_group_remove(bus, "c", "none"), -ENOENT, "none", "\"c\"");
    check_eq(shmbus_close(bus), 0);
}

UNIT(group, exclusive_has_one_member)
{
    shmbus_bus *bus = unit_open();
    check_eq(shmbus_channel_create(bus, "c", &block), 0);
    shmbus_subscriber *first = unit_subscriber(bus, "g"), *second = NULL;
    char pid[16];
    (void)snprintf(pid, sizeof pid, "pid %d", getpid());
    check_fails(join(bus, (shmbus_subscriber_options){.group = "g"}, &second), -EBUSY, "\"g\"", "\"c\"", pid);
    check_fails(join(bus, (shmbus_subscriber_options){.group = "g", .shared = 1}, &second), -EBUSY, "\"g\"",
                "not shared");
    check_fails(shmbus_group_remove(bus, "c", "g"), -EBUSY, "\"g\"", "living member");
    check(second == NULL);
    check_eq(unit_channel_info().members, 1);
    check_eq(shmbus_subscriber_close(first), 0);
    check_eq(unit_channel_info().groups, 0); /* it went with its member */
    check_eq(join(bus, (shmbus_subscriber_options){.group = "g", .shared = 1}, &second), 0);
    check_fails(join(bus, (shmbus_subscriber_options){.group = "g"}, &first), -EBUSY, "\"g\"", "is shared");
    check_fails(join(bus, (shmbus_subscriber_options){.group = "g", .shared = 1, .durable = 1}, &first),
                -EBUSY, "not durable");
    check_eq(shmbus_close(bus), 0);
}

UNIT(group, tables_are_bounded)
{
    shmbus_bus *bus = unit_open();
    check_eq(shmbus_channel_create(bus, "c", &block), 0);
    shmbus_subscriber *members[8] = {NULL};
    for (unsigned i = 0; i < 4; i++) {
        check_eq(join(bus, (shmbus_subscriber_options){0}, &members[i]), 0);
    }
    check_fails(join(bus, (shmbus_subscriber_options){0}, &members[4]), -EUSERS, "\"c\"", "4 groups");
    check_eq(shmbus_subscriber_close(members[0]), 0);
    for (unsigned i = 4; i < 7; i++) {
        check_eq(join(bus, (shmbus_subscriber_options){.group = "g", .shared = 1}, &members[i]), 0);
    }
    check_fails(join(bus, (shmbus_subscriber_options){.group = "g", .shared = 1}, &members[7]), -EUSERS,
                "\"c\"", "6 subscribers");
    check(members[7] == NULL);
    check_eq(unit_channel_info().groups, 4);
    check_eq(unit_channel_info().members, 6);
    check_eq(shmbus_close(bus), 0);
}

/* ------------------------------------------------------------------------------------ where they start */

UNIT(group, starts_now)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = fill(bus, &block, 20);
    shmbus_subscriber *subscriber = NULL;
    check_eq(shmbus_subscriber_open(bus, "c", NULL, &subscriber), 0);
    check_empty(subscriber);
    check_eq(unit_send(publisher, 30, 20, SHMBUS_NOWAIT), 0);
    unit_receive(subscriber, 20, 30, 20);
    check_empty(subscriber);
    check_eq(shmbus_close(bus), 0);
}

UNIT(group, starts_now_behind_open_claims)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = fill(bus, &block, 3);
    shmbus_claim_t claim = {.size = 10};
    shmbus_subscriber *subscriber = NULL;
    check_eq(shmbus_claim(publisher, &claim, SHMBUS_NOWAIT), 0);
    check_eq(shmbus_subscriber_open(bus, "c", NULL, &subscriber), 0);
    check_eq(shmbus_commit(publisher, &claim), 0);
    check_empty(subscriber); /* messages claimed after the join, says the header */
    check_eq(unit_send(publisher, 30, 4, SHMBUS_NOWAIT), 0);
    unit_receive(subscriber, 4, 30, 4);
    check_eq(shmbus_close(bus), 0);
}

/* Before the ring has wrapped, the oldest is the first; whatever the sequences start at. */
UNIT(group, starts_at_the_first_message)
{
    const uint64_t firsts[] = {
        0, 5, 1000, (UINT64_C(1) << 32) - 10, (UINT64_C(1) << 32) - 50, UINT64_C(1) << 32};
    for (unsigned i = 0; i < 24; i++) {
        shmbus_bus *bus = unit_open();
        shmbus_channel_options options = block;
        options.first_sequence = firsts[i % 6];
        options.producers = i / 6 % 2 ? SHMBUS_SINGLE : SHMBUS_MULTI;
        options.overflow = i / 12 ? SHMBUS_OVERWRITE : SHMBUS_BLOCK;
        (void)fill(bus, &options, 40);
        shmbus_subscriber *subscriber = unit_subscriber(bus, NULL);
        for (uint64_t j = 0; j < 40; j++) {
            unit_receive(subscriber, firsts[i % 6] + j, 20, firsts[i % 6] + j);
        }
        check_empty(subscriber);
        unit_check_ledger();
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

/*
 * After it has wrapped: seven eighths of the ring on blocking channels, for that is what no publisher may
 * overwrite without having seen the new group; all of it on overwrite channels.
 */
UNIT(group, starts_at_the_oldest_that_is_safe)
{
    for (unsigned i = 0; i < 4; i++) {
        shmbus_bus *bus = unit_open();
        shmbus_channel_options options = block;
        options.first_sequence = (UINT64_C(1) << 32) - 100;
        options.producers = i % 2 ? SHMBUS_SINGLE : SHMBUS_MULTI;
        options.overflow = i / 2 ? SHMBUS_OVERWRITE : SHMBUS_BLOCK;
        const uint64_t end = options.first_sequence + 1000 + i;
        shmbus_publisher *publisher = fill(bus, &options, 1000 + i);
        shmbus_subscriber *subscriber = unit_subscriber(bus, "g");
        const uint64_t joined = unit_group_info("g").joined;
        check(joined <= end - 56 && joined >= end - 64);
        check(i / 2 == 0 || joined == end - 64);
        /* It is waited for at once: what it was promised stays. */
        uint64_t sent = end;
        while (i / 2 == 0 && unit_send(publisher, 20, sent, SHMBUS_NOWAIT) == 0) {
            sent++;
        }
        check(sent - joined <= 64);
        for (uint64_t j = joined; j < sent; j++) {
            unit_receive(subscriber, j, 20, j);
        }
        check_empty(subscriber);
        unit_check_ledger();
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

/* Arena records that may be overwritten are left out, and those that follow are whole. */
UNIT(group, starts_behind_lost_arena_records)
{
    for (unsigned i = 0; i < 2; i++) {
        shmbus_bus *bus = unit_open();
        const shmbus_channel_options options = {
            .producers = i ? SHMBUS_SINGLE : SHMBUS_MULTI, .slots = 64, .arena = 16 << 10, .largest = 4096};
        shmbus_publisher *publisher = unit_publisher(bus, &options);
        for (uint64_t j = 0; j < 500; j++) {
            check_eq(unit_send(publisher, (size_t)(j * 331 % 4097), j, SHMBUS_NOWAIT), 0);
        }
        shmbus_subscriber *subscriber = unit_subscriber(bus, "g");
        const uint64_t joined = unit_group_info("g").joined;
        check(joined < 499 && joined > 500 - 64);
        for (uint64_t j = joined; j < 500; j++) {
            unit_receive(subscriber, j, (size_t)(j * 331 % 4097), j);
        }
        check_empty(subscriber);
        unit_check_ledger();
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

UNIT(group, that_is_there_goes_on_where_it_is)
{
    shmbus_bus *bus = unit_open();
    (void)fill(bus, &block, 10);
    shmbus_subscriber *first = unit_worker(bus, "g"), *second = NULL;
    unit_receive(first, 0, 20, 0);
    check_eq(join(bus, (shmbus_subscriber_options){.group = "g", .shared = 1}, &second),
             0); /* not from now */
    unit_receive(second, 1, 20, 1);
    unit_receive(first, 2, 20, 2);
    check_eq(shmbus_close(bus), 0);
}

/* ---------------------------------------------------------------------------------- kinds of groups */

UNIT(group, anonymous_ones_are_apart)
{
    shmbus_bus *bus = unit_open();
    (void)fill(bus, &block, 30);
    shmbus_subscriber *readers[4];
    for (unsigned i = 0; i < 4; i++) {
        readers[i] = unit_subscriber(bus, NULL);
    }
    for (unsigned i = 0; i < 4; i++) {
        for (uint64_t j = 0; j < 30; j++) {
            unit_receive(readers[i], j, 20, j);
        }
        check_empty(readers[i]);
    }
    check_eq(unit_channel_info().groups, 4);
    check_eq(shmbus_close(bus), 0);
    check_eq(unit_channel_info().groups, 0);
}

/* A work queue: each message to one of the members, who get theirs in order. */
UNIT(group, shared_gets_each_message_once)
{
    for (unsigned overflow = SHMBUS_BLOCK; overflow <= SHMBUS_OVERWRITE; overflow++) {
        shmbus_bus *bus = unit_open();
        shmbus_channel_options options = block;
        options.overflow = (enum shmbus_overflow)overflow;
        options.first_sequence = (UINT64_C(1) << 32) - 500;
        shmbus_publisher *publisher = fill(bus, &options, 0);
        shmbus_subscriber *members[3];
        uint64_t last[3] = {0}, sent = options.first_sequence;
        bool seen[1000] = {false};
        for (unsigned i = 0; i < 3; i++) {
            members[i] = unit_worker(bus, "g");
        }
        for (unsigned step = 0; step < 1000; step++, sent++) {
            check_eq(unit_send(publisher, step, sent, SHMBUS_NOWAIT), 0);
            shmbus_message message;
            const unsigned who = step * 7 % 13 % 3;
            check_eq(shmbus_next(members[who], &message, SHMBUS_NOWAIT), 0);
            unit_check_content(message.data, message.size, message.sequence);
            check(message.sequence > last[who]);
            check(!seen[message.sequence - options.first_sequence]);
            check_eq(message.flags, 0);
            seen[message.sequence - options.first_sequence] = true;
            last[who] = message.sequence;
        }
        for (unsigned i = 0; i < 3; i++) {
            check_eq(shmbus_release(members[i]), 0);
            check_empty(members[i]);
        }
        check_eq(unit_group_info("g").messages, 1000);
        unit_check_ledger();
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

static int stop_at_once(void *context, const shmbus_message *message)
{
    (void)context;
    (void)message;
    return 1;
}

/* What it had taken and not released goes to the others, marked; here one peeked message, or a poll's batch. */
UNIT(group, shared_hands_over_what_a_leaver_held)
{
    for (unsigned i = 0; i < 4; i++) {
        shmbus_bus *bus = unit_open();
        shmbus_channel_options options = block;
        options.overflow = i / 2 ? SHMBUS_OVERWRITE : SHMBUS_BLOCK;
        (void)fill(bus, &options, 20);
        shmbus_subscriber *leaver = unit_worker(bus, "g"), *other = unit_worker(bus, "g");
        shmbus_message message;
        const bool batch = i % 2;
        check_eq(batch ? shmbus_poll(leaver, 9, SHMBUS_NOWAIT, stop_at_once, NULL)
                       : shmbus_peek(leaver, &message, SHMBUS_NOWAIT),
                 batch);
        unit_check_ledger();
        check_eq(shmbus_subscriber_close(leaver), 0);
        unit_check_ledger();
        bool seen[20] = {batch}; /* the one that the callback saw is done */
        for (unsigned left = batch ? 19 : 20; left > 0; left--) {
            check_eq(shmbus_next(other, &message, shmbus_deadline(INT64_C(30000000000))), 0);
            check(!seen[message.sequence]);
            seen[message.sequence] = true;
            unit_check_content(message.data, message.size, message.sequence);
            check_eq(message.flags, message.sequence < (batch ? 9 : 1) ? UNIT_REDELIVERED(1) : 0);
        }
        check_eq(shmbus_release(other), 0);
        check_empty(other);
        check_eq(unit_group_info("g").messages, 20);
        check_eq(unit_group_info("g").redelivered, batch ? 8 : 1);
        unit_check_ledger();
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

/* Nobody is left: what a durable group's last member held waits for the next. */
UNIT(group, durable_keeps_what_a_leaver_held)
{
    for (int shared = 0; shared <= 1; shared++) {
        shmbus_bus *bus = unit_open();
        (void)fill(bus, &block, 0);
        const shmbus_subscriber_options durable = {.group = "g", .shared = shared, .durable = 1};
        shmbus_subscriber *subscriber = NULL;
        shmbus_message message;
        check_eq(join(bus, durable, &subscriber), 0);
        check_eq(unit_send(unit_publisher(bus, NULL), 20, 0, SHMBUS_NOWAIT), 0);
        for (unsigned i = 0; i < 3; i++) {
            check_eq(shmbus_peek(subscriber, &message, SHMBUS_NOWAIT), 0);
            check_eq(message.sequence, 0);
            check_eq(unit_group_info("g").pending, 1);
            check_eq(shmbus_subscriber_close(subscriber), 0);
            check_eq(join(bus, durable, &subscriber), 0);
        }
        unit_receive(subscriber, 0, 20, 0);
        check_empty(subscriber);
        check_eq(unit_group_info("g").messages, 1);
        unit_check_ledger();
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

UNIT(group, durable_keeps_what_is_not_read)
{
    for (int shared = 0; shared <= 1; shared++) {
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = fill(bus, &block, 0);
        shmbus_subscriber *subscriber = NULL;
        const shmbus_subscriber_options durable = {.group = "g", .shared = shared, .durable = 1};
        check_eq(join(bus, durable, &subscriber), 0);
        uint64_t received = 0;
        for (uint64_t i = 0; i < 64; i++) {
            check_eq(unit_send(publisher, 20, i, SHMBUS_NOWAIT), 0);
        }
        while (received < 60) {
            for (unsigned i = 0; i < 7; i++, received++) {
                unit_receive(subscriber, received, 20, received);
            }
            check_eq(shmbus_subscriber_close(subscriber), 0);
            unit_check_ledger();
            check_eq(unit_group_info("g").messages, received);
            check_eq(unit_group_info("g").pending, 64 - received);
            check_eq(join(bus, durable, &subscriber), 0);
        }
        unit_receive(subscriber, 63, 20, 63);
        check_empty(subscriber);
        check_eq(shmbus_close(bus), 0);
        check_eq(unit_channel_info().groups, 1);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

UNIT(group, durable_holds_publishers_until_it_is_removed)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = fill(bus, &block, 0);
    shmbus_subscriber *subscriber = NULL;
    check_eq(join(bus, (shmbus_subscriber_options){.group = "g", .durable = 1}, &subscriber), 0);
    check_eq(shmbus_subscriber_close(subscriber), 0);
    for (uint64_t i = 0; i < 64; i++) {
        check_eq(unit_send(publisher, 20, i, SHMBUS_NOWAIT), 0);
    }
    check_fails(unit_send(publisher, 20, 64, SHMBUS_NOWAIT), -EAGAIN, "");
    check_eq(shmbus_group_remove(bus, "c", "g"), 0);
    check_fails(shmbus_group_remove(bus, "c", "g"), -ENOENT, "\"g\"");
    for (uint64_t i = 64; i < 200; i++) {
        check_eq(unit_send(publisher, 20, i, SHMBUS_NOWAIT), 0);
    }
    check_eq(shmbus_close(bus), 0);
}

UNIT(group, that_leaves_holds_nobody)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = fill(bus, &block, 0);
    shmbus_subscriber *slow = unit_subscriber(bus, NULL), *worker = unit_worker(bus, "w");
    for (uint64_t i = 0; i < 64; i++) {
        check_eq(unit_send(publisher, 20, i, SHMBUS_NOWAIT), 0);
        unit_receive(worker, i, 20, i);
    }
    check_fails(unit_send(publisher, 20, 64, SHMBUS_NOWAIT), -EAGAIN, "");
    check_eq(shmbus_subscriber_close(slow), 0);
    check_eq(unit_send(publisher, 20, 64, SHMBUS_NOWAIT), 0);
    unit_receive(worker, 64, 20, 64);
    check_eq(shmbus_close(bus), 0);
}
