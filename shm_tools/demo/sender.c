/* SPDX-License-Identifier: Apache-2.0 */
#include "sender.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "channels.h"

#define LOOK_EVERY INT64_C(100000000) /* ns between two looks at the clock and the readers while blocked */

static int fail(const char *doing, int err)
{
    fprintf(stderr, "shmbus-demo: %s: %s\n", doing, shmbus_strerror(err));
    return -1;
}

static int open_channel(sender *self, const char *channel, shmbus_publisher **handle)
{
    const shmbus_publisher_options options = {.channel = channel_shape(channel)};
    int err = shmbus_publisher_open(self->bus, channel, &options, handle);
    return err ? fail(channel, err) : 0;
}

int sender_open(sender *self, children *readers)
{
    memset(self, 0, sizeof *self);
    self->readers = readers;
    const shmbus_bus_options options = {.participant_name = "publisher"};
    int err = shmbus_open(readers->shared->bus, &options, &self->bus);
    if (err)
        return fail("opening the bus", err);
    return open_channel(self, CHANNEL_LINES, &self->lines) || open_channel(self, CHANNEL_BLOBS, &self->blobs)
               ? -1
               : 0;
}

void sender_close(sender *self)
{
    shmbus_close(self->bus);
    self->bus = NULL;
}

/* Claims room, looking up now and then while there is none. */
static int claim(sender *self, shmbus_publisher *channel, shmbus_claim_t *room, const char *doing)
{
    int err = children_disturbed() ? -ETIMEDOUT : shmbus_claim(channel, room, SHMBUS_NOWAIT);
    while (err == -EAGAIN || err == -ETIMEDOUT) {
        if (children_check(self->readers, doing))
            return -1;
        err = shmbus_claim(channel, room, shmbus_deadline(LOOK_EVERY));
    }
    return err ? fail(doing, err) : 0;
}

/* Writes one message where the readers will read it, and commits it. Returns its time, or -1. */
static int64_t send_one(sender *self, shmbus_publisher *channel, uint64_t sequence, const void *data,
                        size_t size, const char *doing)
{
    shmbus_claim_t room = {.size = sizeof(demo_header) + size};
    if (claim(self, channel, &room, doing))
        return -1;
    const demo_header header = {.sent = shmbus_now(), .sequence = sequence};
    memcpy(room.data, &header, sizeof header);
    if (size)
        memcpy((char *)room.data + sizeof header, data, size);
    int err = shmbus_commit(channel, &room);
    return err ? fail(doing, err) : header.sent;
}

static int send_ends(sender *self, shmbus_publisher *channel, const char *doing)
{
    for (int i = 0; i < DEMO_WORKERS; i++)
        if (send_one(self, channel, DEMO_END, NULL, 0, doing) < 0)
            return -1;
    return 0;
}

/* Sleeps until `due`: a paced publisher leaves its CPU to the readers. */
static void pace(int64_t due)
{
    const struct timespec until = {.tv_sec = due / 1000000000, .tv_nsec = due % 1000000000};
    if (shmbus_now() < due)
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

int sender_send(sender *self, const phase_plan *plan)
{
    shmbus_publisher *channel = strcmp(plan->channel, CHANNEL_BLOBS) ? self->lines : self->blobs;
    progress bar;
    progress_begin(&bar, plan->title, plan->messages);
    self->first = 0;
    const int64_t start = shmbus_now();
    int64_t sent = start;
    for (uint64_t i = 0; i < plan->messages && sent >= 0; i++) {
        size_t size;
        const char *data = input_message(plan->input, i, &size);
        if (plan->interval)
            pace(start + (int64_t)i * plan->interval);
        sent = send_one(self, channel, i, data, size, plan->title);
        if (i == 0)
            self->first = sent;
        progress_at(&bar, i, sent);
    }
    self->last = sent;
    int result = sent < 0 ? -1 : send_ends(self, channel, plan->title);
    progress_end(&bar);
    return result;
}
