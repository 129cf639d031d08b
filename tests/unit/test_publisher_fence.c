/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The word by which a publisher tells sleepers that it fences: when it is given, taken back and given again, and
 * that nothing is lost or comes late on the way.
 */
#define _GNU_SOURCE
#include "unit_map.h"
#include "unit_waitset.h"

#define QUIET 16u /* looks of a publisher for sleepers that find none: QUIET_LOOKS of publisher.c */

static const shmbus_channel_options shapes[] = {
    {.producers = SHMBUS_SINGLE, .slots = 64, .arena = 64 << 10, .largest = 4096},
    {.producers = SHMBUS_MULTI, .slots = 64, .arena = 64 << 10, .largest = 4096},
    {.producers = SHMBUS_SINGLE, .overflow = SHMBUS_OVERWRITE, .slots = 64},
    {.producers = SHMBUS_MULTI, .overflow = SHMBUS_OVERWRITE, .slots = 64},
};

#define SHAPES (sizeof shapes / sizeof *shapes)

/* The test's bus with its channel "c", a publisher there, and its only reader. */
struct scene {
    shmbus_bus *bus;
    struct unit_line line;
    struct ring ring;
    uint64_t sent;
};

static shmbus_subscriber *sleeper(shmbus_bus *bus)
{
    const shmbus_subscriber_options options = {.wait = SHMBUS_WAIT_BLOCK};
    shmbus_subscriber *subscriber = NULL;
    check_eq(shmbus_subscriber_open(bus, "c", &options, &subscriber), 0);
    return subscriber;
}

static struct scene open_scene(const shmbus_channel_options *shape)
{
    struct scene scene = {.bus = unit_open()};
    scene.line.publisher = unit_publisher(scene.bus, shape);
    scene.line.subscriber = sleeper(scene.bus);
    scene.ring = unit_ring(unit_map());
    return scene;
}

static void close_scene(const struct scene *scene)
{
    check_eq(shmbus_close(scene->bus), 0);
    check_eq(shmbus_remove(unit_bus), 0);
}

static bool fenced(const struct scene *scene, unsigned index)
{
    return load32_acquire(&scene->ring.publishers[index].fenced) != 0;
}

static void send_and_receive(struct scene *scene)
{
    unit_line_send(&scene->line, scene->sent);
    check_eq(unit_line_receive(&scene->line), scene->sent);
    scene->sent++;
}

/* So often that a publisher that fences gives it up, though it may have to wake a reader once more meanwhile. */
static void be_quiet(struct scene *scene)
{
    for (unsigned i = 0; i < QUIET || (fenced(scene, 0) && i < 20 * QUIET); i++) {
        send_and_receive(scene);
    }
    check(!fenced(scene, 0));
}

/* The reader, in another thread, has raised its flag and sleeps. */
static void put_to_sleep(const struct scene *scene, struct unit_call *call)
{
    *call = (struct unit_call){.body = unit_call_receive, .line = &scene->line, .deadline = SHMBUS_FOREVER};
    unit_call_start_asleep(call);
    check_soon(unit_asleep(&scene->ring.shared->data));
}

/* ------------------------------------------------------------------------------------- given and taken */

/* The ways to send a message, each of which looks for sleepers once. */
static void send_somehow(struct scene *scene, unsigned way)
{
    static unsigned char data[1000];
    const struct iovec parts[2] = {{.iov_base = data, .iov_len = 5}, {.iov_base = data, .iov_len = 900}};
    shmbus_claim_t claims[2] = {{.size = 5}, {.size = 5}};
    shmbus_publisher *publisher = scene->line.publisher;
    switch (way) {
    case 0:
        check_eq(shmbus_send(publisher, data, 5, SHMBUS_NOWAIT), 0);
        break;
    case 1:
        check_eq(shmbus_send(publisher, data, sizeof data, SHMBUS_NOWAIT), 0);
        break;
    case 2:
        check_eq(shmbus_send_batch(publisher, parts, 2, SHMBUS_NOWAIT), 2);
        break;
    case 3:
        check_eq(shmbus_claim(publisher, claims, SHMBUS_NOWAIT), 0);
        check_eq(shmbus_commit(publisher, claims), 0);
        break;
    case 4:
        check_eq(shmbus_claim(publisher, claims, SHMBUS_NOWAIT), 0);
        check_eq(shmbus_abort(publisher, claims), 0);
        break;
    default:
        check_eq(shmbus_claim_batch(publisher, claims, 2, SHMBUS_NOWAIT), 2);
        check_eq(shmbus_commit_batch(publisher, claims, 2), 0);
        break;
    }
    unsigned char buffer[sizeof data];
    while (shmbus_recv(scene->line.subscriber, buffer, sizeof buffer, NULL, SHMBUS_NOWAIT) >= 0) {
    }
}

UNIT(publisher_fence, is_dropped_when_nobody_sleeps)
{
    for (unsigned i = 0; i < SHAPES * 6; i++) {
        struct scene scene = open_scene(&shapes[i % SHAPES]);
        check(fenced(&scene, 0));
        for (unsigned k = 0; k < QUIET - 1; k++) {
            send_somehow(&scene, i / SHAPES);
        }
        check(fenced(&scene, 0));
        send_somehow(&scene, i / SHAPES);
        check(!fenced(&scene, 0));
        for (unsigned k = 0; k < 2 * QUIET; k++) {
            send_somehow(&scene, i / SHAPES);
        }
        check(!fenced(&scene, 0));
        unit_check_ledger();
        close_scene(&scene);
    }
}

UNIT(publisher_fence, comes_back_when_somebody_had_to_be_woken)
{
    for (unsigned i = 0; i < SHAPES * 3; i++) {
        struct scene scene = open_scene(&shapes[i % SHAPES]);
        for (unsigned round = 0; round < 3; round++) {
            struct unit_call call;
            be_quiet(&scene);
            put_to_sleep(&scene, &call);
            check(!fenced(&scene, 0));
            uint64_t wakes = unit_publisher_info(0).stats.wakes;
            if (i / SHAPES == 0) {
                unit_line_send(&scene.line, 0);
            } else {
                shmbus_claim_t claim = {.size = 8};
                check_eq(shmbus_claim(scene.line.publisher, &claim, SHMBUS_NOWAIT), 0);
                check_eq(i / SHAPES == 1 ? shmbus_commit(scene.line.publisher, &claim)
                                         : shmbus_commit_batch(scene.line.publisher, &claim, 1),
                         0);
            }
            check(fenced(&scene, 0));
            check_eq(unit_call_finish(&call), 8);
            check_eq(unit_publisher_info(0).stats.wakes, ++wakes);
        }
        close_scene(&scene);
    }
}

UNIT(publisher_fence, comes_back_for_a_waitset)
{
    for (unsigned i = 0; i < SHAPES; i++) {
        struct scene scene = open_scene(&shapes[i]);
        shmbus_waitset *set = unit_waitset_of(&scene.line, 1);
        for (unsigned round = 0; round < 5; round++) {
            struct unit_call call = {.body = unit_call_wait, .set = set, .deadline = SHMBUS_FOREVER};
            be_quiet(&scene);
            unit_call_start_asleep(&call);
            unit_line_send(&scene.line, round);
            check(fenced(&scene, 0));
            check_eq(unit_call_finish(&call), 1);
            check_eq(unit_line_receive(&scene.line), round);
        }
        check_eq(shmbus_waitset_close(set), 0);
        close_scene(&scene);
    }
}

/* Only looks in a row count. */
UNIT(publisher_fence, stays_while_sleepers_are_found)
{
    for (unsigned i = 0; i < SHAPES; i++) {
        struct scene scene = open_scene(&shapes[i]);
        for (unsigned round = 0; round < 10; round++) {
            struct unit_call call;
            for (unsigned k = 0; k < QUIET - 1; k++) {
                send_and_receive(&scene);
            }
            check(fenced(&scene, 0));
            put_to_sleep(&scene, &call);
            unit_line_send(&scene.line, scene.sent);
            check_eq(unit_call_finish(&call), 8);
        }
        be_quiet(&scene);
        close_scene(&scene);
    }
}

/* Each publisher has its own word; an entry that is used again begins as a new one does. */
UNIT(publisher_fence, is_each_publishers_own)
{
    struct scene scene = open_scene(&shapes[1]);
    shmbus_publisher *second = unit_publisher(scene.bus, NULL);
    be_quiet(&scene);
    check(fenced(&scene, 1));
    check_eq(shmbus_publisher_close(scene.line.publisher), 0);
    scene.line.publisher = unit_publisher(scene.bus, NULL);
    check(fenced(&scene, 0));
    be_quiet(&scene);
    check(fenced(&scene, 1));
    check_eq(shmbus_publisher_close(second), 0);
    close_scene(&scene);
}

/* A process that no membarrier reaches, here by its own wish, always fences. */
UNIT(publisher_fence, is_never_dropped_by_the_unregistered)
{
    for (unsigned i = 0; i < SHAPES; i++) {
        const shmbus_bus_options options = {.fenced = 1};
        shmbus_bus *bus = NULL;
        check_eq(shmbus_open(unit_bus, &options, &bus), 0);
        struct scene scene = {.bus = bus, .line.publisher = unit_publisher(bus, &shapes[i])};
        scene.line.subscriber = unit_subscriber(bus, NULL);
        scene.ring = unit_ring(unit_map());
        for (unsigned k = 0; k < 10 * QUIET; k++) {
            send_and_receive(&scene);
            check(fenced(&scene, 0));
        }
        close_scene(&scene);
    }
}

/* How many of QUIET - 1 messages went through the window: a single publisher counts those later, many at once. */
static unsigned through_window(struct scene *scene)
{
    unsigned count = 0;
    for (unsigned i = 0; i < QUIET - 1; i++) {
        const uint64_t before = load64_relaxed(&scene->ring.publishers[0].messages);
        send_and_receive(scene);
        count += load64_relaxed(&scene->ring.publishers[0].messages) == before;
    }
    return count;
}

/* The window's fast path has no fence. */
UNIT(publisher_fence, keeps_out_of_the_window)
{
    struct scene scene = open_scene(&shapes[0]);
    for (unsigned round = 0; round < 10; round++) {
        struct unit_call call;
        check_eq(through_window(&scene), 0);
        be_quiet(&scene);
        check(through_window(&scene) > 0);
        put_to_sleep(&scene, &call);
        unit_line_send(&scene.line, 0);
        check_eq(unit_call_finish(&call), 8);
    }
    close_scene(&scene);
}

/* ------------------------------------------------------------------------------------------ open claims */

/* While claims are open the word stays as it is; the look after the last one may move it. */
UNIT(publisher_fence, is_not_dropped_with_claims_open)
{
    for (unsigned i = 0; i < SHAPES; i++) {
        struct scene scene = open_scene(&shapes[i]);
        shmbus_claim_t claims[3 * QUIET];
        for (unsigned k = 0; k < 3 * QUIET; k++) {
            claims[k].size = 8;
        }
        check_eq(shmbus_claim_batch(scene.line.publisher, claims, 3 * QUIET, SHMBUS_NOWAIT), 3 * QUIET);
        for (unsigned k = 0; k < 3 * QUIET; k++) {
            check(fenced(&scene, 0));
            memcpy(claims[k].data, &scene.sent, sizeof scene.sent);
            check_eq(shmbus_commit(scene.line.publisher, &claims[k]), 0);
            check_eq(unit_line_receive(&scene.line), scene.sent++);
        }
        check(fenced(&scene, 0));
        be_quiet(&scene);
        close_scene(&scene);
    }
}

UNIT(publisher_fence, comes_back_behind_the_last_open_claim)
{
    for (unsigned i = 0; i < SHAPES; i++) {
        struct scene scene = open_scene(&shapes[i]);
        shmbus_claim_t claims[3] = {{.size = 8}, {.size = 8}, {.size = 8}};
        be_quiet(&scene);
        check_eq(shmbus_claim_batch(scene.line.publisher, claims, 3, SHMBUS_NOWAIT), 3);
        for (unsigned k = 0; k < 3; k++) {
            struct unit_call call;
            put_to_sleep(&scene, &call);
            check(!fenced(&scene, 0));
            check_eq(shmbus_commit(scene.line.publisher, &claims[k]), 0);
            check_eq(unit_call_finish(&call), 8);
        }
        check(fenced(&scene, 0));
        be_quiet(&scene);
        close_scene(&scene);
    }
}

/* A claim through the window is finished by the way that is open to all claims. */
UNIT(publisher_fence, is_not_confused_by_a_claim_in_the_window)
{
    for (unsigned i = 0; i < SHAPES; i++) {
        struct scene scene = open_scene(&shapes[i]);
        for (unsigned end = 0; end < 4; end++) {
            struct unit_call call;
            shmbus_claim_t claim = {.size = 8};
            be_quiet(&scene);
            send_and_receive(&scene); /* opens the window */
            check_eq(shmbus_claim(scene.line.publisher, &claim, SHMBUS_NOWAIT), 0);
            put_to_sleep(&scene, &call);
            check_eq(end % 2 ? shmbus_abort(scene.line.publisher, &claim)
                             : shmbus_commit(scene.line.publisher, &claim),
                     0);
            check(fenced(&scene, 0));
            check(end % 2 == 0 || shmbus_send(scene.line.publisher, "message", 8, SHMBUS_NOWAIT) == 0);
            check_eq(unit_call_finish(&call), 8);
            unit_check_ledger();
        }
        close_scene(&scene);
    }
}

/* ------------------------------------------------------------------------------------------------ order */

#define ORDER 4000u
#define SENDERS 2u

struct reader {
    struct unit_gate joined;
    unsigned senders;
};

/* Reads what all publishers send, asleep when there is nothing: each one's numbers in order, none missing. */
static void read_in_order(void *context)
{
    const struct reader *reader = context;
    shmbus_bus *bus = unit_open();
    shmbus_subscriber *subscriber = sleeper(bus);
    uint64_t next[SENDERS] = {0};
    unit_gate_open(&reader->joined);
    for (unsigned left = reader->senders * ORDER; left > 0; left--) {
        uint64_t words[2];
        check_eq(shmbus_recv(subscriber, words, sizeof words, NULL, SHMBUS_FOREVER), sizeof words);
        check_eq(words[1], next[words[0]]++);
    }
    check_eq(shmbus_close(bus), 0);
}

static void send_three(shmbus_publisher *publisher, uint64_t (*words)[2])
{
    struct iovec parts[3];
    for (unsigned i = 0; i < 3; i++) {
        parts[i] = (struct iovec){.iov_base = words[i], .iov_len = sizeof words[i]};
    }
    for (unsigned sent = 0; sent < 3;) {
        const int some = shmbus_send_batch(publisher, parts + sent, 3 - sent, SHMBUS_FOREVER);
        check(some > 0);
        sent += (unsigned)some;
    }
}

/* Sends one or three messages from `number` on; how many. */
static unsigned send_some(shmbus_publisher *publisher, uint64_t sender, uint64_t number)
{
    uint64_t words[3][2] = {{sender, number}, {sender, number + 1}, {sender, number + 2}};
    if (number % 7 == 0 && number + 3 <= ORDER) {
        send_three(publisher, words);
        return 3;
    }
    if (number % 5 == 0) {
        shmbus_claim_t claim = {.size = sizeof words[0]};
        check_eq(shmbus_claim(publisher, &claim, SHMBUS_FOREVER), 0);
        memcpy(claim.data, words[0], sizeof words[0]);
        check_eq(shmbus_commit(publisher, &claim), 0);
    } else {
        check_eq(shmbus_send(publisher, words[0], sizeof words[0], SHMBUS_FOREVER), 0);
    }
    return 1;
}

/* A run of `count` messages, or to the end, for a reader that is asleep. */
static void send_run(const struct scene *scene, uint64_t sender, shmbus_publisher *publisher,
                     uint64_t *number, uint64_t count)
{
    const uint64_t end = *number + count < ORDER ? *number + count : ORDER;
    check_soon(unit_asleep(&scene->ring.shared->data));
    while (*number < end) {
        *number += send_some(publisher, sender, *number);
    }
}

static void check_order(const shmbus_channel_options *shape, unsigned senders)
{
    struct reader reader = {.joined = unit_gate(), .senders = senders};
    struct scene scene = open_scene(shape);
    shmbus_publisher *publishers[SENDERS] = {scene.line.publisher};
    uint64_t numbers[SENDERS] = {0};
    check_eq(shmbus_subscriber_close(scene.line.subscriber), 0);
    publishers[1] = senders > 1 ? unit_publisher(scene.bus, NULL) : NULL;
    const pid_t child = unit_fork(read_in_order, &reader);
    unit_gate_wait(&reader.joined);
    for (unsigned run = 0; numbers[0] + numbers[1] < senders * ORDER; run++) {
        const unsigned sender = run % senders;
        send_run(&scene, sender, publishers[sender], &numbers[sender], run % 41);
    }
    unit_join(child);
    close_scene(&scene);
}

/* Runs of all lengths, before each of which the reader falls asleep: the word is given and taken now and then. */
UNIT(publisher_fence, keeps_order_and_loses_nothing)
{
    check_order(&shapes[0], 1);
    check_order(&shapes[1], SENDERS);
}
