/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that are killed while they hold something, and processes that are only stopped. Each child says
 * when it holds what it is to be killed with.
 */
#define _GNU_SOURCE
#include "os_lock.h"
#include "os_segment.h"
#include "unit.h"

#include <signal.h>
#include <sys/wait.h>

#define SLOTS 64

static const shmbus_channel_options kinds[] = {
    {.producers = SHMBUS_MULTI, .slots = SLOTS, .arena = 64 << 10, .largest = 16 << 10},
    {.producers = SHMBUS_SINGLE, .slots = SLOTS, .arena = 64 << 10, .largest = 16 << 10},
    {.producers = SHMBUS_MULTI, .overflow = SHMBUS_OVERWRITE, .slots = SLOTS},
    {.producers = SHMBUS_SINGLE, .overflow = SHMBUS_OVERWRITE, .slots = SLOTS},
};

/* What a child does before it is killed. */
struct scene {
    struct unit_gate ready;
    const shmbus_channel_options *channel;
    int shared, durable;
    unsigned count;  /* messages that it takes or claims */
    unsigned finish; /* of them released or committed */
    size_t size;
};

static shmbus_bus *open_channel(const struct scene *scene)
{
    shmbus_bus *bus = unit_open();
    check_eq(shmbus_channel_create(bus, "c", scene->channel), 0);
    return bus;
}

static shmbus_subscriber *join(shmbus_bus *bus, const struct scene *scene)
{
    const shmbus_subscriber_options options = {
        .group = "g", .shared = scene->shared, .durable = scene->durable, .from = SHMBUS_FROM_OLDEST};
    shmbus_subscriber *subscriber = NULL;
    check_eq(shmbus_subscriber_open(bus, "c", &options, &subscriber), 0);
    return subscriber;
}

static void close_bus(shmbus_bus *bus)
{
    unit_check_ledger();
    check_eq(shmbus_close(bus), 0);
    check_eq(shmbus_remove(unit_bus), 0);
}

/* Takes `count` messages, gives all but the last back, and waits for the end. */
static void take_and_die(void *context)
{
    const struct scene *scene = context;
    shmbus_bus *bus = open_channel(scene);
    shmbus_subscriber *subscriber = join(bus, scene);
    unit_gate_open(&scene->ready);
    for (unsigned i = 0; i < scene->count; i++) {
        shmbus_message message;
        check_eq(shmbus_next(subscriber, &message, SHMBUS_FOREVER), 0);
    }
    unit_wait_to_be_killed(&scene->ready);
}

/* Claims `count` messages, commits `finish` of them, and waits for the end. */
static void claim_and_die(void *context)
{
    const struct scene *scene = context;
    shmbus_publisher *publisher = unit_publisher(unit_open(), scene->channel);
    shmbus_claim_t claims[SHMBUS_CLAIM_MAX];
    for (unsigned i = 0; i < scene->count; i++) {
        claims[i].size = scene->size;
    }
    if (scene->count > 0) {
        check_eq(shmbus_claim_batch(publisher, claims, scene->count, SHMBUS_NOWAIT), scene->count);
    }
    for (unsigned i = 0; i < scene->finish; i++) {
        unit_fill(claims[2 * i].data, scene->size, claims[2 * i].sequence);
        check_eq(shmbus_commit(publisher, &claims[2 * i]), 0);
    }
    unit_wait_to_be_killed(&scene->ready);
}

static void receive(shmbus_subscriber *subscriber, uint64_t sequence, size_t size, uint32_t flags)
{
    shmbus_message message;
    check_eq(shmbus_peek(subscriber, &message, shmbus_deadline(INT64_C(30000000000))), 0);
    check_eq(message.sequence, sequence);
    check_eq(message.size, size);
    check_eq(message.flags, flags);
    unit_check_content(message.data, message.size, message.sequence);
    check_eq(shmbus_release(subscriber), 0);
}

/* ---------------------------------------------------------------------------------- dead subscribers */

struct sending {
    shmbus_publisher *publisher;
    uint64_t sequence;
};

static void *send_blocked(void *context)
{
    const struct sending *sending = context;
    check_eq(unit_send(sending->publisher, 30, sending->sequence, SHMBUS_FOREVER), 0);
    return NULL;
}

/* The publisher sleeps for room that only the dead one's going makes. */
UNIT(recovery, of_a_reader_that_holds_a_publisher)
{
    for (unsigned i = 0; i < 4; i++) {
        struct scene scene = {
            .ready = unit_gate(), .channel = &kinds[i % 2], .shared = (int)i / 2, .count = 3};
        const pid_t child = unit_fork(take_and_die, &scene);
        unit_gate_wait(&scene.ready);
        shmbus_bus *bus = unit_open();
        struct sending sending = {.publisher = unit_publisher(bus, NULL)};
        for (; unit_send(sending.publisher, 30, sending.sequence, SHMBUS_NOWAIT) == 0; sending.sequence++) {
        }
        unit_gate_wait(&scene.ready);
        while (unit_send(sending.publisher, 30, sending.sequence, SHMBUS_NOWAIT) == 0) {
            sending.sequence++;
        }
        pthread_t thread;
        const uint64_t slept = unit_publisher_info(0).stats.sleeps;
        check_eq(pthread_create(&thread, NULL, send_blocked, &sending), 0);
        check_soon(unit_publisher_info(0).stats.sleeps > slept);
        unit_kill(child);
        check_eq(pthread_join(thread, NULL), 0);
        check_eq(unit_channel_info().groups, 0);
        check_eq(unit_channel_info().members, 0);
        close_bus(bus);
    }
}

UNIT(recovery, of_a_worker_hands_its_message_over_once)
{
    for (unsigned i = 0; i < 4; i++) {
        struct scene scene = {.ready = unit_gate(), .channel = &kinds[i], .shared = 1, .count = 4};
        const pid_t child = unit_fork(take_and_die, &scene);
        unit_gate_wait(&scene.ready);
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = unit_publisher(bus, NULL);
        for (uint64_t j = 0; j < 10; j++) {
            check_eq(unit_send(publisher, 500, j, SHMBUS_NOWAIT), 0);
        }
        unit_gate_wait(&scene.ready); /* it has released 0 to 2 and holds 3 */
        shmbus_subscriber *survivor = join(bus, &scene);
        receive(survivor, 4, 500, 0);
        check_eq(unit_group_info("g").position, 3);
        check_eq(unit_group_info("g").pending, 6); /* 3, which is held, and 5 to 9 */
        unit_check_ledger();
        unit_kill(child);
        unsigned redelivered = 0;
        for (uint64_t seen = 0; seen != 0x3e8;) { /* 3 and 5 to 9 */
            shmbus_message message;
            check_eq(shmbus_next(survivor, &message, shmbus_deadline(INT64_C(30000000000))), 0);
            unit_check_content(message.data, message.size, message.sequence);
            check_eq(seen & UINT64_C(1) << message.sequence, 0);
            check_eq(message.flags, message.sequence == 3 ? UNIT_REDELIVERED(1) : 0);
            redelivered += message.flags == UNIT_REDELIVERED(1);
            seen |= UINT64_C(1) << message.sequence;
        }
        check_eq(shmbus_release(survivor), 0);
        check_eq(redelivered, 1);
        check_eq(shmbus_recv(survivor, NULL, 0, NULL, shmbus_deadline(30000000)), -ETIMEDOUT);
        check_eq(unit_group_info("g").redelivered, 1);
        check_eq(unit_group_info("g").messages, 10);
        check_eq(unit_group_info("g").pending, 0);
        close_bus(bus);
    }
}

/* Nobody was left: the next who joins a durable group gets what the dead one held, marked, and the rest. */
UNIT(recovery, of_a_durable_groups_only_member)
{
    for (unsigned i = 0; i < 8; i++) {
        struct scene scene = {
            .ready = unit_gate(), .channel = &kinds[i % 4], .shared = (int)i / 4, .durable = 1, .count = 4};
        const pid_t child = unit_fork(take_and_die, &scene);
        unit_gate_wait(&scene.ready);
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = unit_publisher(bus, NULL);
        for (uint64_t j = 0; j < 10; j++) {
            check_eq(unit_send(publisher, 100, j, SHMBUS_NOWAIT), 0);
        }
        unit_gate_wait(&scene.ready);
        unit_kill(child);
        check_eq(unit_group_info("g").pending, 7);
        shmbus_subscriber *next = join(bus, &scene);
        for (uint64_t j = 3; j < 10; j++) {
            receive(next, j, 100, j == 3 ? UNIT_REDELIVERED(1) : 0);
        }
        check_eq(unit_group_info("g").messages, 10);
        check_eq(unit_group_info("g").redelivered, 1);
        /* That was it: who comes after one that left in peace gets unmarked messages. */
        check_eq(shmbus_subscriber_close(next), 0);
        check_eq(unit_send(publisher, 100, 10, SHMBUS_NOWAIT), 0);
        next = join(bus, &scene);
        receive(next, 10, 100, 0);
        close_bus(bus);
    }
}

/* It holds messages that a batch took; a living member closes, or dies, with the same ones in hand. */
UNIT(recovery, of_one_worker_after_another)
{
    struct scene scene = {.ready = unit_gate(), .channel = &kinds[0], .shared = 1, .durable = 1, .count = 1};
    shmbus_bus *bus = open_channel(&scene);
    shmbus_publisher *publisher = unit_publisher(bus, NULL);
    shmbus_subscriber *last = join(bus, &scene);
    check_eq(unit_send(publisher, 100, 0, SHMBUS_NOWAIT), 0);
    for (unsigned i = 0; i < 3; i++) {
        const pid_t child = unit_fork(take_and_die, &scene);
        unit_gate_wait(&scene.ready);
        unit_gate_wait(&scene.ready);
        check_eq(unit_group_info("g").pending, 1);
        unit_kill(child);
    }
    receive(last, 0, 100, UNIT_REDELIVERED(3));
    check_eq(shmbus_recv(last, NULL, 0, NULL, shmbus_deadline(20000000)), -ETIMEDOUT);
    close_bus(bus);
}

/* ----------------------------------------------------------------------------------- dead publishers */

/* What it had claimed and not committed becomes aborted; what it committed, and what others sent, is read. */
static void check_dead_publisher(struct scene *scene)
{
    shmbus_bus *bus = open_channel(scene);
    shmbus_subscriber *subscriber = unit_subscriber(bus, "g");
    const pid_t child = unit_fork(claim_and_die, scene);
    unit_gate_wait(&scene->ready);
    const bool multi = scene->channel->producers == SHMBUS_MULTI;
    shmbus_publisher *publisher = multi ? unit_publisher(bus, NULL) : NULL;
    check(!multi || unit_send(publisher, 50, scene->count, SHMBUS_NOWAIT) == 0);
    unit_kill(child);
    if (!multi) {
        publisher = unit_publisher(bus, NULL); /* takes the place, at the next message */
        check_eq(unit_send(publisher, 50, scene->count, SHMBUS_NOWAIT), 0);
    }
    for (uint64_t i = 0; i < scene->finish; i++) {
        receive(subscriber, 2 * i, scene->size, 0);
    }
    receive(subscriber, scene->count, 50, 0);
    shmbus_subscriber_stats stats;
    check_eq(shmbus_subscriber_stats_get(subscriber, &stats), 0);
    check_eq(stats.aborted, scene->count - scene->finish);
    check_eq(stats.messages, scene->finish + 1);
    /* Slots and arena lines are all there again. */
    for (uint64_t i = scene->count + 1; i < scene->count + 300; i++) {
        const size_t size = i % 3 ? 40 : 16 << 10;
        check_eq(unit_send(publisher, size, i, SHMBUS_NOWAIT), 0);
        receive(subscriber, i, size, 0);
    }
    close_bus(bus);
}

UNIT(recovery, of_a_publishers_claims)
{
    const size_t sizes[] = {0, 40, 1000};
    for (unsigned i = 0; i < 12; i++) {
        struct scene one = {.ready = unit_gate(), .channel = &kinds[i % 4], .count = 1, .size = sizes[i / 4]};
        struct scene batch = {
            .ready = unit_gate(), .channel = &kinds[i % 4], .count = 7, .finish = 3, .size = sizes[i / 4]};
        struct scene none = {.ready = unit_gate(), .channel = &kinds[i % 4]};
        check_dead_publisher(&one);
        check_dead_publisher(&batch);
        check_dead_publisher(&none);
    }
}

/* Others' publishers are held up by the claim once the ring has gone round to it; then they put it right. */
UNIT(recovery, of_a_claim_by_blocked_publishers)
{
    for (unsigned i = 0; i < 2; i++) {
        struct scene scene = {.ready = unit_gate(), .channel = &kinds[2 * i], .count = 1, .size = 40};
        const pid_t child = unit_fork(claim_and_die, &scene);
        unit_gate_wait(&scene.ready);
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = unit_publisher(bus, NULL);
        uint64_t sent = 1;
        while (unit_send(publisher, 40, sent, SHMBUS_NOWAIT) == 0) {
            sent++;
        }
        check_eq(sent, SLOTS);
        check_eq(unit_send(publisher, 40, sent, shmbus_deadline(30000000)), -ETIMEDOUT); /* it lives */
        unit_kill(child);
        check_eq(unit_send(publisher, 40, sent, shmbus_deadline(INT64_C(30000000000))), 0);
        close_bus(bus);
    }
}

/* A reader sleeps in front of the claim of a publisher that is then killed. */
static void *read_behind_claim(void *context)
{
    receive(context, 1, 50, 0);
    return NULL;
}

UNIT(recovery, of_a_claim_by_a_sleeping_reader)
{
    struct scene scene = {.ready = unit_gate(), .channel = &kinds[0], .count = 1, .size = 3000};
    const pid_t child = unit_fork(claim_and_die, &scene);
    unit_gate_wait(&scene.ready);
    shmbus_bus *bus = unit_open();
    shmbus_subscriber *subscriber = unit_subscriber(bus, "g");
    shmbus_publisher *publisher = unit_publisher(bus, NULL);
    check_eq(unit_send(publisher, 50, 1, SHMBUS_NOWAIT), 0);
    pthread_t thread;
    check_eq(pthread_create(&thread, NULL, read_behind_claim, subscriber), 0);
    check_soon(unit_member_info(0).stats.sleeps > 0);
    unit_kill(child);
    check_eq(pthread_join(thread, NULL), 0);
    close_bus(bus);
}

/* ------------------------------------------------------------------------------------------ no lock */

/* Takes the directory lock, as somebody does who is stopped while he opens something. */
static void hold_directory(void *context)
{
    const struct scene *scene = context;
    check_eq(os_lock_wait(os_segment_open(unit_bus, true), LOCK_DIRECTORY), 0);
    unit_wait_to_be_killed(&scene->ready);
}

static pid_t start(void (*body)(void *context), struct scene *scene)
{
    const pid_t child = unit_fork(body, scene);
    unit_gate_wait(&scene->ready);
    return child;
}

UNIT(recovery, of_claims_needs_no_directory_lock)
{
    struct scene scene = {.ready = unit_gate(), .channel = &kinds[0], .count = 2, .size = 1000};
    shmbus_bus *bus = open_channel(&scene);
    shmbus_subscriber *subscriber = unit_subscriber(bus, "g");
    shmbus_publisher *publisher = unit_publisher(bus, NULL);
    const pid_t child = start(claim_and_die, &scene), holder = start(hold_directory, &scene);
    check_eq(unit_send(publisher, 50, 2, SHMBUS_NOWAIT), 0);
    unit_kill(child);
    receive(subscriber, 2, 50, 0);
    unit_kill(holder);
    close_bus(bus);
}

UNIT(recovery, of_members_needs_no_directory_lock)
{
    for (int durable = 0; durable <= 1; durable++) {
        struct scene scene = {
            .ready = unit_gate(), .channel = &kinds[0], .shared = 1, .durable = durable, .count = 1};
        shmbus_bus *bus = open_channel(&scene);
        shmbus_publisher *publisher = unit_publisher(bus, NULL);
        check_eq(unit_send(publisher, 50, 0, SHMBUS_NOWAIT), 0);
        const pid_t child = start(take_and_die, &scene);
        unit_gate_wait(&scene.ready);
        shmbus_subscriber *survivor = join(bus, &scene);
        const pid_t holder = start(hold_directory, &scene);
        unit_kill(child);
        receive(survivor, 0, 50, UNIT_REDELIVERED(1));
        check_eq(unit_group_info("g").messages, 1);
        check_eq(unit_group_info("g").redelivered, 1);
        unit_kill(holder);
        close_bus(bus);
    }
}

UNIT(recovery, of_groups_needs_no_directory_lock)
{
    for (int shared = 0; shared <= 1; shared++) {
        struct scene scene = {.ready = unit_gate(), .channel = &kinds[1], .shared = shared};
        const pid_t child = start(take_and_die, &scene);
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = unit_publisher(bus, NULL);
        uint64_t sent = 0;
        while (unit_send(publisher, 30, sent, SHMBUS_NOWAIT) == 0) {
            sent++;
        }
        const pid_t holder = start(hold_directory, &scene);
        unit_kill(child);
        check_eq(unit_send(publisher, 30, sent, shmbus_deadline(INT64_C(30000000000))), 0);
        check_eq(unit_channel_info().groups, 0);
        unit_kill(holder);
        close_bus(bus);
    }
}

/* ------------------------------------------------------------------------------------- entries, memory */

UNIT(recovery, frees_entries)
{
    static const shmbus_channel_options tight = {.publishers = 1, .groups = 1, .members = 1};
    for (unsigned i = 0; i < 4; i++) {
        struct scene scene = {.ready = unit_gate(), .channel = &tight, .shared = (int)i / 2};
        const pid_t child = unit_fork(i % 2 ? take_and_die : claim_and_die, &scene);
        unit_gate_wait(&scene.ready);
        if (i % 2) {
            unit_gate_wait(&scene.ready);
        }
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = NULL;
        shmbus_subscriber *subscriber = NULL;
        check_eq(i % 2 ? shmbus_subscriber_open(bus, "c", NULL, &subscriber)
                       : shmbus_publisher_open(bus, "c", NULL, &publisher),
                 -EUSERS);
        unit_kill(child);
        check_eq(shmbus_subscriber_open(bus, "c", NULL, &subscriber), 0);
        check_eq(shmbus_publisher_open(bus, "c", NULL, &publisher), 0);
        close_bus(bus);
    }
}

UNIT(recovery, frees_participants)
{
    const shmbus_bus_options few = {.participants = 2};
    shmbus_bus *bus = NULL, *other = NULL;
    check_eq(shmbus_open(unit_bus, &few, &bus), 0);
    struct scene scene = {.ready = unit_gate(), .channel = &kinds[1]};
    for (unsigned i = 0; i < 5; i++) {
        const pid_t child = unit_fork(claim_and_die, &scene);
        unit_gate_wait(&scene.ready);
        check_fails(shmbus_open(unit_bus, NULL, &other), -EUSERS, "2");
        check_fails(shmbus_publisher_open(bus, "c", NULL, &(shmbus_publisher *){NULL}), -EBUSY,
                    "participant 1");
        unit_kill(child);
        shmbus_view *view = NULL;
        shmbus_bus_info info;
        check_eq(shmbus_view_open(unit_bus, &view), 0);
        check_eq(shmbus_view_bus(view, &info), 0);
        check_eq(info.participants, 1);
        check_eq(info.dead, 1);
        shmbus_view_close(view);
    }
    check_eq(shmbus_open(unit_bus, NULL, &other), 0);
    check_eq(shmbus_close(other), 0);
    close_bus(bus);
}

UNIT(recovery, gives_a_removed_channels_memory_back)
{
    struct scene scene = {.ready = unit_gate(), .channel = &kinds[0]};
    shmbus_bus *bus = unit_open();
    const struct unit_file empty = unit_file();
    const pid_t child = unit_fork(claim_and_die, &scene);
    unit_gate_wait(&scene.ready);
    check_eq(shmbus_channel_remove(bus, "c"), 0);
    check(unit_file().blocks > empty.blocks);
    unit_kill(child);
    check_eq(shmbus_channel_create(bus, "d", &kinds[0]), 0); /* the next change finds it unused */
    check_eq(shmbus_channel_remove(bus, "d"), 0);
    check_eq(unit_file().blocks, empty.blocks);
    check_eq(shmbus_close(bus), 0);
}

/* -------------------------------------------------------------------------------------- not dead */

static void stop(pid_t child)
{
    int status;
    check_eq(kill(child, SIGSTOP), 0);
    check_eq(waitpid(child, &status, WUNTRACED), child);
    check(WIFSTOPPED(status));
}

UNIT(recovery, leaves_the_stopped_alone)
{
    for (int shared = 0; shared <= 1; shared++) {
        struct scene scene = {.ready = unit_gate(), .channel = &kinds[0], .shared = shared, .count = SLOTS};
        const pid_t child = unit_fork(take_and_die, &scene);
        unit_gate_wait(&scene.ready);
        stop(child);
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = unit_publisher(bus, NULL);
        uint64_t sent = 0;
        while (unit_send(publisher, 30, sent, SHMBUS_NOWAIT) == 0) {
            sent++;
        }
        check_eq(unit_send(publisher, 30, sent, shmbus_deadline(100000000)), -ETIMEDOUT);
        check(unit_member_info(0).alive);
        check_eq(unit_channel_info().members, 1);
        check_eq(kill(child, SIGCONT), 0);
        check_eq(unit_send(publisher, 30, sent, shmbus_deadline(INT64_C(30000000000))), 0);
        unit_gate_wait(&scene.ready);
        unit_kill(child);
        close_bus(bus);
    }
}
