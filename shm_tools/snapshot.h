/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One look at a bus, copied out of it: what the commands that show changes compare with the next look.
 *
 * concurrency   one thread; the bus may change meanwhile: see <shmbus/inspect.h>
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_SNAPSHOT_H
#define SHMBUS_TOOLS_SNAPSHOT_H

#include <shmbus/inspect.h>

#include "vector.h"

/* Items `first` up to `first + count` of one of the snapshot's lists. */
struct span {
    size_t first;
    size_t count;
};

struct snapshot_channel {
    shmbus_channel_info info;
    struct span publishers;
    struct span groups;
    struct span members;
};

struct snapshot_member {
    shmbus_member_info info;
    shmbus_latency latency;
};

/* All 0 is an empty one. Entries are in the order of their `index`, inside their channel. */
struct snapshot {
    int64_t at; /* CLOCK_MONOTONIC */
    shmbus_bus_info bus;
    unsigned damaged;           /* channels that could not be looked at */
    char problem[512];          /* of the first of them: what shmbus_strerror() says */
    struct vector participants; /* shmbus_participant_info */
    struct vector channels;     /* struct snapshot_channel */
    struct vector publishers;   /* shmbus_publisher_info */
    struct vector groups;       /* shmbus_group_info */
    struct vector members;      /* struct snapshot_member */
};

/*
 * Looks again, at every channel or at `only` the one of that name. 0, or what the view gives, when the snapshot holds
 * nothing of use. A channel that goes meanwhile is left out; one that is damaged is too, and counted.
 */
int snapshot_take(struct snapshot *snapshot, shmbus_view *view, const char *only);

void snapshot_free(struct snapshot *snapshot);

static inline const struct snapshot_channel *snapshot_channel(const struct snapshot *snapshot, size_t i)
{
    return (const struct snapshot_channel *)snapshot->channels.items + i;
}

static inline const shmbus_publisher_info *snapshot_publisher(const struct snapshot *snapshot, size_t i)
{
    return (const shmbus_publisher_info *)snapshot->publishers.items + i;
}

static inline const shmbus_group_info *snapshot_group(const struct snapshot *snapshot, size_t i)
{
    return (const shmbus_group_info *)snapshot->groups.items + i;
}

static inline const struct snapshot_member *snapshot_member(const struct snapshot *snapshot, size_t i)
{
    return (const struct snapshot_member *)snapshot->members.items + i;
}

static inline const shmbus_participant_info *snapshot_participant(const struct snapshot *snapshot, size_t i)
{
    return (const shmbus_participant_info *)snapshot->participants.items + i;
}

/* NULL when there is none. */
const struct snapshot_channel *snapshot_find_channel(const struct snapshot *snapshot, const char *name);

/* The one with this index, or NULL. */
const struct snapshot_channel *snapshot_channel_at(const struct snapshot *snapshot, uint32_t index);

/* NULL for one that left meanwhile. */
const shmbus_participant_info *snapshot_owner(const struct snapshot *snapshot, uint32_t participant);

/* The publisher, or group, of the channel with this index, or NULL. */
const shmbus_publisher_info *snapshot_publisher_of(const struct snapshot *snapshot,
                                                   const struct snapshot_channel *channel, uint32_t index);
const shmbus_group_info *snapshot_group_of(const struct snapshot *snapshot,
                                           const struct snapshot_channel *channel, uint32_t index);

/*
 * The same channel, or group of it, in an earlier look; NULL: it was not there, or another one had its place, or
 * `before`, or `channel` of it, is NULL.
 */
const struct snapshot_channel *snapshot_channel_before(const struct snapshot *before,
                                                       const shmbus_channel_info *info);
const shmbus_group_info *snapshot_group_before(const struct snapshot *before,
                                               const struct snapshot_channel *channel,
                                               const shmbus_group_info *info);

#endif
