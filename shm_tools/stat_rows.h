/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of `shmbus stat` about who uses a bus, and their rows. The keys that they have in JSON are an
 * interface: they may be added to, not changed.
 *
 * concurrency   one thread
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_STAT_ROWS_H
#define SHMBUS_TOOLS_STAT_ROWS_H

#include "attendance.h"
#include "table.h"

/* The channel whose rows are added. They name each other, and their owners. */
struct stat_channel {
    const struct snapshot *snapshot;
    const struct snapshot_channel *channel;
    const struct attendance *attendance;
};

struct table *stat_participants(void);
void stat_add_participant(struct table *table, const struct attendant *attendant);

struct table *stat_publishers(void);
void stat_add_publisher(struct table *table, const struct stat_channel *of,
                        const shmbus_publisher_info *info);

struct table *stat_groups(void);
void stat_add_group(struct table *table, const struct stat_channel *of, const shmbus_group_info *info);

struct table *stat_members(void);
void stat_add_member(struct table *table, const struct stat_channel *of,
                     const struct snapshot_member *member);

#endif
