/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void clear(struct snapshot *snapshot)
{
    snapshot->damaged = 0;
    snapshot->participants.count = 0;
    snapshot->channels.count = 0;
    snapshot->publishers.count = 0;
    snapshot->groups.count = 0;
    snapshot->members.count = 0;
}

void snapshot_free(struct snapshot *snapshot)
{
    vector_free(&snapshot->participants);
    vector_free(&snapshot->channels);
    vector_free(&snapshot->publishers);
    vector_free(&snapshot->groups);
    vector_free(&snapshot->members);
    *snapshot = (struct snapshot){0};
}

static int take_participants(struct snapshot *snapshot, shmbus_view *view)
{
    shmbus_participant_info info;
    uint32_t cursor = 0;
    int result;
    while ((result = shmbus_view_participant(view, &cursor, &info)) > 0) {
        *(shmbus_participant_info *)vector_add(&snapshot->participants, sizeof info) = info;
    }
    return result;
}

static int take_publishers(struct snapshot *snapshot, shmbus_view *view, struct snapshot_channel *channel)
{
    shmbus_publisher_info info;
    uint32_t cursor = 0;
    int result;
    channel->publishers.first = snapshot->publishers.count;
    while ((result = shmbus_view_publisher(view, channel->info.index, &cursor, &info)) > 0) {
        *(shmbus_publisher_info *)vector_add(&snapshot->publishers, sizeof info) = info;
        channel->publishers.count++;
    }
    return result;
}

static int take_groups(struct snapshot *snapshot, shmbus_view *view, struct snapshot_channel *channel)
{
    shmbus_group_info info;
    uint32_t cursor = 0;
    int result;
    channel->groups.first = snapshot->groups.count;
    while ((result = shmbus_view_group(view, channel->info.index, &cursor, &info)) > 0) {
        *(shmbus_group_info *)vector_add(&snapshot->groups, sizeof info) = info;
        channel->groups.count++;
    }
    return result;
}

static int take_members(struct snapshot *snapshot, shmbus_view *view, struct snapshot_channel *channel)
{
    shmbus_member_info info;
    uint32_t cursor = 0;
    int result;
    channel->members.first = snapshot->members.count;
    while ((result = shmbus_view_member(view, channel->info.index, &cursor, &info)) > 0) {
        struct snapshot_member *member = vector_add(&snapshot->members, sizeof *member);
        member->info = info;
        if (shmbus_view_latency(view, channel->info.index, info.index, &member->latency) != 0) {
            member->latency = (shmbus_latency){0}; /* it left meanwhile */
        }
        channel->members.count++;
    }
    return result;
}

static int take_channel(struct snapshot *snapshot, shmbus_view *view, const shmbus_channel_info *info)
{
    struct snapshot_channel channel = {.info = *info};
    const size_t publishers = snapshot->publishers.count;
    const size_t groups = snapshot->groups.count;
    const size_t members = snapshot->members.count;
    int result = take_publishers(snapshot, view, &channel);
    result = result == 0 ? take_groups(snapshot, view, &channel) : result;
    result = result == 0 ? take_members(snapshot, view, &channel) : result;
    if (result == 0) {
        *(struct snapshot_channel *)vector_add(&snapshot->channels, sizeof channel) = channel;
        return 0;
    }
    snapshot->publishers.count = publishers;
    snapshot->groups.count = groups;
    snapshot->members.count = members;
    return result;
}

/* What happened to one channel need not hide the others. */
static int after_channel(struct snapshot *snapshot, int result)
{
    if (result == -EBADMSG && snapshot->damaged++ == 0) {
        (void)snprintf(snapshot->problem, sizeof snapshot->problem, "%s", shmbus_strerror(result));
    }
    return result == -EBADMSG || result == -ENOENT || result == -EIDRM ? 0 : result;
}

static int take_channels(struct snapshot *snapshot, shmbus_view *view, const char *only)
{
    shmbus_channel_info info;
    uint32_t cursor = 0;
    for (;;) {
        const uint32_t before = cursor;
        int result = shmbus_view_channel(view, &cursor, &info);
        if (result == 0) {
            return 0;
        }
        if (result > 0) {
            result = only && strcmp(info.name, only) != 0 ? 0 : take_channel(snapshot, view, &info);
        }
        result = after_channel(snapshot, result);
        if (result != 0 || cursor == before) {
            return result;
        }
    }
}

int snapshot_take(struct snapshot *snapshot, shmbus_view *view, const char *only)
{
    clear(snapshot);
    snapshot->at = shmbus_now();
    int result = shmbus_view_bus(view, &snapshot->bus);
    result = result == 0 ? take_participants(snapshot, view) : result;
    result = result == 0 ? take_channels(snapshot, view, only) : result;
    /* A segment that was truncated meanwhile read as zeros: what it showed is worth nothing. Any call tells. */
    shmbus_participant_info nobody;
    uint32_t behind_all = UINT32_MAX;
    return result == 0 ? shmbus_view_participant(view, &behind_all, &nobody) : result;
}

const struct snapshot_channel *snapshot_find_channel(const struct snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->channels.count; i++) {
        if (strcmp(snapshot_channel(snapshot, i)->info.name, name) == 0) {
            return snapshot_channel(snapshot, i);
        }
    }
    return NULL;
}

static int order(uint32_t left, uint32_t right)
{
    return left < right ? -1 : left > right;
}

static int order_channel(const void *index, const void *channel)
{
    return order(*(const uint32_t *)index, ((const struct snapshot_channel *)channel)->info.index);
}

static int order_participant(const void *index, const void *participant)
{
    return order(*(const uint32_t *)index, ((const shmbus_participant_info *)participant)->index);
}

static const void *find(const struct vector *vector, size_t size, uint32_t index,
                        int (*compare)(const void *, const void *))
{
    return vector->count > 0 ? bsearch(&index, vector->items, vector->count, size, compare) : NULL;
}

const struct snapshot_channel *snapshot_channel_at(const struct snapshot *snapshot, uint32_t index)
{
    return find(&snapshot->channels, sizeof(struct snapshot_channel), index, order_channel);
}

const shmbus_participant_info *snapshot_owner(const struct snapshot *snapshot, uint32_t participant)
{
    return find(&snapshot->participants, sizeof(shmbus_participant_info), participant, order_participant);
}

const shmbus_publisher_info *snapshot_publisher_of(const struct snapshot *snapshot,
                                                   const struct snapshot_channel *channel, uint32_t index)
{
    for (size_t i = 0; i < channel->publishers.count; i++) {
        const shmbus_publisher_info *publisher = snapshot_publisher(snapshot, channel->publishers.first + i);
        if (publisher->index == index) {
            return publisher;
        }
    }
    return NULL;
}

const shmbus_group_info *snapshot_group_of(const struct snapshot *snapshot,
                                           const struct snapshot_channel *channel, uint32_t index)
{
    for (size_t i = 0; i < channel->groups.count; i++) {
        const shmbus_group_info *group = snapshot_group(snapshot, channel->groups.first + i);
        if (group->index == index) {
            return group;
        }
    }
    return NULL;
}

const struct snapshot_channel *snapshot_channel_before(const struct snapshot *before,
                                                       const shmbus_channel_info *info)
{
    const struct snapshot_channel *then = before ? snapshot_channel_at(before, info->index) : NULL;
    return then && then->info.generation == info->generation ? then : NULL;
}

const shmbus_group_info *snapshot_group_before(const struct snapshot *before,
                                               const struct snapshot_channel *channel,
                                               const shmbus_group_info *info)
{
    const shmbus_group_info *then = channel ? snapshot_group_of(before, channel, info->index) : NULL;
    return then && then->joined == info->joined && strcmp(then->name, info->name) == 0 ? then : NULL;
}
