/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring as a whole, through the public functions: full, empty, of one slot, wrapped; and long random walks
 * that check each message's content, order, and the count of those missed. Sequences start below 2^32.
 */
#include "unit.h"

#define FIRST ((UINT64_C(1) << 32) - 100)

struct mode {
    enum shmbus_producers producers;
    enum shmbus_overflow overflow;
};

static const struct mode modes[] = {
    {SHMBUS_SINGLE, SHMBUS_BLOCK},
    {SHMBUS_MULTI, SHMBUS_BLOCK},
    {SHMBUS_SINGLE, SHMBUS_OVERWRITE},
    {SHMBUS_MULTI, SHMBUS_OVERWRITE},
};

static shmbus_channel_options small(struct mode mode, uint32_t slots)
{
    return (shmbus_channel_options){
        .producers = mode.producers,
        .overflow = mode.overflow,
        .slots = slots,
        .arena = 16 << 10,
        .largest = 8 << 10,
        .first_sequence = FIRST,
    };
}

static void close_bus(shmbus_bus *bus)
{
    check_eq(shmbus_close(bus), 0);
    check_eq(shmbus_remove(unit_bus), 0);
}

/* ------------------------------------------------------------------------------------ full and empty */

/* With a group joined exactly `slots` messages fit, wherever in the ring it starts; each one read makes room. */
static void fill_and_drain(struct mode mode, uint32_t slots, int shared)
{
    const shmbus_channel_options options = small(mode, slots);
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &options);
    shmbus_subscriber *subscriber = shared ? unit_worker(bus, "g") : unit_subscriber(bus, "g");
    uint64_t sent = FIRST, received = FIRST;
    check_fails(shmbus_recv(subscriber, NULL, 0, NULL, SHMBUS_NOWAIT), -EAGAIN, "");
    for (unsigned round = 0; round < 3 * slots + 3 && round < 40; round++) {
        while (unit_send(publisher, 40, sent, SHMBUS_NOWAIT) == 0) {
            sent++;
        }
        check_eq(sent - received, slots);
        check_fails(shmbus_send(publisher, "", 0, SHMBUS_NOWAIT), -EAGAIN, "");
        const unsigned take = round % slots + 1;
        for (unsigned i = 0; i < take; i++) {
            unit_receive(subscriber, received, 40, received);
            received++;
        }
        unit_check_ledger();
    }
    while (received < sent) {
        unit_receive(subscriber, received, 40, received);
        received++;
    }
    check_fails(shmbus_recv(subscriber, NULL, 0, NULL, SHMBUS_NOWAIT), -EAGAIN, "");
    check_eq(unit_group_info("g").pending, 0);
    close_bus(bus);
}

UNIT(ring, holds_exactly_its_slots)
{
    for (unsigned mode = 0; mode < 2; mode++) {
        for (uint32_t slots = 1; slots <= 1024; slots *= slots < 16 ? 2 : 8) {
            fill_and_drain(modes[mode], slots, 0);
            fill_and_drain(modes[mode], slots, 1);
        }
    }
}

/* Nobody reads: publishers of a blocking channel wait for nobody. */
UNIT(ring, without_a_group_is_never_full)
{
    for (unsigned mode = 0; mode < 4; mode++) {
        for (uint32_t slots = 1; slots <= 8; slots *= 2) {
            const shmbus_channel_options options = small(modes[mode], slots);
            shmbus_bus *bus = unit_open();
            shmbus_publisher *publisher = unit_publisher(bus, &options);
            for (uint64_t i = 0; i < 300; i++) {
                check_eq(unit_send(publisher, (i % 3) * 3000, i, SHMBUS_NOWAIT), 0);
            }
            check_eq(unit_channel_info().published, FIRST + 300);
            close_bus(bus);
        }
    }
}

/* An arena too full for the next message, with slots left. */
UNIT(ring, arena_full)
{
    for (unsigned mode = 0; mode < 2; mode++) {
        const shmbus_channel_options options = small(modes[mode], 64);
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = unit_publisher(bus, &options);
        shmbus_subscriber *subscriber = unit_subscriber(bus, "g");
        uint64_t sent = FIRST, received = FIRST;
        for (unsigned round = 0; round < 20; round++) {
            while (unit_send(publisher, 2000 + round * 64, sent, SHMBUS_NOWAIT) == 0) {
                sent++;
            }
            check(sent - received >= 3 && sent - received <= 8);
            /* A small one needs no arena. */
            const uint64_t before = sent;
            while (received < before) {
                unit_receive(subscriber, received, 2000 + round * 64, received);
                received++;
            }
            check_eq(unit_send(publisher, 56, sent++, SHMBUS_NOWAIT), 0);
            unit_receive(subscriber, received, 56, received);
            received++;
        }
        unit_check_ledger();
        close_bus(bus);
    }
}

UNIT(ring, arena_full_leaves_small_messages_alone)
{
    for (unsigned mode = 0; mode < 2; mode++) {
        const shmbus_channel_options options = small(modes[mode], 64);
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = unit_publisher(bus, &options);
        shmbus_subscriber *subscriber = unit_subscriber(bus, "g");
        check_eq(unit_send(publisher, 8192, FIRST, SHMBUS_NOWAIT), 0);
        uint64_t sent = FIRST + 1;
        while (unit_send(publisher, 8192, sent, SHMBUS_NOWAIT) == 0) {
            sent++;
        }
        check_eq(unit_send(publisher, 56, sent, SHMBUS_NOWAIT), 0);
        check_fails(unit_send(publisher, 8192, 0, SHMBUS_NOWAIT), -EAGAIN, "");
        for (uint64_t i = FIRST; i < sent; i++) {
            unit_receive(subscriber, i, 8192, i);
        }
        unit_receive(subscriber, sent, 56, sent);
        check_eq(unit_send(publisher, 8192, 1, SHMBUS_NOWAIT), 0);
        close_bus(bus);
    }
}

/*
 * Records of many lengths at each of the arena's lines, behind one that is not read yet. Where both do not fit,
 * for the second would have to skip the arena's end, it fits once the first is read.
 */
UNIT(ring, arena_wraps_at_every_line)
{
    const unsigned lengths[] = {1, 2, 31, 32};
    for (unsigned mode = 0; mode < 2; mode++) {
        shmbus_channel_options options = small(modes[mode], 4);
        options.arena = 4096; /* 64 lines */
        options.largest = 2048;
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = unit_publisher(bus, &options);
        shmbus_subscriber *subscriber = unit_subscriber(bus, "g");
        uint64_t sequence = FIRST;
        for (unsigned i = 0; i < 64 * 5; i++) {
            const size_t before = 57 + (i % 5) * 64, size = lengths[i % 4] * 64 - i % 7;
            check_eq(unit_send(publisher, before, sequence, SHMBUS_NOWAIT), 0);
            const int err = unit_send(publisher, size, sequence + 1, SHMBUS_NOWAIT);
            unit_receive(subscriber, sequence, before, sequence);
            if (err != 0) {
                check_eq(err, -EAGAIN);
                check_eq(unit_send(publisher, size, sequence + 1, SHMBUS_NOWAIT), 0);
            }
            unit_receive(subscriber, sequence + 1, size, sequence + 1);
            sequence += 2;
        }
        close_bus(bus);
    }
}

/* -------------------------------------------------------------------------------------- random walks */

struct walk {
    uint64_t random;
    shmbus_publisher *publishers[2];
    uint64_t sent;
    unsigned blocked;
};

static uint32_t draw(struct walk *walk, uint32_t below)
{
    walk->random = walk->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(walk->random >> 33) % below;
}

static size_t draw_size(struct walk *walk)
{
    const size_t most[] = {8, 57, 200, 1500, 8193};
    return draw(walk, (uint32_t)most[draw(walk, 5)]);
}

/* Sends one message whose seed is its sequence, in any of the ways there are. */
static void walk_send(struct walk *walk)
{
    shmbus_publisher *publisher = walk->publishers[draw(walk, 2)];
    shmbus_claim_t claims[4];
    const unsigned count = draw(walk, 4) + 1;
    for (unsigned i = 0; i < count; i++) {
        claims[i].size = draw_size(walk);
    }
    const int claimed = shmbus_claim_batch(publisher, claims, count, SHMBUS_NOWAIT);
    if (claimed == -EAGAIN) {
        walk->blocked++;
        return;
    }
    check(claimed >= 1 && claimed <= (int)count);
    for (int i = 0; i < claimed; i++) {
        check_eq(claims[i].sequence, walk->sent++);
        unit_fill(claims[i].data, claims[i].size, claims[i].sequence);
    }
    check_eq(shmbus_commit_batch(publisher, claims, (unsigned)claimed), 0);
}

struct reader {
    shmbus_subscriber *subscriber;
    uint64_t expected; /* sequence */
    uint64_t missed;
};

/* Whatever it gets must be whole, in order, and what it did not get must be counted. */
static int walk_receive(struct reader *reader)
{
    shmbus_message message;
    const int err = shmbus_next(reader->subscriber, &message, SHMBUS_NOWAIT);
    if (err != 0) {
        check_eq(err, -EAGAIN);
        return err;
    }
    check_eq(message.sequence, reader->expected + message.missed);
    unit_check_content(message.data, message.size, message.sequence);
    reader->missed += message.missed;
    reader->expected = message.sequence + 1;
    return 0;
}

static void finish_walk(struct walk *walk, struct reader *readers, unsigned count, bool overwrite)
{
    uint64_t missed = 0;
    for (unsigned i = 0; i < count; i++) {
        shmbus_subscriber_stats stats;
        while (walk_receive(&readers[i]) == 0) {
        }
        check_eq(readers[i].expected, walk->sent);
        check_eq(shmbus_subscriber_stats_get(readers[i].subscriber, &stats), 0);
        check_eq(stats.missed, readers[i].missed);
        check_eq(stats.messages + stats.missed, walk->sent - FIRST);
        check_eq(stats.position, walk->sent);
        missed += stats.missed;
    }
    check_eq(missed > 0, overwrite);
    check_eq(walk->blocked > 0, !overwrite);
    unit_check_ledger();
}

static void walk(struct mode mode, uint32_t slots, uint64_t seed)
{
    const shmbus_channel_options options = small(mode, slots);
    shmbus_bus *bus = unit_open();
    struct walk walk = {.random = seed, .sent = FIRST};
    walk.publishers[0] = unit_publisher(bus, &options);
    walk.publishers[1] = mode.producers == SHMBUS_MULTI ? unit_publisher(bus, NULL) : walk.publishers[0];
    struct reader readers[3];
    for (unsigned i = 0; i < 3; i++) {
        readers[i] = (struct reader){.subscriber = unit_subscriber(bus, NULL), .expected = FIRST};
    }
    for (unsigned step = 0; step < 2000; step++) {
        for (unsigned i = draw(&walk, 6); i > 0; i--) {
            walk_send(&walk);
        }
        for (unsigned i = draw(&walk, 40); i > 0; i--) {
            (void)walk_receive(&readers[draw(&walk, 3)]);
        }
    }
    finish_walk(&walk, readers, 3, mode.overflow == SHMBUS_OVERWRITE);
    close_bus(bus);
}

#define WALK(name, mode)                                                                                     \
    UNIT(ring, name)                                                                                         \
    {                                                                                                        \
        for (uint32_t slots = 1; slots <= 64; slots *= 4) {                                                  \
            walk(modes[mode], slots, slots);                                                                 \
        }                                                                                                    \
    }

WALK(walks_single_block, 0)
WALK(walks_multi_block, 1)
WALK(walks_single_overwrite, 2)
WALK(walks_multi_overwrite, 3)
