/* SPDX-License-Identifier: Apache-2.0 */
/* What ends the wait of a set, and what changes under it: deadlines, wakes, closes, removals, deaths. */
#define _GNU_SOURCE
#include "unit_waitset.h"

static const enum shmbus_wait strategies[] = {SHMBUS_WAIT_ADAPTIVE, SHMBUS_WAIT_SPIN, SHMBUS_WAIT_BLOCK};

static struct unit_call forever(shmbus_waitset *set)
{
    return (struct unit_call){.body = unit_call_wait, .set = set, .deadline = SHMBUS_FOREVER};
}

/* Another thread waits, asleep if the set's strategy lets it. */
static void start(struct unit_call *call, enum shmbus_wait wait)
{
    if (wait == SHMBUS_WAIT_SPIN) {
        unit_call_start(call);
    } else {
        unit_call_start_asleep(call);
    }
}

/* ---------------------------------------------------------------------------------------- deadlines */

UNIT(waitset_end, at_the_deadline)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    for (unsigned i = 0; i < 3; i++) {
        shmbus_event event;
        shmbus_waitset *set = unit_waitset(strategies[i]);
        for (unsigned members = 0; members < 2; members++) {
            const int64_t deadline = shmbus_deadline(20 * MS);
            check_eq(shmbus_waitset_wait(set, &event, 1, deadline), -ETIMEDOUT);
            check(shmbus_now() >= deadline);
            check_eq(shmbus_waitset_wait(set, &event, 1, 1), -ETIMEDOUT);
            check_eq(shmbus_waitset_wait(set, &event, 1, INT64_MIN), -ETIMEDOUT);
            check_eq(shmbus_waitset_wait(set, &event, 1, SHMBUS_NOWAIT), -EAGAIN);
            check(members == 1 || shmbus_waitset_add_subscriber(set, line.subscriber, NULL) == 0);
        }
        check_eq(shmbus_waitset_close(set), 0);
    }
    check_eq(shmbus_close(bus), 0);
}

/* A deadline that has passed does not keep from what is there. */
UNIT(waitset_end, at_once_where_something_is_ready)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    for (unsigned i = 0; i < 3; i++) {
        shmbus_event event;
        shmbus_waitset *set = unit_waitset(strategies[i]);
        check_eq(shmbus_waitset_add_subscriber(set, line.subscriber, NULL), 0);
        unit_line_send(&line, i);
        check_eq(shmbus_waitset_wait(set, &event, 1, 1), 1);
        check_eq(shmbus_waitset_wait(set, &event, 1, SHMBUS_FOREVER), 1);
        check_eq(unit_line_receive(&line), i);
        check_eq(shmbus_waitset_close(set), 0);
    }
    check_eq(shmbus_close(bus), 0);
}

/* -------------------------------------------------------------------------------------------- wakes */

UNIT(waitset_end, by_a_wake_that_came_before)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    for (unsigned i = 0; i < 6; i++) {
        shmbus_event event;
        shmbus_waitset *set = unit_waitset(strategies[i / 2]);
        check(i % 2 == 0 || shmbus_waitset_add_subscriber(set, line.subscriber, NULL) == 0);
        unit_none_ready(set);
        check_eq(shmbus_waitset_wake(set), 0);
        check_eq(shmbus_waitset_wait(set, &event, 1, SHMBUS_FOREVER), 0);
        check_eq(shmbus_waitset_wait(set, &event, 1, shmbus_deadline(1 * MS)), -ETIMEDOUT);
        check_eq(shmbus_waitset_wake(set), 0);
        check_eq(shmbus_waitset_wait(set, &event, 1, SHMBUS_NOWAIT), 0);
        unit_none_ready(set);
        check_eq(shmbus_waitset_close(set), 0);
    }
    check_eq(shmbus_close(bus), 0);
}

UNIT(waitset_end, by_a_wake_of_another_thread)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    for (unsigned i = 0; i < 6; i++) {
        shmbus_waitset *set = unit_waitset(strategies[i / 2]);
        check(i % 2 == 0 || shmbus_waitset_add_subscriber(set, line.subscriber, NULL) == 0);
        for (unsigned round = 0; round < 20; round++) {
            struct unit_call call = forever(set);
            start(&call, strategies[i / 2]);
            check_eq(shmbus_waitset_wake(set), 0);
            check_eq(unit_call_finish(&call), 0);
            unit_none_ready(set);
        }
        check_eq(shmbus_waitset_close(set), 0);
    }
    check_eq(shmbus_close(bus), 0);
}

/* Both at once: one call may tell of both, the message is not lost, and the wake is not told twice. */
UNIT(waitset_end, by_a_wake_and_a_message)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    shmbus_waitset *set = unit_waitset_of(&line, 1);
    for (unsigned i = 0; i < 20; i++) {
        shmbus_event event;
        unit_line_send(&line, i);
        check_eq(shmbus_waitset_wake(set), 0);
        const int result = shmbus_waitset_wait(set, &event, 1, SHMBUS_FOREVER);
        check(result == 0 || result == 1);
        unit_only_ready(set, &line);
        check_eq(unit_line_receive(&line), i);
        unit_none_ready(set);
    }
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

/* ----------------------------------------------------------------------------- members come and go */

UNIT(waitset_end, by_a_member_that_comes)
{
    for (unsigned i = 0; i < 12; i++) {
        shmbus_bus *bus = unit_open();
        shmbus_waitset *set = unit_waitset(strategies[i % 3]);
        struct unit_line lines[] = {unit_line(bus, "a"), unit_line(bus, "b")};
        struct unit_call call = forever(set);
        const bool ready = i / 3 % 2; /* else its message comes later */
        check(i < 6 || shmbus_waitset_add_subscriber(set, lines[0].subscriber, &lines[0]) == 0);
        start(&call, strategies[i % 3]);
        if (ready) {
            unit_line_send(&lines[1], i);
        }
        check_eq(shmbus_waitset_add_subscriber(set, lines[1].subscriber, &lines[1]), 0);
        if (!ready) {
            unit_line_send(&lines[1], i);
        }
        check_eq(unit_call_finish(&call), 1);
        check(call.event.tag == &lines[1]);
        check_eq(unit_line_receive(&lines[1]), i);
        check_eq(shmbus_waitset_close(set), 0);
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

/* A member of another bus than all the others, while the set sleeps. */
UNIT(waitset_end, by_a_member_of_another_bus)
{
    char name[sizeof unit_bus + 2];
    (void)snprintf(name, sizeof name, "%s.2", unit_bus);
    shmbus_bus *buses[2] = {unit_open(), NULL};
    check_eq(shmbus_open(name, NULL, &buses[1]), 0);
    struct unit_line lines[] = {unit_line(buses[0], "a"), unit_line(buses[1], "a")};
    shmbus_waitset *set = unit_waitset_of(lines, 1);
    struct unit_call call = forever(set);
    unit_call_start_asleep(&call);
    check_eq(shmbus_waitset_add_subscriber(set, lines[1].subscriber, &lines[1]), 0);
    check_soon(unit_thread_waits(call.tid));
    unit_line_send(&lines[1], 5);
    check_eq(unit_call_finish(&call), 1);
    check(call.event.tag == &lines[1]);
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(buses[1]), 0);
    check_eq(shmbus_close(buses[0]), 0);
    check_eq(shmbus_remove(name), 0);
}

UNIT(waitset_end, not_by_a_member_that_was_removed)
{
    shmbus_bus *bus = unit_open();
    struct unit_line lines[] = {unit_line(bus, "a"), unit_line(bus, "b")};
    shmbus_waitset *set = unit_waitset_of(lines, 2);
    struct unit_call call = forever(set);
    unit_call_start_asleep(&call);
    check_eq(shmbus_waitset_remove_subscriber(set, lines[0].subscriber), 0);
    unit_line_send(&lines[0], 0);
    unit_line_send(&lines[1], 1);
    check_eq(unit_call_finish(&call), 1);
    check(call.event.tag == &lines[1]);
    check_eq(unit_line_receive(&lines[1]), 1);
    unit_none_ready(set);
    check_eq(shmbus_waitset_add_subscriber(set, lines[0].subscriber, &lines[0]), 0);
    unit_only_ready(set, &lines[0]);
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

/* The member goes; the wait stays, and is still woken by what remains. */
UNIT(waitset_end, not_by_a_member_that_is_closed)
{
    for (unsigned i = 0; i < 9; i++) {
        shmbus_bus *bus = unit_open();
        struct unit_line lines[] = {unit_line(bus, "a"), unit_line(bus, "b")};
        shmbus_waitset *set = unit_waitset(strategies[i % 3]);
        for (unsigned k = 0; k < 2; k++) {
            check_eq(shmbus_waitset_add_subscriber(set, lines[k].subscriber, &lines[k]), 0);
        }
        struct unit_call call = forever(set);
        start(&call, strategies[i % 3]);
        check_eq(shmbus_subscriber_close(lines[0].subscriber), 0);
        if (i < 3) {
            unit_line_send(&lines[1], 1);
            check_eq(unit_call_finish(&call), 1);
            check(call.event.tag == &lines[1]);
        } else {
            check(i < 6 || shmbus_subscriber_close(lines[1].subscriber) == 0); /* none remains */
            check_eq(shmbus_waitset_wake(set), 0);
            check_eq(unit_call_finish(&call), 0);
        }
        check_fails(shmbus_waitset_remove_subscriber(set, lines[0].subscriber), -ENOENT, "not in");
        check_eq(shmbus_waitset_close(set), 0);
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

/* A whole bus goes, perhaps the one through which the set is woken. */
UNIT(waitset_end, not_by_a_bus_that_is_closed)
{
    char name[sizeof unit_bus + 2];
    (void)snprintf(name, sizeof name, "%s.2", unit_bus);
    for (unsigned i = 0; i < 8; i++) {
        shmbus_bus *buses[2] = {unit_open(), NULL};
        check_eq(shmbus_open(name, NULL, &buses[1]), 0);
        struct unit_line lines[] = {unit_line(buses[0], "a"), unit_line(buses[1], "b")};
        shmbus_waitset *set = unit_waitset_of(lines, 2);
        struct unit_call call = forever(set);
        const unsigned first = i % 2; /* goes; the other one stays */
        unit_call_start_asleep(&call);
        check_eq(shmbus_close(buses[first]), 0);
        if (i < 4) {
            unit_line_send(&lines[!first], i);
            check_eq(unit_call_finish(&call), 1);
            check(call.event.tag == &lines[!first]);
            check_eq(unit_line_receive(&lines[!first]), i);
        } else {
            check(i < 6 || shmbus_close(buses[!first]) == 0);
            check_eq(shmbus_waitset_wake(set), 0);
            check_eq(unit_call_finish(&call), 0);
        }
        unit_none_ready(set);
        check_eq(shmbus_waitset_close(set), 0);
        check_eq(i < 6 ? shmbus_close(buses[!first]) : 0, 0);
        check_eq(shmbus_remove(unit_bus), 0);
        check_eq(shmbus_remove(name), 0);
    }
}

/* --------------------------------------------------------------------------------- closes, removals */

UNIT(waitset_end, by_its_close)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    for (unsigned i = 0; i < 12; i++) {
        shmbus_waitset *set = unit_waitset(strategies[i % 3]);
        check(i < 6 || shmbus_waitset_add_subscriber(set, line.subscriber, NULL) == 0);
        struct unit_call call = forever(set);
        start(&call, strategies[i % 3]);
        /* One that spins may not have got there. */
        check_eq(shmbus_waitset_close(set), 0);
        const int64_t result = unit_call_finish(&call);
        check(result == -ECANCELED || (strategies[i % 3] == SHMBUS_WAIT_SPIN && result == -EBADF));
        unit_line_send(&line, i); /* its members are as they were */
        check_eq(unit_line_receive(&line), i);
    }
    check_eq(shmbus_close(bus), 0);
}

static void check_removed(shmbus_waitset *set, struct unit_line *lines)
{
    shmbus_event event;
    check_eq(shmbus_recv(lines[1].subscriber, &event, sizeof event, NULL, SHMBUS_NOWAIT), -EIDRM);
    check_eq(shmbus_waitset_wait(set, &event, 1, SHMBUS_FOREVER), 1);
    check_eq(shmbus_subscriber_close(lines[1].subscriber), 0);
    check_eq(shmbus_publisher_close(lines[2].publisher), 0);
    unit_none_ready(set);
    unit_line_send(&lines[0], 1);
    unit_only_ready(set, &lines[0]);
}

/* Each member of the channel is told: who receives, and who waits for room. */
UNIT(waitset_end, by_the_removal_of_a_channel)
{
    for (unsigned i = 0; i < 6; i++) {
        shmbus_bus *bus = unit_open();
        struct unit_line lines[] = {unit_line(bus, "a"), unit_line(bus, "b"), unit_line(bus, "c")};
        shmbus_waitset *set = unit_waitset(strategies[i % 3]);
        check_eq(shmbus_waitset_add_subscriber(set, lines[0].subscriber, &lines[0]), 0);
        check_eq(shmbus_waitset_add_subscriber(set, lines[1].subscriber, &lines[1]), 0);
        check(unit_line_fill(&lines[2]) > 0);
        check_eq(shmbus_waitset_add_publisher(set, lines[2].publisher, 8, &lines[2]), 0);
        struct unit_call call = forever(set);
        start(&call, strategies[i % 3]);
        struct unit_line *first = &lines[1 + i / 3];
        struct unit_line *second = &lines[2 - i / 3];
        check_eq(shmbus_channel_remove(bus, first->name), 0);
        check_eq(unit_call_finish(&call), 1);
        check(call.event.tag == first);
        check_eq(shmbus_channel_remove(bus, second->name), 0);
        shmbus_event events[3];
        check_eq(shmbus_waitset_wait(set, events, 3, SHMBUS_FOREVER), 2);
        check_eq(shmbus_send(lines[2].publisher, "x", 1, SHMBUS_FOREVER), -EIDRM);
        check_removed(set, lines);
        check_eq(shmbus_waitset_close(set), 0);
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

/* ----------------------------------------------------------------------------------------- the dead */

/* Claims a message of channel "a" and waits for the end. */
static void claim_and_die(void *context)
{
    shmbus_publisher *publisher = unit_publisher_of(unit_open(), "a");
    shmbus_claim_t claim = {.size = 8};
    check_eq(shmbus_claim(publisher, &claim, SHMBUS_NOWAIT), 0);
    unit_wait_to_be_killed(context);
}

/* A message lies behind a claim of one who is killed, while the set sleeps or before. */
UNIT(waitset_end, by_a_message_behind_a_dead_claim)
{
    for (unsigned i = 0; i < 9; i++) {
        struct unit_gate ready = unit_gate();
        const pid_t child = unit_fork(claim_and_die, &ready);
        unit_gate_wait(&ready);
        shmbus_bus *bus = unit_open();
        struct unit_line lines[] = {unit_line(bus, "a"), unit_line(bus, "b")};
        shmbus_waitset *set = unit_waitset(strategies[i % 3]);
        check_eq(shmbus_waitset_add_subscriber(set, lines[0].subscriber, &lines[0]), 0);
        check_eq(shmbus_waitset_add_subscriber(set, lines[1].subscriber, &lines[1]), 0);
        struct unit_call call = forever(set);
        if (i < 3) {
            unit_kill(child);
            unit_line_send(&lines[0], i);
            unit_call_start(&call);
        } else if (i < 6) {
            unit_line_send(&lines[0], i);
            unit_call_start(&call);
            unit_kill(child);
        } else {
            unit_call_start(&call);
            unit_kill(child);
            unit_line_send(&lines[0], i);
        }
        check_eq(unit_call_finish(&call), 1);
        check(call.event.tag == &lines[0]);
        check_eq(unit_line_receive(&lines[0]), i);
        check_eq(shmbus_waitset_close(set), 0);
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

static void wait_and_die(void *context)
{
    shmbus_bus *bus = unit_open();
    struct unit_line lines[] = {{.subscriber = unit_subscriber_of(bus, "a")},
                                {.subscriber = unit_subscriber_of(bus, "b")}};
    shmbus_waitset *set = unit_waitset_of(lines, 2);
    shmbus_event event;
    unit_gate_open(context);
    (void)shmbus_waitset_wait(set, &event, 1, SHMBUS_FOREVER);
}

/* One that sleeps on two channels is killed: those who send there, and who reads there, do not notice. */
UNIT(waitset_end, by_a_kill_harms_nobody)
{
    struct unit_gate ready = unit_gate();
    for (unsigned i = 0; i < 10; i++) {
        const pid_t child = unit_fork(wait_and_die, &ready);
        unit_gate_wait(&ready);
        check_soon(unit_thread_waits(child));
        unit_kill(child);
        shmbus_bus *bus = unit_open();
        struct unit_line lines[] = {unit_line(bus, "a"), unit_line(bus, "b")};
        shmbus_waitset *set = unit_waitset_of(lines, 2);
        struct unit_call call = forever(set);
        unit_call_start_asleep(&call);
        unit_line_send(&lines[i % 2], i);
        check_eq(unit_call_finish(&call), 1);
        check_eq(unit_line_receive(&lines[i % 2]), i);
        check_eq(shmbus_waitset_close(set), 0);
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}
