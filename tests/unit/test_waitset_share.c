/* SPDX-License-Identifier: Apache-2.0 */
/* Several who sleep on one channel: sets of one process, sets and calls, and participants that share a bit. */
#define _GNU_SOURCE
#include "unit_waitset.h"

#include "layout.h"

#include <sys/resource.h>

/* A set with a subscriber of its own to channel "a", and a thread that waits on it. */
struct sleeper {
    struct unit_line line;
    shmbus_waitset *set;
    struct unit_call call;
};

static void sleeper_open(struct sleeper *sleeper, shmbus_bus *bus)
{
    sleeper->line = (struct unit_line){.subscriber = unit_subscriber_of(bus, "a")};
    while (shmbus_recv(sleeper->line.subscriber, &(char[8]){0}, 8, NULL, SHMBUS_NOWAIT) > 0) {
    } /* what is left of earlier rounds */
    sleeper->set = unit_waitset_of(&sleeper->line, 1);
}

static void sleeper_start(struct sleeper *sleeper)
{
    sleeper->call =
        (struct unit_call){.body = unit_call_wait, .set = sleeper->set, .deadline = SHMBUS_FOREVER};
    unit_call_start_asleep(&sleeper->call);
}

/* The message has woken it. */
static void sleeper_finish(struct sleeper *sleeper, uint64_t number)
{
    check_eq(unit_call_finish(&sleeper->call), 1);
    check(sleeper->call.event.tag == &sleeper->line);
    check_eq(unit_line_receive(&sleeper->line), number);
}

UNIT(waitset_share, one_channel)
{
    enum {
        SETS = 3
    };
    shmbus_bus *bus = unit_open();
    struct unit_line out = {.publisher = unit_publisher_of(bus, "a")};
    struct sleeper sleepers[SETS];
    for (unsigned i = 0; i < SETS; i++) {
        sleeper_open(&sleepers[i], bus);
    }
    for (uint64_t round = 0; round < 30; round++) {
        for (unsigned i = 0; i < SETS; i++) {
            sleeper_start(&sleepers[i]);
        }
        unit_line_send(&out, round);
        for (unsigned i = 0; i < SETS; i++) {
            sleeper_finish(&sleepers[i], round);
        }
    }
    for (unsigned i = 0; i < SETS; i++) {
        check_eq(shmbus_waitset_close(sleepers[i].set), 0);
    }
    check_eq(shmbus_close(bus), 0);
}

/* What one set does with its member of the channel does not cost another one of the process its wake-up. */
UNIT(waitset_share, one_channel_that_another_leaves)
{
    shmbus_bus *bus = unit_open();
    struct unit_line out = {.publisher = unit_publisher_of(bus, "a")};
    struct sleeper stays;
    sleeper_open(&stays, bus);
    for (uint64_t round = 0; round < 60; round++) {
        struct sleeper leaves;
        sleeper_open(&leaves, bus);
        unit_none_ready(leaves.set);
        sleeper_start(&stays);
        sleeper_start(&leaves);
        switch (round % 3) {
        case 0:
            check_eq(shmbus_waitset_remove_subscriber(leaves.set, leaves.line.subscriber), 0);
            break;
        case 1:
            check_eq(shmbus_subscriber_close(leaves.line.subscriber), 0);
            break;
        default:
            check_eq(shmbus_waitset_close(leaves.set), 0);
        }
        check_soon(unit_thread_waits(stays.call.tid));
        unit_line_send(&out, round);
        sleeper_finish(&stays, round);
        check_eq(round % 3 == 2 ? 0 : shmbus_waitset_wake(leaves.set), 0);
        check_eq(unit_call_finish(&leaves.call), round % 3 == 2 ? -ECANCELED : 0);
        check_eq(round % 3 == 2 ? 0 : shmbus_waitset_close(leaves.set), 0);
        check_eq(round % 3 == 1 ? 0 : shmbus_subscriber_close(leaves.line.subscriber), 0);
    }
    check_eq(shmbus_waitset_close(stays.set), 0);
    check_eq(shmbus_close(bus), 0);
}

/* One subscriber in two sets: both are told. */
UNIT(waitset_share, one_subscriber)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    struct sleeper sleepers[2];
    for (unsigned i = 0; i < 2; i++) {
        sleepers[i].line = line;
        sleepers[i].set = unit_waitset_of(&sleepers[i].line, 1);
    }
    for (uint64_t round = 0; round < 30; round++) {
        sleeper_start(&sleepers[0]);
        sleeper_start(&sleepers[1]);
        unit_line_send(&line, round);
        for (unsigned i = 0; i < 2; i++) {
            check_eq(unit_call_finish(&sleepers[i].call), 1);
            check(sleepers[i].call.event.subscriber == line.subscriber);
        }
        check_eq(unit_line_receive(&line), round);
    }
    check_eq(shmbus_waitset_close(sleepers[0].set), 0);
    check_eq(shmbus_waitset_close(sleepers[1].set), 0);
    check_eq(shmbus_close(bus), 0);
}

/* Some wait in a set, some in the call that receives, one with the descriptor of a set. */
UNIT(waitset_share, one_channel_with_calls)
{
    shmbus_bus *bus = unit_open();
    struct unit_line out = {.publisher = unit_publisher_of(bus, "a")};
    struct unit_line direct = {.subscriber = unit_subscriber_of(bus, "a")};
    struct sleeper sleeper;
    sleeper_open(&sleeper, bus);
    for (uint64_t round = 0; round < 60; round++) {
        struct unit_call call = {.body = unit_call_receive, .line = &direct, .deadline = SHMBUS_FOREVER};
        if (round % 2) {
            sleeper_start(&sleeper);
        }
        unit_call_start_asleep(&call);
        if (round % 2 == 0) {
            sleeper_start(&sleeper);
        }
        unit_line_send(&out, round);
        check_eq(unit_call_finish(&call), 8);
        sleeper_finish(&sleeper, round);
    }
    check_eq(shmbus_waitset_close(sleeper.set), 0);
    check_eq(shmbus_close(bus), 0);
}

/* A publisher that waits for room, and a reader that waits for messages, of one channel in one set. */
UNIT(waitset_share, both_sides_of_a_channel)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    struct unit_line slow = {.subscriber = unit_subscriber_of(bus, "a")};
    shmbus_waitset *set = unit_waitset_of(&line, 1);
    check_eq(shmbus_waitset_add_publisher(set, line.publisher, 8, &slow), 0);
    check(unit_line_fill(&line) > 0);
    while (shmbus_recv(line.subscriber, &(char[8]){0}, 8, NULL, SHMBUS_NOWAIT) > 0) {
    }
    for (uint64_t round = 0; round < 30; round++) {
        struct unit_call call = {.body = unit_call_wait, .set = set, .deadline = SHMBUS_FOREVER};
        unit_call_start_asleep(&call);
        check(shmbus_recv(slow.subscriber, &(char[8]){0}, 8, NULL, SHMBUS_NOWAIT) > 0);
        check_eq(unit_call_finish(&call), 1);
        check(call.event.publisher == line.publisher && call.event.tag == &slow);
        unit_line_send(&line, round); /* full again, and there is a message */
        unit_only_ready(set, &line);
        check_eq(unit_line_receive(&line), round);
        unit_none_ready(set);
    }
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

/* ----------------------------------------------------------------------------- more than there are bits */

#define ATTACHMENTS (WAIT_BELL_BITS + 3)

static void allow_files(unsigned count)
{
    struct rlimit limit;
    check_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max > count ? count : limit.rlim_max;
    check_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Participants whose numbers differ by the number of bits share one: each of them is woken. */
UNIT(waitset_share, one_bit)
{
    static shmbus_bus *buses[ATTACHMENTS];
    const shmbus_bus_options options = {.participants = ATTACHMENTS};
    allow_files(4 * ATTACHMENTS);
    for (unsigned i = 0; i < ATTACHMENTS; i++) {
        check_eq(shmbus_open(unit_bus, &options, &buses[i]), 0);
    }
    struct unit_line out = {.publisher = unit_publisher_of(buses[1], "a")};
    struct sleeper sleepers[3]; /* the first two share a bit */
    sleeper_open(&sleepers[0], buses[0]);
    sleeper_open(&sleepers[1], buses[WAIT_BELL_BITS]);
    sleeper_open(&sleepers[2], buses[WAIT_BELL_BITS + 2]);
    for (uint64_t round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 3; i++) {
            sleeper_start(&sleepers[(round + i) % 3]);
        }
        unit_line_send(&out, round);
        for (unsigned i = 0; i < 3; i++) {
            sleeper_finish(&sleepers[i], round);
        }
    }
    for (unsigned i = 0; i < 3; i++) {
        check_eq(shmbus_waitset_close(sleepers[i].set), 0);
    }
    for (unsigned i = 0; i < ATTACHMENTS; i++) {
        check_eq(shmbus_close(buses[i]), 0);
    }
}
