/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptor of a waitset in poll() and epoll: when it is readable, for how long, and what it costs. */
#define _GNU_SOURCE
#include "unit_waitset.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>

static bool readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    const int count = poll(&poll_fd, 1, 0);
    check(count >= 0);
    check(count == 0 || poll_fd.revents == POLLIN);
    return count == 1;
}

/* Sleeps until it is. */
static void wait_readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    check_eq(poll(&poll_fd, 1, -1), 1);
    check_eq(poll_fd.revents, POLLIN);
}

static int open_fd(shmbus_waitset *set)
{
    const int fd = shmbus_waitset_fd(set);
    check(fd >= 0);
    return fd;
}

/* What a loop does that finds nothing: then the descriptor is quiet. It speaks up by itself now and then. */
static bool quiet_after_nothing(shmbus_waitset *set, int fd)
{
    unit_none_ready(set);
    return !readable(fd);
}

UNIT(waitset_fd, is_the_same_for_every_call)
{
    shmbus_waitset *sets[2] = {unit_waitset(SHMBUS_WAIT_BLOCK), unit_waitset(SHMBUS_WAIT_BLOCK)};
    const int fd = open_fd(sets[0]);
    check_eq(open_fd(sets[0]), fd);
    check(open_fd(sets[1]) != fd);
    check_eq(open_fd(sets[0]), fd);
    check_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    check_eq(shmbus_waitset_close(sets[0]), 0);
    check_eq(fcntl(fd, F_GETFD), -1);
    check_eq(shmbus_waitset_close(sets[1]), 0);
}

UNIT(waitset_fd, is_readable_until_nothing_is_found)
{
    shmbus_bus *bus = unit_open();
    struct unit_line lines[] = {unit_line(bus, "a"), unit_line(bus, "b")};
    shmbus_waitset *set = unit_waitset_of(lines, 2);
    const int fd = open_fd(set);
    for (unsigned i = 0; i < 50; i++) {
        check_soon(quiet_after_nothing(set, fd));
        unit_line_send(&lines[i % 2], i);
        unit_line_send(&lines[i % 2], i + 1);
        wait_readable(fd);
        unit_only_ready(set, &lines[i % 2]);
        check(readable(fd));
        check_eq(unit_line_receive(&lines[i % 2]), i);
        unit_only_ready(set, &lines[i % 2]);
        check(readable(fd));
        check_eq(unit_line_receive(&lines[i % 2]), i + 1);
        check(readable(fd)); /* nobody has found nothing yet */
    }
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

/* A message that a set shows for which nobody had to wait: found without the descriptor's word. */
UNIT(waitset_fd, is_readable_for_what_was_found_without_it)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    shmbus_waitset *set = unit_waitset_of(&line, 1);
    unit_line_send(&line, 0); /* before there is a descriptor */
    const int fd = open_fd(set);
    check_soon(readable(fd));
    for (unsigned i = 0; i < 100; i++) {
        unit_only_ready(set, &line);
        check_soon(readable(fd)); /* a thread may just be about to make it so */
        check_eq(unit_line_receive(&line), i);
        unit_none_ready(set);
        unit_line_send(&line, i + 1);
    }
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

/* Whatever makes a wait return. */
UNIT(waitset_fd, is_readable_for_all_that_ends_a_wait)
{
    shmbus_bus *bus = unit_open();
    struct unit_line lines[] = {unit_line(bus, "a"), unit_line(bus, "b"), unit_line(bus, "c")};
    shmbus_waitset *set = unit_waitset_of(lines, 1);
    const int fd = open_fd(set);
    shmbus_event event;
    for (unsigned i = 0; i < 20; i++) {
        check_soon(quiet_after_nothing(set, fd));
        check_eq(shmbus_waitset_wake(set), 0);
        wait_readable(fd);
        check_eq(shmbus_waitset_wait(set, &event, 1, SHMBUS_NOWAIT), 0);

        check_soon(quiet_after_nothing(set, fd));
        unit_line_send(&lines[1], i);
        check_eq(shmbus_waitset_add_subscriber(set, lines[1].subscriber, &lines[1]), 0);
        wait_readable(fd);
        unit_only_ready(set, &lines[1]);
        check_eq(unit_line_receive(&lines[1]), i);
        check_eq(shmbus_waitset_remove_subscriber(set, lines[1].subscriber), 0);

        (void)unit_line_fill(&lines[2]);
        check_eq(shmbus_waitset_add_publisher(set, lines[2].publisher, 8, &lines[2]), 0);
        check_soon(quiet_after_nothing(set, fd));
        check(shmbus_recv(lines[2].subscriber, &(char[8]){0}, 8, NULL, SHMBUS_NOWAIT) > 0);
        wait_readable(fd);
        check_eq(shmbus_waitset_wait(set, &event, 1, SHMBUS_NOWAIT), 1);
        check(event.publisher == lines[2].publisher);
        check_eq(shmbus_waitset_remove_publisher(set, lines[2].publisher), 0);
    }
    check_soon(quiet_after_nothing(set, fd));
    check_eq(shmbus_channel_remove(bus, "a"), 0);
    wait_readable(fd);
    unit_only_ready(set, &lines[0]);
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

/* One may watch the descriptor and wait in the call as it pleases. */
UNIT(waitset_fd, does_not_keep_from_waiting)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    shmbus_waitset *set = unit_waitset_of(&line, 1);
    const int fd = open_fd(set);
    for (unsigned i = 0; i < 50; i++) {
        struct unit_call call = {.body = unit_call_wait, .set = set, .deadline = SHMBUS_FOREVER};
        unit_call_start_asleep(&call);
        unit_line_send(&line, i);
        check_eq(unit_call_finish(&call), 1);
        check_soon(readable(fd));
        check_eq(unit_line_receive(&line), i);
        check_soon(quiet_after_nothing(set, fd));
    }
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

#define FLOOD 1000000u

/* However much is sent while nobody looks: the sender does not wait, and the descriptor stays readable. */
UNIT(waitset_fd, is_never_full)
{
    shmbus_bus *bus = unit_open();
    const shmbus_channel_options options = {.overflow = SHMBUS_OVERWRITE, .slots = 8};
    struct unit_line line = {.publisher = unit_publisher(bus, &options)};
    line.subscriber = unit_subscriber(bus, NULL);
    shmbus_waitset *set = unit_waitset_of(&line, 1);
    const int fd = open_fd(set);
    check_soon(quiet_after_nothing(set, fd));
    for (unsigned i = 0; i < FLOOD; i++) {
        check_eq(shmbus_send(line.publisher, &i, sizeof i, SHMBUS_NOWAIT), 0);
    }
    wait_readable(fd);
    uint64_t seen = 0;
    shmbus_message message = {0};
    unsigned number = 0;
    while (shmbus_recv(line.subscriber, &number, sizeof number, &message, SHMBUS_NOWAIT) >= 0) {
        seen += 1 + message.missed;
    }
    check_eq(seen, FLOOD);
    check_eq(number, FLOOD - 1);
    check_soon(quiet_after_nothing(set, fd));
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

/* The same with a million wakes, of which the next wait sees at least one. */
UNIT(waitset_fd, is_never_full_of_wakes)
{
    shmbus_waitset *set = unit_waitset(SHMBUS_WAIT_BLOCK);
    const int fd = open_fd(set);
    shmbus_event event;
    for (unsigned i = 0; i < FLOOD; i++) {
        check_eq(shmbus_waitset_wake(set), 0);
    }
    wait_readable(fd);
    check_eq(shmbus_waitset_wait(set, &event, 1, SHMBUS_NOWAIT), 0);
    check_soon(shmbus_waitset_wait(set, &event, 1, SHMBUS_NOWAIT) == -EAGAIN && !readable(fd));
    check_eq(shmbus_waitset_close(set), 0);
}

/* Each sleep has a bound, for a sender may be killed before it wakes: the descriptor speaks up by itself. */
UNIT(waitset_fd, becomes_readable_now_and_then)
{
    if (UNIT_PATIENT) {
        return;
    }
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    shmbus_waitset *set = unit_waitset_of(&line, 1);
    const int fd = open_fd(set);
    for (unsigned i = 0; i < 3; i++) {
        check_soon(quiet_after_nothing(set, fd));
        wait_readable(fd);
    }
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

/* ----------------------------------------------------------------------------- what is opened and closed */

static unsigned entries(const char *path)
{
    unsigned count = 0;
    DIR *directory = opendir(path);
    check(directory != NULL);
    while (readdir(directory)) {
        count++;
    }
    (void)closedir(directory);
    return count;
}

/* Closing takes everything along: descriptors, and the thread if there was one. */
UNIT(waitset_fd, leaves_nothing_behind)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    check_eq(shmbus_waitset_close(unit_waitset_of(&line, 1)), 0); /* whatever the first close starts */
    const unsigned fds = entries("/proc/self/fd");
    const unsigned threads = entries("/proc/self/task");
    for (unsigned i = 0; i < 200; i++) {
        shmbus_waitset *set = unit_waitset_of(&line, 1);
        const int fd = open_fd(set);
        if (i % 2) {
            unit_none_ready(set); /* now it is on the watch */
        }
        if (i % 4 == 3) {
            unit_line_send(&line, i);
            wait_readable(fd);
            check_eq(unit_line_receive(&line), i);
        }
        check_eq(shmbus_waitset_close(set), 0);
    }
    check_soon(entries("/proc/self/fd") == fds);
    check_soon(entries("/proc/self/task") == threads);
    check_eq(shmbus_close(bus), 0);
}

static void *watch(void *context)
{
    struct pollfd poll_fd = {.fd = *(int *)context, .events = POLLIN};
    return poll(&poll_fd, 1, -1) == 1 ? context : NULL;
}

UNIT(waitset_fd, wakes_another_thread_that_watches_it)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    shmbus_waitset *set = unit_waitset_of(&line, 1);
    int fd = open_fd(set);
    for (unsigned i = 0; i < 20; i++) {
        pthread_t thread;
        void *seen;
        check_soon(quiet_after_nothing(set, fd));
        check_eq(pthread_create(&thread, NULL, watch, &fd), 0);
        unit_line_send(&line, i);
        check_eq(pthread_join(thread, &seen), 0);
        check(seen == &fd);
        check_eq(unit_line_receive(&line), i);
    }
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

/* ---------------------------------------------------------------------------------- changes underneath */

static void *find_nothing(void *context)
{
    unit_none_ready(context);
    return NULL;
}

static void *close_set(void *context)
{
    check_eq(shmbus_waitset_close(context), 0);
    return NULL;
}

static void in_a_thread(void *(*body)(void *), void *context)
{
    pthread_t thread;
    check_eq(pthread_create(&thread, NULL, body, context), 0);
    check_eq(pthread_join(thread, NULL), 0);
}

/* The loop moves to another thread, and the one that last found nothing may have ended since. */
UNIT(waitset_fd, goes_from_thread_to_thread)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    for (unsigned i = 0; i < 8; i++) {
        shmbus_waitset *set = unit_waitset_of(&line, 1);
        const int fd = open_fd(set);
        for (uint64_t k = 0; k < 20; k++) {
            const bool other = i / 2 == 3 ? k % 3 != 0 : (i / 2 + k) % 2;
            if (other) {
                in_a_thread(find_nothing, set);
            } else {
                unit_none_ready(set);
            }
            unit_line_send(&line, k);
            wait_readable(fd);
            unit_only_ready(set, &line);
            check_eq(unit_line_receive(&line), k);
        }
        in_a_thread(i % 2 ? close_set : find_nothing, set);
        check_eq(i % 2 ? 0 : shmbus_waitset_close(set), 0);
    }
    check_eq(shmbus_close(bus), 0);
}

/* Members and buses go while the descriptor is watched; it still tells of what comes. */
UNIT(waitset_fd, outlives_its_members)
{
    for (unsigned i = 0; i < 12; i++) {
        char name[sizeof unit_bus + 2];
        (void)snprintf(name, sizeof name, "%s.2", unit_bus);
        shmbus_bus *buses[2] = {unit_open(), NULL};
        check_eq(shmbus_open(name, NULL, &buses[1]), 0);
        struct unit_line lines[] = {unit_line(buses[0], "a"), unit_line(buses[1], "b")};
        shmbus_waitset *set = unit_waitset_of(lines, 1);
        const int fd = open_fd(set);
        check_soon(quiet_after_nothing(set, fd));
        check_eq(i % 3 == 0   ? shmbus_close(buses[0])
                 : i % 3 == 1 ? shmbus_subscriber_close(lines[0].subscriber)
                              : shmbus_waitset_remove_subscriber(set, lines[0].subscriber),
                 0);
        if (i / 3 % 2) {
            check_soon(quiet_after_nothing(set, fd));
        }
        if (i / 6) {
            shmbus_event event;
            check_eq(shmbus_waitset_wake(set), 0);
            wait_readable(fd);
            check_eq(shmbus_waitset_wait(set, &event, 1, SHMBUS_NOWAIT), 0);
        }
        unit_line_send(&lines[1], i);
        check_eq(shmbus_waitset_add_subscriber(set, lines[1].subscriber, &lines[1]), 0);
        wait_readable(fd);
        unit_only_ready(set, &lines[1]);
        check_eq(shmbus_waitset_close(set), 0);
        check_eq(shmbus_close(buses[1]), 0);
        check_eq(i % 3 ? shmbus_close(buses[0]) : 0, 0);
        check_eq(shmbus_remove(name), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

static void do_nothing(void *context)
{
    (void)context;
}

/* A child that inherits the descriptor and ends takes nothing from its parent. */
UNIT(waitset_fd, is_not_disturbed_by_a_fork)
{
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    shmbus_waitset *set = unit_waitset_of(&line, 1);
    const int fd = open_fd(set);
    for (unsigned i = 0; i < 10; i++) {
        check_soon(quiet_after_nothing(set, fd));
        const pid_t child = unit_fork(do_nothing, NULL);
        if (i % 2) {
            unit_join(child);
        }
        unit_line_send(&line, i);
        wait_readable(fd);
        check_eq(unit_line_receive(&line), i);
        if (i % 2 == 0) {
            unit_join(child);
        }
    }
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}
