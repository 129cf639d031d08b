/* SPDX-License-Identifier: Apache-2.0 */
/* What the writing side leaves in the segment: tail, stamps, arena records, intents and limits. */
#include "unit_map.h"

#define FIRST ((UINT64_C(1) << 32) - 20)
#define SLOTS 64u

struct pair {
    shmbus_bus *bus;
    shmbus_publisher *publisher;
    struct ring ring;
};

static struct pair open_pair(enum shmbus_producers producers, enum shmbus_overflow overflow)
{
    const shmbus_channel_options options = {
        .producers = producers,
        .overflow = overflow,
        .slots = SLOTS,
        .arena = 64 << 10,
        .largest = 16 << 10,
        .first_sequence = FIRST,
    };
    struct pair pair = {.bus = unit_open()};
    check_eq(shmbus_channel_create(pair.bus, "c", &options), 0);
    pair.ring = unit_ring(unit_map());
    pair.publisher = unit_publisher(pair.bus, NULL);
    return pair;
}

static void close_pair(struct pair *pair)
{
    check_eq(shmbus_close(pair->bus), 0);
    check_eq(shmbus_remove(unit_bus), 0);
}

static stamp stamp_at(const struct pair *pair, uint64_t sequence)
{
    return load64_acquire(ring_slot(&pair->ring, sequence));
}

static position tail_of(const struct pair *pair)
{
    return load64_acquire(&pair->ring.shared->tail);
}

#define EVERY_MODE(pair)                                                                                     \
    for (unsigned mode = 0; mode < 4; mode++)                                                                \
        for (struct pair pair = open_pair(mode % 2 ? SHMBUS_SINGLE : SHMBUS_MULTI,                           \
                                          mode / 2 ? SHMBUS_OVERWRITE : SHMBUS_BLOCK);                       \
             pair.bus; close_pair(&pair), pair.bus = NULL)

/* A new ring's slots hold the lap before their first message, which no reader takes for one. */
UNIT(ring_producer, starts_one_lap_behind)
{
    EVERY_MODE(pair)
    {
        check_eq(tail_of(&pair), position_make(FIRST, (uint32_t)FIRST));
        for (uint64_t i = FIRST; i < FIRST + SLOTS; i++) {
            check_eq(stamp_lap(stamp_at(&pair, i)), ring_lap(&pair.ring, i) - 1);
        }
    }
}

UNIT(ring_producer, stamps_an_inline_message)
{
    EVERY_MODE(pair)
    {
        for (uint64_t i = FIRST; i < FIRST + 200; i++) {
            const size_t size = (size_t)(i % 57);
            check_eq(unit_send(pair.publisher, size, i, SHMBUS_NOWAIT), 0);
            const stamp s = stamp_at(&pair, i);
            check_eq(stamp_lap(s), i / SLOTS + 1);
            check_eq(stamp_publisher(s), 0);
            check_eq(stamp_length(s), size);
            check_eq(s & STAMP_FLAGS & ~STAMP_SAMPLED, 0);
            unit_check_content(ring_payload(ring_slot(&pair.ring, i)), size, i);
            check_eq(tail_of(&pair), position_make(i + 1, (uint32_t)FIRST)); /* no arena line */
        }
    }
}

/* Contiguous, on lines of its own, and never over the arena's end. */
UNIT(ring_producer, writes_an_arena_record)
{
    EVERY_MODE(pair)
    {
        uint32_t line = position_line(tail_of(&pair));
        for (uint64_t i = FIRST; i < FIRST + 500; i++) {
            const size_t size = 57 + (size_t)(i * 997 % 16000);
            check_eq(unit_send(pair.publisher, size, i, SHMBUS_NOWAIT), 0);
            const stamp s = stamp_at(&pair, i);
            const uint64_t record = load64_relaxed(ring_slot(&pair.ring, i) + 1);
            const uint32_t offset = record_line(record) & (pair.ring.arena_lines - 1);
            check_eq(s & STAMP_FLAGS & ~STAMP_SAMPLED, STAMP_ARENA);
            check_eq(stamp_length(s), 0);
            check_eq(record_length(record), size);
            check(record_line(record) == line || offset == 0); /* behind the last one, or at the beginning */
            check(offset + lines_of(size) <= pair.ring.arena_lines);
            unit_check_content(ring_line(&pair.ring, record_line(record)), size, i);
            line = record_line(record) + lines_of(size);
            check_eq(position_line(tail_of(&pair)), line);
            check_eq(position_sequence(tail_of(&pair)), (uint32_t)(i + 1));
        }
    }
}

/* Large buffers stay in the cache that way: see how few of the arena's lines are used. */
UNIT(ring_producer, starts_again_in_an_empty_arena)
{
    const size_t size = 16 << 10; /* a quarter of the arena */
    struct pair pair = open_pair(SHMBUS_SINGLE, SHMBUS_BLOCK);
    shmbus_subscriber *subscriber = unit_subscriber(pair.bus, NULL);
    for (uint64_t i = FIRST; i < FIRST + 200; i++) {
        check_eq(unit_send(pair.publisher, size, i, SHMBUS_NOWAIT), 0);
        const uint64_t record = load64_relaxed(ring_slot(&pair.ring, i) + 1);
        const uint32_t offset = record_line(record) & (pair.ring.arena_lines - 1);
        check(i < FIRST + 10 || offset < pair.ring.arena_lines / 2);
        unit_receive(subscriber, i, size, i);
        check_fails(shmbus_recv(subscriber, NULL, 0, NULL, SHMBUS_NOWAIT), -EAGAIN,
                    ""); /* it is seen empty */
    }
    close_pair(&pair);
}

UNIT(ring_producer, stamps_an_aborted_message)
{
    EVERY_MODE(pair)
    {
        shmbus_claim_t claims[2] = {{.size = 20}, {.size = 2000}};
        check_eq(shmbus_claim_batch(pair.publisher, claims, 2, SHMBUS_NOWAIT), 2);
        check_eq(shmbus_abort_batch(pair.publisher, claims, 2), 0);
        check_eq(stamp_at(&pair, FIRST) & STAMP_FLAGS, STAMP_ABORTED);
        check_eq(stamp_at(&pair, FIRST + 1) & STAMP_FLAGS, STAMP_ABORTED | STAMP_ARENA);
        check_eq(stamp_lap(stamp_at(&pair, FIRST + 1)), ring_lap(&pair.ring, FIRST + 1));
    }
}

/* While claims are open: overwrite channels say so in the stamp, the others keep the one of the lap before. */
UNIT(ring_producer, marks_what_is_being_written)
{
    EVERY_MODE(pair)
    {
        shmbus_claim_t claims[3] = {{.size = 20}, {.size = 2000}, {.size = 0}};
        for (uint64_t first = FIRST; first < FIRST + 120; first += 3) {
            check_eq(shmbus_claim_batch(pair.publisher, claims, 3, SHMBUS_NOWAIT), 3);
            for (uint64_t i = first; i < first + 3; i++) {
                const stamp s = stamp_at(&pair, i);
                check_eq(s & STAMP_WRITING, pair.ring.overwrite ? STAMP_WRITING : 0);
                check_eq(stamp_lap(s), ring_lap(&pair.ring, i) - (pair.ring.overwrite ? 0 : 1));
            }
            check_eq(shmbus_commit(pair.publisher, &claims[1]), 0);
            check_eq(stamp_at(&pair, first + 1) & STAMP_FLAGS & ~STAMP_SAMPLED, STAMP_ARENA);
            check_eq(shmbus_commit(pair.publisher, &claims[0]), 0);
            check_eq(shmbus_commit(pair.publisher, &claims[2]), 0);
            check_eq(stamp_at(&pair, first) & STAMP_FLAGS & ~STAMP_SAMPLED, 0);
        }
    }
}

/* An uncommitted slot below the tail is named by its claimer's intent, and by the count of its batch. */
UNIT(ring_producer, names_its_open_claims)
{
    for (unsigned overflow = SHMBUS_BLOCK; overflow <= SHMBUS_OVERWRITE; overflow++) {
        struct pair pair = open_pair(SHMBUS_MULTI, (enum shmbus_overflow)overflow);
        const struct shm_publisher *entry = &pair.ring.publishers[0];
        for (unsigned i = 0; i < 100; i++) {
            const unsigned count = i % 8 + 1;
            shmbus_claim_t claims[8] = {{0}};
            const uint32_t low = position_sequence(tail_of(&pair));
            const int claimed = shmbus_claim_batch(pair.publisher, claims, count, SHMBUS_NOWAIT);
            check(claimed >= 1 && claimed <= (int)count);
            const uint64_t batch = load64_relaxed(&entry->batch);
            check_eq(position_sequence(load64_relaxed(&entry->intent)), low);
            check_eq(position_sequence(batch) == low ? (uint32_t)batch : 1, claimed);
            check_eq(shmbus_commit_batch(pair.publisher, claims, (unsigned)claimed), 0);
        }
        close_pair(&pair);
    }
}

/* No message is claimed beyond the limit that the publisher told before it looked at the groups. */
UNIT(ring_producer, keeps_within_its_limit)
{
    EVERY_MODE(pair)
    {
        shmbus_subscriber *subscriber = unit_subscriber(pair.bus, NULL);
        for (uint64_t i = FIRST; i < FIRST + 300; i++) {
            const size_t size = (size_t)(i * 331 % 3000);
            check_eq(unit_send(pair.publisher, size, i, SHMBUS_NOWAIT), 0);
            const position tail = tail_of(&pair), limit = load64_acquire(&pair.ring.publishers[0].limit);
            check((int32_t)(position_sequence(limit) - position_sequence(tail)) >= 0);
            check(pair.ring.overwrite || line_reached(position_line(limit), position_line(tail)));
            unit_receive(subscriber, i, size, i);
        }
    }
}

/* A small message that nobody has read yet holds no line: starting the arena again must not take its room away. */
UNIT(ring_producer, has_the_arena_beside_a_small_message)
{
    const shmbus_channel_options options = {
        .producers = SHMBUS_SINGLE, .slots = SLOTS, .arena = 4096, .largest = 2048};
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &options);
    shmbus_subscriber *subscriber = unit_subscriber(bus, NULL);
    for (uint64_t i = 0; i < 300; i += 3) {
        const size_t size = 64 + i * 37 % 960;
        check_eq(unit_send(publisher, size, i, SHMBUS_NOWAIT), 0);
        unit_receive(subscriber, i, size, i);
        check_eq(unit_send(publisher, 8, i + 1, SHMBUS_NOWAIT), 0);
        check_eq(unit_send(publisher, 1024, i + 2, SHMBUS_NOWAIT), 0);
        unit_receive(subscriber, i + 1, 8, i + 1);
        unit_receive(subscriber, i + 2, 1024, i + 2);
    }
    check_eq(shmbus_close(bus), 0);
}

/* Asks whether there is room for a large message, and sends a small one. How many were sent, from number 1 on. */
static int change_ones_mind(shmbus_publisher *publisher)
{
    shmbus_waitset *waitset = NULL;
    shmbus_event event;
    check_eq(shmbus_waitset_open(NULL, &waitset), 0);
    check_eq(shmbus_waitset_add_publisher(waitset, publisher, 2048, NULL), 0);
    check_eq(shmbus_waitset_wait(waitset, &event, 1, SHMBUS_NOWAIT), 1);
    check_eq(shmbus_waitset_close(waitset), 0);
    check_eq(unit_send(publisher, 8, 1, SHMBUS_NOWAIT), 0);
    return 1;
}

/* Wants to send two small ones and a large one, for which there is no slot. */
static int send_half_a_batch(shmbus_publisher *publisher)
{
    static unsigned char bytes[2][2048];
    unit_fill(bytes[0], 8, 1);
    unit_fill(bytes[1], 8, 2);
    const struct iovec batch[] = {{bytes[0], 8}, {bytes[1], 8}, {bytes[0], 2048}};
    return shmbus_send_batch(publisher, batch, 3, SHMBUS_NOWAIT);
}

/* A later publisher knows of no new start of the arena: a record must have told of it. */
static void check_successor(uint32_t slots, int (*send_small)(shmbus_publisher *publisher))
{
    const shmbus_channel_options options = {
        .producers = SHMBUS_SINGLE, .slots = slots, .arena = 4096, .largest = 2048};
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &options);
    shmbus_subscriber *subscriber = unit_subscriber(bus, NULL);
    check_eq(unit_send(publisher, 512, 0, SHMBUS_NOWAIT), 0);
    unit_receive(subscriber, 0, 512, 0);
    const uint64_t small = (uint64_t)send_small(publisher);
    for (uint64_t i = 1; i <= small; i++) {
        unit_receive(subscriber, i, 8, i);
    }
    check_eq(shmbus_publisher_close(publisher), 0);
    publisher = unit_publisher(bus, &options);
    check_eq(unit_send(publisher, 8, small + 1, SHMBUS_NOWAIT), 0);
    check_eq(unit_send(publisher, 2048, small + 2, SHMBUS_NOWAIT), 0);
    check_eq(shmbus_close(bus), 0);
}

UNIT(ring_producer, has_the_arena_after_its_predecessor_changed_its_mind)
{
    check_successor(SLOTS, change_ones_mind);
}

UNIT(ring_producer, has_the_arena_after_its_predecessor_had_no_slot)
{
    check_successor(2, send_half_a_batch);
}
