/* SPDX-License-Identifier: Apache-2.0 */
/* What the reading side leaves in the segment: cursors, and what members hold. */
#include "unit_map.h"

#define FIRST ((UINT64_C(1) << 32) - 20)
#define SLOTS 64u

struct pair {
    shmbus_bus *bus;
    shmbus_publisher *publisher;
    shmbus_subscriber *subscriber;
    struct ring ring;
    const struct shm_group *group;
    const struct shm_member *member;
};

static struct pair open_pair(bool shared, enum shmbus_overflow overflow)
{
    const shmbus_channel_options options = {.overflow = overflow,
                                            .slots = SLOTS,
                                            .arena = 64 << 10,
                                            .largest = 16 << 10,
                                            .first_sequence = FIRST};
    struct pair pair = {.bus = unit_open()};
    pair.publisher = unit_publisher(pair.bus, &options);
    pair.subscriber = shared ? unit_worker(pair.bus, "g") : unit_subscriber(pair.bus, "g");
    pair.ring = unit_ring(unit_map());
    pair.group = &pair.ring.groups[0];
    pair.member = &pair.ring.members[0];
    return pair;
}

static void close_pair(struct pair *pair)
{
    check_eq(shmbus_close(pair->bus), 0);
    check_eq(shmbus_remove(unit_bus), 0);
}

static void send_many(const struct pair *pair, uint64_t first, uint64_t count, size_t size)
{
    for (uint64_t i = first; i < first + count; i++) {
        check_eq(unit_send(pair->publisher, size, i, SHMBUS_NOWAIT), 0);
    }
}

static uint32_t cursor_of(const struct pair *pair)
{
    return position_sequence(load64_acquire(&pair->group->cursor));
}

static uint32_t held_of(const struct pair *pair)
{
    return position_sequence(load64_acquire(&pair->member->held));
}

/* The member says at once how far it is; the cursor follows when it is worth it, and when it has caught up. */
UNIT(ring_consumer, publishes_lazily)
{
    struct pair pair = open_pair(false, SHMBUS_BLOCK);
    uint64_t next = FIRST;
    for (unsigned round = 0; round < 20; round++) {
        send_many(&pair, next, 30, 20);
        for (unsigned i = 0; i < 30; i++) {
            unit_receive(pair.subscriber, next, 20, next);
            next++;
            check_eq(held_of(&pair), (uint32_t)next);
            check((uint32_t)next - cursor_of(&pair) <= pair.ring.grant_slots);
        }
        check_fails(shmbus_recv(pair.subscriber, NULL, 0, NULL, SHMBUS_NOWAIT), -EAGAIN, "");
        check_eq(cursor_of(&pair), (uint32_t)next);
    }
    close_pair(&pair);
}

UNIT(ring_consumer, publishes_when_it_leaves)
{
    struct pair pair = open_pair(false, SHMBUS_BLOCK);
    send_many(&pair, FIRST, 30, 20);
    shmbus_message message;
    for (unsigned i = 0; i < 4; i++) {
        check_eq(shmbus_next(pair.subscriber, &message, SHMBUS_NOWAIT), 0);
    }
    check_eq(shmbus_subscriber_close(pair.subscriber), 0);
    check_eq(cursor_of(&pair), (uint32_t)FIRST + 3);
    close_pair(&pair);
}

/*
 * Lines come back with their slots: an exclusive group shows the line behind the last record it has read. A
 * shared one may show an earlier line, but who has read everything holds nothing.
 */
UNIT(ring_consumer, gives_arena_lines_back)
{
    for (unsigned shared = 0; shared <= 1; shared++) {
        struct pair pair = open_pair(shared, SHMBUS_BLOCK);
        for (uint64_t i = FIRST; i < FIRST + 200; i++) {
            const size_t size = 57 + (size_t)(i * 211 % 16000);
            send_many(&pair, i, 1, size);
            unit_receive(pair.subscriber, i, size, i);
            check_fails(shmbus_recv(pair.subscriber, NULL, 0, NULL, SHMBUS_NOWAIT), -EAGAIN, "");
            const position cursor = load64_acquire(&pair.group->cursor);
            const position tail = load64_acquire(&pair.ring.shared->tail);
            check_eq(position_sequence(cursor), position_sequence(tail));
            check(shared ? line_reached(position_line(tail), position_line(cursor)) : cursor == tail);
        }
        close_pair(&pair);
    }
}

/* A member of a shared group says what it takes before it takes it, until the last is given back. */
UNIT(ring_consumer, tells_what_it_holds)
{
    for (unsigned overflow = SHMBUS_BLOCK; overflow <= SHMBUS_OVERWRITE; overflow++) {
        struct pair pair = open_pair(true, (enum shmbus_overflow)overflow);
        shmbus_message message;
        for (uint64_t i = FIRST; i < FIRST + 100; i++) {
            send_many(&pair, i, 1, 300);
            check_eq(load32_acquire(&pair.member->busy), 0);
            check_eq(shmbus_peek(pair.subscriber, &message, SHMBUS_NOWAIT), 0);
            check_eq(load32_acquire(&pair.member->busy), MEMBER_HOLDS);
            check_eq(held_of(&pair), (uint32_t)i);
            check_eq(load32_relaxed(&pair.member->held_end), (uint32_t)i + 1);
            check_eq(cursor_of(&pair), (uint32_t)i + 1);
            check_eq(shmbus_release(pair.subscriber), 0);
            check_eq(load32_acquire(&pair.member->busy), 0);
        }
        close_pair(&pair);
    }
}

struct poll_state {
    const struct pair *pair;
    uint64_t next;
};

static int check_held(void *context, const shmbus_message *message)
{
    struct poll_state *state = context;
    check_eq(message->sequence, state->next);
    check_eq(held_of(state->pair), (uint32_t)state->next);
    check_eq(load32_acquire(&state->pair->member->busy), MEMBER_HOLDS);
    const uint32_t end = load32_relaxed(&state->pair->member->held_end);
    check((int32_t)(end - (uint32_t)state->next) > 0);
    check_eq(cursor_of(state->pair), end);
    state->next++;
    return 0;
}

UNIT(ring_consumer, tells_what_it_holds_of_a_batch)
{
    struct pair pair = open_pair(true, SHMBUS_BLOCK);
    struct poll_state state = {.pair = &pair, .next = FIRST};
    for (unsigned round = 1; round < 50; round++) {
        send_many(&pair, state.next, round, 100);
        check_eq(shmbus_poll(pair.subscriber, 64, SHMBUS_NOWAIT, check_held, &state), round);
        check_eq(load32_acquire(&pair.member->busy), 0);
    }
    close_pair(&pair);
}

/* An overtaken reader goes on some way behind the writer, so that it is not overtaken at once again. */
UNIT(ring_consumer, resumes_with_room_to_breathe)
{
    for (unsigned shared = 0; shared <= 1; shared++) {
        struct pair pair = open_pair(shared, SHMBUS_OVERWRITE);
        send_many(&pair, FIRST, 1000, 20);
        shmbus_message message;
        check_eq(shmbus_peek(pair.subscriber, &message, SHMBUS_NOWAIT), 0);
        check_eq(message.sequence, FIRST + message.missed);
        check(message.sequence > FIRST + 1000 - SLOTS && message.sequence <= FIRST + 1000 - SLOTS / 2);
        close_pair(&pair);
    }
}
