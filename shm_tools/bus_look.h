/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that one look at a bus shows, kept: so that two looks can be compared.
 *
 * concurrency   one thread; the bus may change meanwhile: see <shmbus/inspect.h>
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_BUS_LOOK_H
#define SHMBUS_TOOLS_BUS_LOOK_H

#include "attendance.h"

struct channel_look {
    shmbus_channel_info info;
    shmbus_publisher_info *publishers;
    size_t publisher_count;
    shmbus_group_info *groups;
    size_t group_count;
    shmbus_member_info *members;
    size_t member_count;
};

struct bus_look {
    shmbus_bus_info info;
    struct attendance attendance;
    struct channel_look *channels;
    size_t channel_count;
    int error;         /* 0, or the errno for which it cannot be looked at */
    char problem[512]; /* what shmbus_strerror() says of it */
};

/* Looks at `view`; `error` tells how it went. bus_look_free() is due in any case. */
void bus_look_take(struct bus_look *look, shmbus_view *view, struct processes *processes);
void bus_look_free(struct bus_look *look);

/* The bus could not be looked at at all. */
void bus_look_fail(struct bus_look *look, int error);

/* The same channel, or group of it, in another look; NULL: it is not there, or another one has its place. */
const struct channel_look *bus_look_channel(const struct bus_look *look, const shmbus_channel_info *info);
const shmbus_group_info *channel_look_group(const struct channel_look *look, const shmbus_group_info *info);

#endif
