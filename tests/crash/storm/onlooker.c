/* SPDX-License-Identifier: Apache-2.0 */
#include "field.h"

#include <errno.h>

/* A channel may have been removed, and its number given to another one, between one answer and the next. */
static void require(struct worker *worker, const char *what, int found)
{
    if (found != 0 && found != 1 && found != -ENOENT) {
        worker_failed_call(worker, what, found);
    }
}

static void look_at_users(struct worker *worker, shmbus_view *view, uint32_t channel)
{
    shmbus_publisher_info publisher;
    shmbus_group_info group;
    shmbus_member_info member;
    int found = 1;
    for (uint32_t cursor = 0; found == 1;) {
        found = shmbus_view_publisher(view, channel, &cursor, &publisher);
        require(worker, "shmbus_view_publisher", found);
    }
    found = 1;
    for (uint32_t cursor = 0; found == 1;) {
        found = shmbus_view_group(view, channel, &cursor, &group);
        require(worker, "shmbus_view_group", found);
    }
    found = 1;
    for (uint32_t cursor = 0; found == 1;) {
        found = shmbus_view_member(view, channel, &cursor, &member);
        require(worker, "shmbus_view_member", found);
    }
}

static void look_around(struct worker *worker, shmbus_view *view)
{
    shmbus_participant_info participant;
    shmbus_channel_info channel;
    int found = 1;
    for (uint32_t cursor = 0; found == 1;) {
        found = shmbus_view_participant(view, &cursor, &participant);
        require(worker, "shmbus_view_participant", found);
    }
    found = 1;
    for (uint32_t cursor = 0; found == 1;) {
        found = shmbus_view_channel(view, &cursor, &channel);
        require(worker, "shmbus_view_channel", found);
        if (found == 1) {
            look_at_users(worker, view, channel.index);
        }
    }
}

void onlooker_work(struct worker *worker)
{
    worker_does(worker, "inspecting");
    worker_ready(worker);
    while (atomic_load(&worker->ledger->stop) == 0) {
        shmbus_view *view = NULL;
        const int err = shmbus_view_open(worker->bus_name, &view);
        if (err != 0) {
            worker_failed_call(worker, "shmbus_view_open", err);
        }
        worker_check(worker);
        look_around(worker, view);
        shmbus_view_close(view);
        worker_linger(worker);
    }
    atomic_fetch_add(&worker->ledger->stopped, 1);
    worker_await(worker, &worker->ledger->leave);
}
