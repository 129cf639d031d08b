/* SPDX-License-Identifier: Apache-2.0 */
/* A libuv loop that receives from several processes through the descriptor of a waitset. */
#define _GNU_SOURCE
#include "unit_senders.h"

#include <uv.h>

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct inbox *inbox = poll->data;
    check_eq(status, 0);
    check_eq(events, UV_READABLE);
    inbox_drain(inbox);
    if (inbox->left == 0) {
        check_eq(uv_poll_stop(poll), 0);
        uv_close((uv_handle_t *)poll, NULL);
    }
}

UNIT(libuv, receives_each_message_once)
{
    struct inbox inbox;
    uv_loop_t loop;
    uv_poll_t poll = {.data = &inbox};
    inbox_open(&inbox);
    check_eq(uv_loop_init(&loop), 0);
    check_eq(uv_poll_init(&loop, &poll, inbox.fd), 0);
    check_eq(uv_poll_start(&poll, UV_READABLE, on_readable), 0);
    check_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    check_eq(uv_loop_close(&loop), 0);
    check_eq(inbox.left, 0);
    inbox_close(&inbox);
}

/* Stopped for a while, as a program does that cannot take more: what came meanwhile is told at once. */
static void on_readable_with_breaks(uv_poll_t *poll, int status, int events)
{
    struct inbox *inbox = poll->data;
    shmbus_event event;
    check_eq(status, 0);
    check_eq(events, UV_READABLE);
    if (shmbus_waitset_wait(inbox->set, &event, 1, SHMBUS_NOWAIT) == 1) {
        inbox_take(inbox, &event);
    }
    check_eq(uv_poll_stop(poll), 0);
}

UNIT(libuv, receives_with_breaks)
{
    struct inbox inbox;
    uv_loop_t loop;
    uv_poll_t poll = {.data = &inbox};
    inbox_open(&inbox);
    check_eq(uv_loop_init(&loop), 0);
    check_eq(uv_poll_init(&loop, &poll, inbox.fd), 0);
    while (inbox.left > 0) {
        check_eq(uv_poll_start(&poll, UV_READABLE, on_readable_with_breaks), 0);
        check_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    }
    uv_close((uv_handle_t *)&poll, NULL);
    check_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    check_eq(uv_loop_close(&loop), 0);
    inbox_close(&inbox);
}

/* A set that is closed with its descriptor in a loop: the loop lets go first, as libuv asks for. */
UNIT(libuv, is_closed_with_the_loop)
{
    for (unsigned i = 0; i < 20; i++) {
        shmbus_bus *bus = unit_open();
        struct unit_line line = unit_line(bus, "a");
        shmbus_waitset *set = unit_waitset_of(&line, 1);
        struct inbox inbox = {.set = set, .left = 1};
        uv_loop_t loop;
        uv_poll_t poll = {.data = &inbox};
        check_eq(uv_loop_init(&loop), 0);
        check_eq(uv_poll_init(&loop, &poll, shmbus_waitset_fd(set)), 0);
        check_eq(uv_poll_start(&poll, UV_READABLE, on_readable), 0);
        check(uv_run(&loop, UV_RUN_NOWAIT) != 0);
        uv_close((uv_handle_t *)&poll, NULL);
        check_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
        check_eq(uv_loop_close(&loop), 0);
        check_eq(shmbus_waitset_close(set), 0);
        check_eq(shmbus_close(bus), 0);
    }
}
