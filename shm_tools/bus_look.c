/* SPDX-License-Identifier: Apache-2.0 */
#include "bus_look.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define APPEND(array, count, item)                                                                           \
    ((array) = need_more_memory(array, ((count) + 1) * sizeof *(array)), (array)[(count)++] = (item))

static int take_publishers(struct channel_look *look, shmbus_view *view)
{
    shmbus_publisher_info info;
    uint32_t cursor = 0;
    int result;
    while ((result = shmbus_view_publisher(view, look->info.index, &cursor, &info)) > 0) {
        APPEND(look->publishers, look->publisher_count, info);
    }
    return result;
}

static int take_groups(struct channel_look *look, shmbus_view *view)
{
    shmbus_group_info info;
    uint32_t cursor = 0;
    int result;
    while ((result = shmbus_view_group(view, look->info.index, &cursor, &info)) > 0) {
        APPEND(look->groups, look->group_count, info);
    }
    return result;
}

static int take_members(struct channel_look *look, shmbus_view *view)
{
    shmbus_member_info info;
    uint32_t cursor = 0;
    int result;
    while ((result = shmbus_view_member(view, look->info.index, &cursor, &info)) > 0) {
        APPEND(look->members, look->member_count, info);
    }
    return result;
}

static int take_channel(struct channel_look *look, shmbus_view *view)
{
    int result = take_publishers(look, view);
    result = result == 0 ? take_groups(look, view) : result;
    result = result == 0 ? take_members(look, view) : result;
    /* It was removed while we looked at it. */
    return result == -ENOENT || result == -EIDRM ? 0 : result;
}

static int take_channels(struct bus_look *look, shmbus_view *view)
{
    struct channel_look channel = {0};
    uint32_t cursor = 0;
    int result;
    while ((result = shmbus_view_channel(view, &cursor, &channel.info)) > 0) {
        result = take_channel(&channel, view);
        APPEND(look->channels, look->channel_count, channel);
        if (result != 0) {
            return result;
        }
        channel = (struct channel_look){0};
    }
    return result;
}

void bus_look_fail(struct bus_look *look, int error)
{
    look->error = error;
    (void)snprintf(look->problem, sizeof look->problem, "%s", shmbus_strerror(error));
}

void bus_look_take(struct bus_look *look, shmbus_view *view, struct processes *processes)
{
    *look = (struct bus_look){0};
    int result = shmbus_view_bus(view, &look->info);
    result = result == 0 ? attendance_collect(&look->attendance, view, processes) : result;
    result = result == 0 ? take_channels(look, view) : result;
    if (result != 0) {
        bus_look_fail(look, result);
    }
}

void bus_look_free(struct bus_look *look)
{
    attendance_free(&look->attendance);
    for (size_t i = 0; i < look->channel_count; i++) {
        free(look->channels[i].publishers);
        free(look->channels[i].groups);
        free(look->channels[i].members);
    }
    free(look->channels);
    *look = (struct bus_look){0};
}

const struct channel_look *bus_look_channel(const struct bus_look *look, const shmbus_channel_info *info)
{
    for (size_t i = 0; i < look->channel_count; i++) {
        const struct channel_look *channel = &look->channels[i];
        if (channel->info.index == info->index && strcmp(channel->info.name, info->name) == 0) {
            return channel;
        }
    }
    return NULL;
}

const shmbus_group_info *channel_look_group(const struct channel_look *look, const shmbus_group_info *info)
{
    for (size_t i = 0; i < look->group_count; i++) {
        const shmbus_group_info *group = &look->groups[i];
        if (group->index == info->index && group->joined == info->joined &&
            strcmp(group->name, info->name) == 0) {
            return group;
        }
    }
    return NULL;
}
