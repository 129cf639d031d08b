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

/* What the rows of one channel name: owners, and each other. */
struct stat_names {
    const char *channel;
    const struct attendance *attendance;
    const shmbus_publisher_info *publishers; /* publisher_count of them */
    size_t publisher_count;
    const shmbus_group_info *groups; /* group_count of them */
    size_t group_count;
    int copy; /* times in it are of another moment, or host */
};

struct table *stat_participants(void);
void stat_add_participant(struct table *table, const struct attendant *attendant);

struct table *stat_publishers(void);
void stat_add_publisher(struct table *table, const struct stat_names *names,
                        const shmbus_publisher_info *info);

struct table *stat_groups(void);
void stat_add_group(struct table *table, const struct stat_names *names, const shmbus_group_info *info);

struct table *stat_members(void);
void stat_add_member(struct table *table, const struct stat_names *names, const shmbus_member_info *info,
                     const shmbus_latency *latency);

#endif
