/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the programs of this folder have in common: the ring core's own source, a channel of two slots and four arena
 * lines in static memory, and what its users do. A program is one translation unit and closed: main() starts threads,
 * joins them, and checks. README.md tells who runs it: a checker takes it as it is, the scheduler with MODEL_RUNNER.
 *
 * Payload is written and read plainly, in words, so that a missing order is a data race.
 */
#ifndef SHMBUS_TESTS_MODEL_PROGRAM_H
#define SHMBUS_TESTS_MODEL_PROGRAM_H

#define SHMBUS_MODEL

#include <assert.h>
#include <pthread.h>

#include "atomics.h"

#include "steps.h"

#include "ring_producer.c" /* NOLINT(bugprone-suspicious-include) */
#include "ring_window.c"   /* NOLINT(bugprone-suspicious-include) */

/* Names that ring_producer.c has too. */
#define open_window consumer_open_window
#define close_window consumer_close_window
#include "ring_consumer.c" /* NOLINT(bugprone-suspicious-include) */
#undef open_window
#undef close_window

#include "ring_repair.c" /* NOLINT(bugprone-suspicious-include) */
#include "ring_slot.c"   /* NOLINT(bugprone-suspicious-include) */

#include "cursor.c" /* NOLINT(bugprone-suspicious-include) */

/*
 * Slots that a publisher takes without another look at the groups, and lines in proportion. 1 in so small a ring, where
 * nobody has a window then; 2 shows what larger ones do.
 */
#ifndef GRANT
#define GRANT 2u
#endif

#define SLOTS 2u
#define LINES 4u
#define USERS 2u /* publishers, groups, members */

#define WORD 8u               /* bytes of the shortest message, which fits a slot here; no other does */
#define ONE_LINE (2u * WORD)  /* in the arena */
#define TWO_LINES (9u * WORD) /* in the arena, half of it */
#define WORDS(size) ((size) / WORD)

struct world {
    struct shm_channel channel;
    struct shm_publisher publishers[USERS];
    struct shm_group groups[USERS];
    struct shm_member members[USERS];
    uint64_t slots[SLOTS][SLOT_SIZE_MIN / WORD];
    uint64_t arena[LINES][LINE_SIZE / WORD];
};

static _Alignas(LINE_SIZE) struct world world;
static struct ring channel;
static struct producer producers[USERS];
static struct consumer consumers[USERS];
static uint64_t scratch[USERS][WORDS(TWO_LINES)];

/* A channel as layout_check.c lays it out, but smaller. */
static void channel_create(bool multi, bool overwrite)
{
    FORGET(world);
    channel.slots = (unsigned char *)world.slots;
    channel.arena = (unsigned char *)world.arena;
    channel.shared = &world.channel;
    channel.publishers = world.publishers;
    channel.groups = world.groups;
    channel.members = world.members;
    channel.slot_count = SLOTS;
    channel.slot_shift = 1;
    channel.stride_shift = 6;
    channel.inline_max = WORD;
    channel.arena_lines = LINES;
    channel.publisher_max = multi ? USERS : 1;
    channel.group_max = USERS;
    channel.member_max = USERS;
    channel.largest = TWO_LINES;
    channel.first_sequence = 0;
    channel.grant_slots = GRANT;
    channel.grant_lines = LINES / SLOTS * GRANT;
    channel.multi = multi;
    channel.overwrite = overwrite;
}

/* publisher_open() */
static struct producer *publisher_open(uint32_t index)
{
    producer_init(&producers[index], &channel, index, true);
    if (load32_relaxed(&world.channel.publishers_used) <= index) {
        store32_release(&world.channel.publishers_used, index + 1);
    }
    store64_release(&world.publishers[index].owner, index + 1);
    return &producers[index];
}

/* subscriber.c: take_member(), with an owner that is never asked for */
static void take_member(uint32_t index, uint32_t group)
{
    store32_relaxed(&world.members[index].group, group | MEMBER_JOINING);
    if (load32_relaxed(&world.channel.members_used) <= index) {
        store32_release(&world.channel.members_used, index + 1);
    }
    store64_release(&world.members[index].owner, index + 1);
}

static struct consumer *become_member(uint32_t index, uint32_t group, uint64_t first)
{
    consumer_init(&consumers[index], &channel, &world.groups[group], &world.members[index], first,
                  (unsigned char *)scratch[index]);
    store32_release(&world.members[index].group, group);
    return &consumers[index];
}

/* Member `index` starts group `group`, with GROUP_SHARED or 0. */
static struct consumer *start_group(uint32_t index, uint32_t group, uint64_t flags, bool oldest)
{
    take_member(index, group);
    if (load32_relaxed(&world.channel.groups_used) <= group) {
        store32_release(&world.channel.groups_used, group + 1);
    }
    return become_member(index, group, cursor_join(&channel, &world.groups[group], flags, oldest));
}

static inline struct consumer *subscriber_open(uint32_t index)
{
    return start_group(index, index, 0, false);
}

static inline struct consumer *enter_group(uint32_t index, uint32_t group)
{
    take_member(index, group);
    const position cursor = load64_acquire(&world.groups[group].cursor);
    return become_member(index, group, cursor_sequence(&channel, cursor));
}

/* Message `number` of publisher `id` is made of words that all tell which it is. */
static uint64_t word_of(uint32_t id, uint64_t number, size_t word)
{
    return (uint64_t)(id + 1) << 32 | number << 8 | word;
}

static void compose(uint64_t *words, size_t size, uint32_t id, uint64_t number)
{
    for (size_t i = 0; i < WORDS(size); i++) {
        BOUND(i, WORDS_MAX);
        words[i] = word_of(id, number, i);
    }
}

/* As shmbus_send() does it: the fast ways first. */
static bool send_at_once(struct producer *producer, const uint64_t *words, size_t size, bool exact)
{
    if (producer_send_fast(producer, words, size) || producer_send_arena(producer, words, size) ||
        producer_send_multi(producer, words, size)) {
        return true;
    }
    producer->claims[0].size = size;
    if (producer_claim(producer, 1, exact) != 1) {
        return false;
    }
    producer_fill(producer, 0, words);
    producer_finish(producer, 0, size, 0);
    return true;
}

/* When there is no room: looks exactly, then waits. */
static inline void send(struct producer *producer, uint64_t number, size_t size)
{
    uint64_t words[WORDS(TWO_LINES)];
    compose(words, size, producer->id, number);
    for (unsigned tries = 0; !send_at_once(producer, words, size, tries > 0); tries++) {
        WAIT(tries);
    }
}

/* As shmbus_peek() does it. False: there is none. */
static bool look_for_message(struct consumer *consumer, struct consumer_glimpse *seen)
{
    if (consumer_peek_window(consumer, seen)) {
        return true;
    }
    const int err = consumer_peek(consumer, 1);
    assert(err == 0 || err == -EAGAIN);
    if (err == 0) {
        seen->data = consumer->message.data;
        seen->size = consumer->message.size;
        seen->publisher = consumer->message.publisher;
    }
    return err == 0;
}

static inline void wait_for_message(struct consumer *consumer, struct consumer_glimpse *seen)
{
    for (unsigned tries = 0; !look_for_message(consumer, seen); tries++) {
        WAIT(tries);
    }
}

/* The number of a whole message. */
static uint64_t number_of(const struct consumer_glimpse *seen)
{
    const uint64_t *words = seen->data;
    const uint64_t number = words[0] >> 8 & 0xffffff;
    for (size_t i = 0; i < WORDS(seen->size); i++) {
        BOUND(i, WORDS_MAX);
        assert(words[i] == word_of(seen->publisher, number, i));
    }
    return number;
}

static void give_back(struct consumer *consumer)
{
    if (!consumer_release_fast(consumer)) {
        (void)consumer_release(consumer);
    }
}

/* The next message, which must be number `number` of publisher `id`, of `size` bytes. */
static inline void receive(struct consumer *consumer, uint32_t id, uint64_t number, size_t size)
{
    struct consumer_glimpse seen;
    wait_for_message(consumer, &seen);
    assert(seen.publisher == id && seen.size == size && number_of(&seen) == number);
    give_back(consumer);
}

/* After all: each slot and each line can be used again, and nothing is left over. */
static inline void check_all_usable(struct producer *producer, struct consumer *consumer, uint64_t number)
{
    struct consumer_glimpse seen;
    assert(!look_for_message(consumer, &seen));
    for (uint64_t i = 0; i < SLOTS + 1; i++) {
        BOUND(i, SLOTS + 1);
        send(producer, number + i, i == SLOTS ? TWO_LINES : WORD);
        receive(consumer, producer->id, number + i, i == SLOTS ? TWO_LINES : WORD);
    }
    assert(!look_for_message(consumer, &seen));
}

#define START(thread, function, argument)                                                                    \
    do {                                                                                                     \
        const int started = pthread_create(&(thread), NULL, function, argument);                             \
        assert(started == 0);                                                                                \
        (void)started;                                                                                       \
    } while (0)
#define FINISH(thread) (void)pthread_join(thread, NULL)

/* A publisher and a reader, each in a thread of its own, to their ends. */
static inline void run_both(void *(*publish)(void *), struct producer *producer, void *(*subscribe)(void *),
                            struct consumer *consumer)
{
    pthread_t publisher, subscriber;
    START(publisher, publish, producer);
    START(subscriber, subscribe, consumer);
    FINISH(publisher);
    FINISH(subscriber);
}

#endif
