/* SPDX-License-Identifier: Apache-2.0 */
/* Waitsets: what is ready, how often it is said, and in which order. */
#define _GNU_SOURCE
#include "unit_waitset.h"

/* ------------------------------------------------------------------------------------------ readiness */

UNIT(waitset, tells_again_what_was_not_used)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    shmbus_waitset *set = unit_waitset_of(&line, 1);
    unit_none_ready(set);
    for (uint64_t i = 0; i < 3; i++) {
        unit_line_send(&line, i);
    }
    for (uint64_t i = 0; i < 3; i++) {
        unit_only_ready(set, &line);
        unit_only_ready(set, &line);
        check_eq(unit_line_receive(&line), i);
    }
    unit_none_ready(set);
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

/* Who has peeked a message has it in use: only what comes after it is told. */
UNIT(waitset, tells_nothing_of_a_message_in_use)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    shmbus_waitset *set = unit_waitset_of(&line, 1);
    shmbus_message message;
    unit_line_send(&line, 1);
    unit_only_ready(set, &line);
    check_eq(shmbus_peek(line.subscriber, &message, SHMBUS_NOWAIT), 0);
    unit_none_ready(set);
    unit_line_send(&line, 2);
    unit_only_ready(set, &line);
    check_eq(shmbus_next(line.subscriber, &message, SHMBUS_NOWAIT), 0);
    unit_none_ready(set);
    check_eq(shmbus_release(line.subscriber), 0);
    unit_none_ready(set);
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

static int stop_at_once(void *context, const shmbus_message *message)
{
    (void)message;
    ++*(unsigned *)context;
    return 1;
}

/* What a stopped poll has taken off the ring is still to be handed over. */
UNIT(waitset, tells_of_what_a_stopped_poll_left)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = {.publisher = unit_publisher(bus, &unit_small)};
    line.subscriber = unit_worker(bus, "g");
    shmbus_waitset *set = unit_waitset_of(&line, 1);
    unsigned seen = 0;
    for (uint64_t i = 0; i < 3; i++) {
        unit_line_send(&line, i);
    }
    for (unsigned i = 1; i <= 3; i++) {
        unit_only_ready(set, &line);
        check_eq(shmbus_poll(line.subscriber, 10, SHMBUS_NOWAIT, stop_at_once, &seen), 1);
        check_eq(seen, i);
    }
    unit_none_ready(set);
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

/* It may tell of a message that turns out to be given up; who looks for it gets past it, and has peace. */
UNIT(waitset, is_not_held_up_by_what_was_given_up)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    shmbus_waitset *set = unit_waitset_of(&line, 1);
    shmbus_claim_t claims[8] = {{0}};
    for (unsigned i = 0; i < 10; i++) {
        shmbus_event event;
        check_eq(shmbus_claim_batch(line.publisher, claims, 8, SHMBUS_NOWAIT), 8);
        unit_none_ready(set);
        check_eq(shmbus_abort_batch(line.publisher, claims, 8), 0);
        if (shmbus_waitset_wait(set, &event, 1, SHMBUS_NOWAIT) == 1) {
            check_eq(shmbus_recv(line.subscriber, &event, sizeof event, NULL, SHMBUS_NOWAIT), -EAGAIN);
        }
        unit_none_ready(set);
        unit_line_send(&line, i);
        unit_only_ready(set, &line);
        check_eq(unit_line_receive(&line), i);
        unit_none_ready(set);
    }
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

/* A slow reader of a channel that overwrites has a message, whatever it has missed. */
UNIT(waitset, tells_of_messages_behind_missed_ones)
{
    shmbus_bus *bus = unit_open();
    const shmbus_channel_options options = {.overflow = SHMBUS_OVERWRITE, .slots = 8};
    struct unit_line line = {.publisher = unit_publisher(bus, &options)};
    line.subscriber = unit_subscriber(bus, NULL);
    shmbus_waitset *set = unit_waitset_of(&line, 1);
    shmbus_message message = {0};
    uint64_t number = 0;
    for (uint64_t i = 0; i < 100; i++) {
        unit_line_send(&line, i);
    }
    unit_only_ready(set, &line);
    check_eq(shmbus_recv(line.subscriber, &number, sizeof number, &message, SHMBUS_NOWAIT), 8);
    check(message.missed > 0);
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

/* ------------------------------------------------------------------------------------- many of them */

#define MANY 300
#define BATCH 7u

struct many {
    shmbus_bus *buses[3];
    struct unit_line lines[MANY];
    unsigned count;
    unsigned bus_count;
};

/* `count` channels, on several buses in turn when there are enough of them. */
static void open_many(struct many *many, unsigned count)
{
    const shmbus_bus_options options = {.channels = 512};
    many->count = count;
    many->bus_count = count >= 100 ? 3 : 1;
    for (unsigned i = 0; i < many->bus_count; i++) {
        char name[sizeof unit_bus + 12];
        (void)snprintf(name, sizeof name, "%s.%u", unit_bus, i);
        check_eq(shmbus_open(name, &options, &many->buses[i]), 0);
    }
    for (unsigned i = 0; i < count; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "c%u", i);
        many->lines[i] = unit_line(many->buses[i % many->bus_count], name);
    }
}

static void close_many(const struct many *many)
{
    for (unsigned i = 0; i < many->bus_count; i++) {
        char name[sizeof unit_bus + 12];
        (void)snprintf(name, sizeof name, "%s.%u", unit_bus, i);
        check_eq(shmbus_close(many->buses[i]), 0);
        check_eq(shmbus_remove(name), 0);
    }
}

/* Each of those that are ready is reported as often as any other. */
static void check_turns(const struct many *many, shmbus_waitset *set)
{
    static unsigned turns[MANY];
    memset(turns, 0, sizeof turns);
    const unsigned max = many->count < BATCH ? many->count : BATCH;
    for (unsigned i = 0; i < many->count; i++) {
        shmbus_event events[BATCH];
        check_eq(shmbus_waitset_wait(set, events, max, SHMBUS_NOWAIT), max);
        for (unsigned k = 0; k < max; k++) {
            turns[(const struct unit_line *)events[k].tag - many->lines]++;
        }
    }
    for (unsigned i = 0; i < many->count; i++) {
        check_eq(turns[i], max);
    }
}

static void check_many(unsigned count)
{
    static struct many many;
    open_many(&many, count);
    shmbus_waitset *set = unit_waitset_of(many.lines, count);
    unit_none_ready(set);
    for (unsigned i = 0; i < count; i++) {
        const struct unit_line *line = &many.lines[i * 7 % count];
        unit_line_send(line, i);
        unit_only_ready(set, line);
        check_eq(unit_line_receive(line), i);
        unit_none_ready(set);
    }
    for (unsigned i = 0; i < count; i++) {
        unit_line_send(&many.lines[i], i);
    }
    check_turns(&many, set);
    for (unsigned i = 0; i < count; i++) {
        check_eq(unit_line_receive(&many.lines[i]), i);
    }
    unit_none_ready(set);
    check_eq(shmbus_waitset_close(set), 0);
    close_many(&many);
}

UNIT(waitset, of_any_number)
{
    const unsigned counts[] = {1, 2, 3, 64, 65, 100, MANY};
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
        check_many(counts[i]);
    }
}

/* Sleeps on all of them, and is woken by each: channels of one bus, and of several. */
UNIT(waitset, sleeps_on_any_number)
{
    const unsigned counts[] = {1, 2, 100, MANY};
    static struct many many;
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
        open_many(&many, counts[i]);
        shmbus_waitset *set = unit_waitset_of(many.lines, counts[i]);
        for (unsigned k = 0; k < 30; k++) {
            const struct unit_line *line = &many.lines[k * 37 % counts[i]];
            struct unit_call call = {.body = unit_call_wait, .set = set, .deadline = SHMBUS_FOREVER};
            unit_call_start_asleep(&call);
            unit_line_send(line, k);
            check_eq(unit_call_finish(&call), 1);
            check(call.event.tag == line);
            check_eq(unit_line_receive(line), k);
        }
        check_eq(shmbus_waitset_close(set), 0);
        close_many(&many);
    }
}

/* A channel that is ready all the time does not keep another from its turn. */
UNIT(waitset, gives_the_quiet_one_its_turn)
{
    shmbus_bus *bus = unit_open();
    struct unit_line lines[3] = {unit_line(bus, "busy0"), unit_line(bus, "quiet"), unit_line(bus, "busy2")};
    shmbus_waitset *set = unit_waitset_of(lines, 3);
    unit_line_send(&lines[0], 0);
    unit_line_send(&lines[2], 0);
    for (unsigned i = 0; i < 100; i++) {
        shmbus_event event;
        unit_line_send(&lines[1], i);
        unsigned waits = 0;
        do {
            check_eq(shmbus_waitset_wait(set, &event, 1, SHMBUS_FOREVER), 1);
            waits++;
        } while (event.tag != &lines[1]);
        check(waits <= 3);
        check_eq(unit_line_receive(&lines[1]), i);
    }
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

/* ---------------------------------------------------------------------------------------- publishers */

static void check_room(shmbus_waitset *set, const struct unit_line *line)
{
    shmbus_event events[3];
    check_eq(shmbus_waitset_wait(set, events, 3, SHMBUS_NOWAIT), 1);
    check(events[0].tag == line);
    check(events[0].publisher == line->publisher);
    check(events[0].subscriber == NULL);
}

UNIT(waitset, tells_of_room)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    shmbus_waitset *set = unit_waitset(SHMBUS_WAIT_BLOCK);
    check_eq(shmbus_waitset_add_publisher(set, line.publisher, 8, &line), 0);
    check_room(set, &line);
    for (unsigned round = 0; round < 20; round++) {
        check(unit_line_fill(&line) > 0);
        unit_none_ready(set);
        (void)shmbus_recv(line.subscriber, &(char[8]){0}, 8, NULL, SHMBUS_NOWAIT);
        check_room(set, &line);
        check_room(set, &line);
    }
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

/* Slots are free, but the arena is not: who wants to send little is ready, who wants much is not. */
UNIT(waitset, tells_of_room_for_the_size_asked_for)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    shmbus_waitset *large = unit_waitset(SHMBUS_WAIT_BLOCK);
    shmbus_waitset *little = unit_waitset(SHMBUS_WAIT_BLOCK);
    check_eq(shmbus_waitset_add_publisher(large, line.publisher, 4096, &line), 0);
    check_eq(shmbus_waitset_add_publisher(little, line.publisher, 8, &line), 0);
    uint64_t sent = 0;
    check_room(large, &line);
    while (unit_send(line.publisher, 4096, sent, SHMBUS_NOWAIT) == 0) {
        sent++;
    }
    unit_none_ready(large);
    check_room(little, &line);
    for (uint64_t i = 0; i < sent; i++) {
        unit_receive(line.subscriber, i, 4096, i);
    }
    check_room(large, &line);
    check_eq(shmbus_waitset_close(little), 0);
    check_eq(shmbus_waitset_close(large), 0);
    check_eq(shmbus_close(bus), 0);
}

UNIT(waitset, sleeps_until_there_is_room)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    shmbus_waitset *set = unit_waitset(SHMBUS_WAIT_BLOCK);
    check_eq(shmbus_waitset_add_publisher(set, line.publisher, 8, &line), 0);
    for (unsigned round = 0; round < 30; round++) {
        struct unit_call call = {.body = unit_call_wait, .set = set, .deadline = SHMBUS_FOREVER};
        check(unit_line_fill(&line) > 0);
        unit_call_start_asleep(&call);
        check(shmbus_recv(line.subscriber, &(char[8]){0}, 8, NULL, SHMBUS_NOWAIT) > 0);
        check_eq(unit_call_finish(&call), 1);
        check(call.event.publisher == line.publisher && call.event.tag == &line);
    }
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

/* Both kinds in one set, with every strategy. */
UNIT(waitset, of_readers_and_writers)
{
    for (int wait = SHMBUS_WAIT_ADAPTIVE; wait <= SHMBUS_WAIT_BLOCK; wait++) {
        shmbus_bus *bus = unit_open();
        struct unit_line in = unit_line(bus, "in");
        struct unit_line out = unit_line(bus, "out");
        shmbus_waitset *set = unit_waitset((enum shmbus_wait)wait);
        check_eq(shmbus_waitset_add_subscriber(set, in.subscriber, &in), 0);
        check_eq(shmbus_waitset_add_publisher(set, out.publisher, 8, &out), 0);
        check(unit_line_fill(&out) > 0);
        unit_none_ready(set);
        unit_line_send(&in, 1);
        unit_only_ready(set, &in);
        check(shmbus_recv(out.subscriber, &(char[8]){0}, 8, NULL, SHMBUS_NOWAIT) > 0);
        shmbus_event events[3];
        check_eq(shmbus_waitset_wait(set, events, 3, SHMBUS_FOREVER), 2);
        check_eq(unit_line_receive(&in), 1);
        check_room(set, &out);
        check_eq(shmbus_waitset_remove_publisher(set, out.publisher), 0);
        unit_none_ready(set);
        check_eq(shmbus_waitset_close(set), 0);
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}
