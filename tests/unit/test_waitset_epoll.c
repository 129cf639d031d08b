/* SPDX-License-Identifier: Apache-2.0 */
/* Real epoll loops over the descriptor of a waitset, level- and edge-triggered, with senders that are processes. */
#define _GNU_SOURCE
#include "unit_senders.h"

#include <sys/epoll.h>

static int epoll_of(int fd, uint32_t events)
{
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    check(epoll >= 0);
    struct epoll_event event = {.events = events};
    check_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
    return epoll;
}

static void await(int epoll)
{
    struct epoll_event event;
    check_eq(epoll_wait(epoll, &event, 1, -1), 1);
    check_eq(event.events, EPOLLIN);
}

static void run_loop(uint32_t events)
{
    struct inbox inbox;
    inbox_open(&inbox);
    const int epoll = epoll_of(inbox.fd, events);
    while (inbox.left > 0) {
        await(epoll);
        inbox_drain(&inbox);
    }
    check_eq(close(epoll), 0);
    inbox_close(&inbox);
}

UNIT(waitset_epoll, level_triggered)
{
    run_loop(EPOLLIN);
}

/* Each time it is told, it goes on until there is nothing. */
UNIT(waitset_epoll, edge_triggered)
{
    run_loop(EPOLLIN | EPOLLET);
}

/* Told once, it has to ask to be told again. */
UNIT(waitset_epoll, one_shot)
{
    struct inbox inbox;
    inbox_open(&inbox);
    const int epoll = epoll_of(inbox.fd, EPOLLIN | EPOLLONESHOT);
    while (inbox.left > 0) {
        await(epoll);
        inbox_drain(&inbox);
        struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT};
        check_eq(epoll_ctl(epoll, EPOLL_CTL_MOD, inbox.fd, &event), 0);
    }
    check_eq(close(epoll), 0);
    inbox_close(&inbox);
}

/* One event at a time, and back to the loop: what is left is told again where levels count. */
UNIT(waitset_epoll, level_triggered_in_small_steps)
{
    struct inbox inbox;
    inbox_open(&inbox);
    const int epoll = epoll_of(inbox.fd, EPOLLIN);
    while (inbox.left > 0) {
        shmbus_event event;
        await(epoll);
        const int count = shmbus_waitset_wait(inbox.set, &event, 1, SHMBUS_NOWAIT);
        check(count == 1 || count == -EAGAIN);
        if (count == 1) {
            inbox_take(&inbox, &event);
        }
    }
    check_eq(close(epoll), 0);
    inbox_close(&inbox);
}

/* Two sets in one loop, each with its own descriptor. */
UNIT(waitset_epoll, of_two_sets)
{
    shmbus_bus *bus = unit_open();
    struct unit_line lines[] = {unit_line(bus, "a"), unit_line(bus, "b")};
    shmbus_waitset *sets[] = {unit_waitset_of(&lines[0], 1), unit_waitset_of(&lines[1], 1)};
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < 2; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        check_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, shmbus_waitset_fd(sets[i]), &event), 0);
    }
    for (unsigned i = 0; i < 100; i++) {
        const unsigned to = i / 3 % 2;
        unit_line_send(&lines[to], i);
        for (int found = -EAGAIN; found == -EAGAIN;) { /* either speaks up by itself now and then */
            struct epoll_event told;
            shmbus_event event;
            check_eq(epoll_wait(epoll, &told, 1, -1), 1);
            found = shmbus_waitset_wait(sets[told.data.u32], &event, 1, SHMBUS_NOWAIT);
            check(found == -EAGAIN || (found == 1 && told.data.u32 == to));
        }
        check_eq(unit_line_receive(&lines[to]), i);
    }
    check_eq(shmbus_waitset_close(sets[0]), 0); /* a close takes the descriptor out of the loop */
    check_eq(shmbus_waitset_close(sets[1]), 0);
    struct epoll_event event;
    check_eq(epoll_wait(epoll, &event, 1, 0), 0);
    check_eq(close(epoll), 0);
    check_eq(shmbus_close(bus), 0);
}
