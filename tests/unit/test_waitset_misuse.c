/* SPDX-License-Identifier: Apache-2.0 */
/* Waitsets used wrongly: handles that are none, values out of bounds, two threads at once, a fork. */
#define _GNU_SOURCE
#include "unit_waitset.h"

#include <sched.h>

static void check_no_set(void *handle, const struct unit_line *line, const char *word)
{
    shmbus_event event;
    check_fails(shmbus_waitset_add_subscriber(handle, line->subscriber, NULL), -EBADF, word);
    check_fails(shmbus_waitset_add_publisher(handle, line->publisher, 1, NULL), -EBADF, word);
    check_fails(shmbus_waitset_remove_subscriber(handle, line->subscriber), -EBADF, word);
    check_fails(shmbus_waitset_remove_publisher(handle, line->publisher), -EBADF, word);
    check_fails(shmbus_waitset_wait(handle, &event, 1, SHMBUS_NOWAIT), -EBADF, word);
    check_fails(shmbus_waitset_wait(handle, &event, 1, SHMBUS_FOREVER), -EBADF, word);
    check_fails(shmbus_waitset_wake(handle), -EBADF, word);
    check_fails(shmbus_waitset_fd(handle), -EBADF, word);
    check_fails(shmbus_waitset_close(handle), -EBADF, word);
}

UNIT(waitset_misuse, of_handles_that_are_none)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    shmbus_waitset *set = unit_waitset_of(&line, 1);
    check_no_set(NULL, &line, "NULL");
    check_no_set(bus, &line, "no open waitset");
    check_no_set(line.subscriber, &line, "no open waitset");
    check_no_set(line.publisher, &line, "no open waitset");
    check_no_set((void *)&line, &line, "no open waitset");
    check_fails(shmbus_close((void *)set), -EBADF, "no open bus");
    check_fails(shmbus_send((void *)set, "x", 1, SHMBUS_NOWAIT), -EBADF, "no open publisher");
    check_fails(shmbus_release((void *)set), -EBADF, "no open subscriber");
    unit_line_send(&line, 1);
    unit_only_ready(set, &line); /* it was not harmed */
    check_eq(shmbus_waitset_close(set), 0);
    check_no_set(set, &line, "no open waitset");
    check_eq(shmbus_close(bus), 0);
}

UNIT(waitset_misuse, of_members_that_are_none)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    shmbus_waitset *set = unit_waitset(SHMBUS_WAIT_BLOCK);
    void *const none[] = {NULL, bus, set, line.publisher, &line};
    for (unsigned i = 0; i < sizeof none / sizeof *none; i++) {
        check_fails(shmbus_waitset_add_subscriber(set, none[i], NULL), -EBADF, i ? "no open" : "NULL");
        check_fails(shmbus_waitset_remove_subscriber(set, none[i]), -ENOENT, "not in");
        check_fails(shmbus_waitset_remove_publisher(set, none[i]), -ENOENT, "not in");
    }
    check_fails(shmbus_waitset_add_publisher(set, (void *)line.subscriber, 1, NULL), -EBADF, "no open");
    check_fails(shmbus_waitset_add_publisher(set, NULL, 1, NULL), -EBADF, "NULL");
    check_eq(shmbus_subscriber_close(line.subscriber), 0);
    check_fails(shmbus_waitset_add_subscriber(set, line.subscriber, NULL), -EBADF, "no open");
    unit_none_ready(set);
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

UNIT(waitset_misuse, of_a_member_twice)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    shmbus_waitset *set = unit_waitset(SHMBUS_WAIT_BLOCK);
    for (unsigned round = 0; round < 3; round++) {
        check_fails(shmbus_waitset_remove_subscriber(set, line.subscriber), -ENOENT, "not in");
        check_fails(shmbus_waitset_remove_publisher(set, line.publisher), -ENOENT, "not in");
        check_eq(shmbus_waitset_add_subscriber(set, line.subscriber, &line), 0);
        check_fails(shmbus_waitset_add_subscriber(set, line.subscriber, NULL), -EEXIST, "in the");
        unit_none_ready(set);
        check_eq(shmbus_waitset_add_publisher(set, line.publisher, 8, &line), 0);
        check_fails(shmbus_waitset_add_publisher(set, line.publisher, 9, NULL), -EEXIST, "in the");
        check_eq(shmbus_waitset_remove_publisher(set, line.publisher), 0);
        unit_line_send(&line, round);
        unit_only_ready(set, &line);
        check_eq(unit_line_receive(&line), round);
        check_eq(shmbus_waitset_remove_subscriber(set, line.subscriber), 0);
    }
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

UNIT(waitset_misuse, of_values_out_of_bounds)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    shmbus_waitset *set = NULL;
    shmbus_event event;
    for (int wait = -1; wait <= 3; wait += 4) {
        char is[24];
        (void)snprintf(is, sizeof is, "wait is %d", wait);
        const shmbus_waitset_options options = {.wait = (enum shmbus_wait)wait};
        check_fails(shmbus_waitset_open(&options, &set), -EINVAL, is, "0 to 2");
    }
    check(set == NULL);
    check_fails(shmbus_waitset_open(NULL, NULL), -EINVAL, "NULL");
    check_eq(shmbus_waitset_open(NULL, &set), 0);
    check_fails(shmbus_waitset_wait(set, &event, 0, SHMBUS_NOWAIT), -EINVAL, "room for 0 events");
    check_fails(shmbus_waitset_wait(set, NULL, 1, SHMBUS_NOWAIT), -EINVAL, "room for 1 events");
    check_fails(shmbus_waitset_add_publisher(set, line.publisher, 4097, NULL), -EMSGSIZE, "4097", "4096");
    check_fails(shmbus_waitset_add_publisher(set, line.publisher, SIZE_MAX, NULL), -EMSGSIZE, "4096");
    check_eq(shmbus_waitset_add_publisher(set, line.publisher, 4096, NULL), 0);
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

UNIT(waitset_misuse, of_two_threads_that_wait)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    shmbus_waitset *set = unit_waitset_of(&line, 1);
    struct unit_call call = {.body = unit_call_wait, .set = set, .deadline = SHMBUS_FOREVER};
    unit_call_start_asleep(&call);
    shmbus_event event;
    check_fails(shmbus_waitset_wait(set, &event, 1, SHMBUS_NOWAIT), -EBUSY, "thread");
    check_fails(shmbus_waitset_wait(set, &event, 1, SHMBUS_FOREVER), -EBUSY, "thread");
    unit_line_send(&line, 1);
    check_eq(unit_call_finish(&call), 1);
    unit_only_ready(set, &line);
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

/* --------------------------------------------------------------------------------------------- forks */

struct inherited {
    struct unit_line line;
    shmbus_waitset *set;
};

static void use_inherited(void *context)
{
    const struct inherited *inherited = context;
    check_no_set(inherited->set, &inherited->line, "fork");
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    shmbus_waitset *set = unit_waitset_of(&line, 1);
    unit_line_send(&line, 2);
    unit_only_ready(set, &line);
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

UNIT(waitset_misuse, of_a_set_inherited_by_a_fork)
{
    for (unsigned round = 0; round < 2; round++) {
        struct inherited inherited;
        shmbus_bus *bus = unit_open();
        inherited.line = unit_line(bus, "a");
        inherited.set = unit_waitset_of(&inherited.line, 1);
        check(round == 0 || shmbus_waitset_fd(inherited.set) >= 0);
        unit_join(unit_fork(use_inherited, &inherited));
        unit_only_ready(inherited.set, &inherited.line); /* what the child sent */
        check_eq(unit_line_receive(&inherited.line), 2);
        check_eq(shmbus_waitset_close(inherited.set), 0);
        check_eq(shmbus_close(bus), 0);
    }
}

/* ------------------------------------------------------------------------------------------- threads */

#define ROUNDS 300

struct turmoil {
    shmbus_waitset *set;
    struct unit_line lines[4];
    atomic_bool over;
};

static void *wait_until_over(void *context)
{
    struct turmoil *turmoil = context;
    while (!atomic_load(&turmoil->over)) {
        shmbus_event events[4];
        const int count = shmbus_waitset_wait(turmoil->set, events, 4, SHMBUS_FOREVER);
        check(count >= 0);
        for (int i = 0; i < count; i++) {
            uint64_t number;
            (void)shmbus_recv(events[i].subscriber, &number, sizeof number, NULL, SHMBUS_NOWAIT);
        }
    }
    return NULL;
}

static void *wake_until_over(void *context)
{
    struct turmoil *turmoil = context;
    while (!atomic_load(&turmoil->over)) {
        check_eq(shmbus_waitset_wake(turmoil->set), 0);
        (void)sched_yield();
    }
    return NULL;
}

/* Adds, removes, sends and wakes go on while another thread waits. */
UNIT(waitset_misuse, is_not_to_change_a_set_in_use)
{
    shmbus_bus *bus = unit_open();
    struct turmoil turmoil = {.set = unit_waitset(SHMBUS_WAIT_BLOCK)};
    const char *const names[] = {"a", "b", "c", "d"};
    for (unsigned i = 0; i < 4; i++) {
        turmoil.lines[i] = unit_line(bus, names[i]);
    }
    pthread_t threads[2];
    check_eq(pthread_create(&threads[0], NULL, wait_until_over, &turmoil), 0);
    check_eq(pthread_create(&threads[1], NULL, wake_until_over, &turmoil), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        const struct unit_line *line = &turmoil.lines[i % 4];
        check_eq(shmbus_waitset_add_subscriber(turmoil.set, line->subscriber, NULL), 0);
        check_eq(shmbus_send(line->publisher, "message", 8, SHMBUS_FOREVER), 0);
        if (i >= 2) {
            check_eq(shmbus_waitset_remove_subscriber(turmoil.set, turmoil.lines[(i - 2) % 4].subscriber), 0);
        }
    }
    atomic_store(&turmoil.over, true);
    check_eq(shmbus_waitset_wake(turmoil.set), 0);
    check_eq(pthread_join(threads[0], NULL), 0);
    check_eq(pthread_join(threads[1], NULL), 0);
    check_eq(shmbus_waitset_close(turmoil.set), 0);
    check_eq(shmbus_close(bus), 0);
}

/* Sets are made, used and closed by many threads at once. */
static void *open_use_close(void *context)
{
    shmbus_bus *bus = context;
    for (unsigned i = 0; i < ROUNDS / 4; i++) {
        struct unit_line line = {.publisher = unit_publisher(bus, NULL),
                                 .subscriber = unit_subscriber(bus, NULL)};
        shmbus_waitset *set = unit_waitset_of(&line, 1);
        shmbus_event event;
        check_eq(shmbus_send(line.publisher, "message", 8, SHMBUS_FOREVER), 0);
        check_eq(shmbus_waitset_wait(set, &event, 1, SHMBUS_FOREVER), 1);
        check(event.tag == &line);
        check_eq(i % 2 ? shmbus_waitset_close(set) : 0, 0);
        check_eq(shmbus_subscriber_close(line.subscriber), 0);
        check_eq(shmbus_publisher_close(line.publisher), 0);
        check_eq(i % 2 ? 0 : shmbus_waitset_close(set), 0);
    }
    return NULL;
}

UNIT(waitset_misuse, is_not_to_use_many_sets_at_once)
{
    shmbus_bus *bus = unit_open();
    pthread_t threads[4];
    /* A ring for all messages: nobody waits for a group that its own thread would have to read. */
    check_eq(shmbus_channel_create(bus, "c", &(shmbus_channel_options){.slots = 512}), 0);
    for (unsigned i = 0; i < 4; i++) {
        check_eq(pthread_create(&threads[i], NULL, open_use_close, bus), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        check_eq(pthread_join(threads[i], NULL), 0);
    }
    check_eq(unit_channel_info().members, 0);
    check_eq(shmbus_close(bus), 0);
}
