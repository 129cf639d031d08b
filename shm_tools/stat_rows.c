/* SPDX-License-Identifier: Apache-2.0 */
#include "stat_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

/* Cells that several tables have, in this order: add_alive(), add_owner(). */
#define ALIVE_COLUMNS                                                                                        \
    {"alive", NULL, COLUMN_FLAG, NULL, NULL},                                                                \
    {                                                                                                        \
        "state", "STATE", COLUMN_TEXT, NULL, NULL                                                            \
    }
#define OWNER_COLUMNS                                                                                        \
    {"participant", NULL, COLUMN_NUMBER, NULL, NULL}, {"owner", "OWNER", COLUMN_TEXT, NULL, NULL},           \
        {"pid", NULL, COLUMN_NUMBER, NULL, NULL}, {"pid_here", NULL, COLUMN_NUMBER, NULL, NULL},             \
    {                                                                                                        \
        NULL, "PID", COLUMN_NUMBER, NULL, NULL                                                               \
    }

static const struct column participant_columns[] = {
    {"index", "PARTICIPANT", COLUMN_NUMBER, NULL, NULL},
    {"name", "NAME", COLUMN_TEXT, NULL, NULL},
    {"pid", NULL, COLUMN_NUMBER, NULL, NULL},
    {"pid_here", NULL, COLUMN_NUMBER, NULL, NULL},
    {NULL, "PID", COLUMN_NUMBER, NULL, NULL},
    {NULL, "PID INSIDE", COLUMN_NUMBER, NULL, NULL},
    {"container", "CONTAINER", COLUMN_TEXT, NULL, NULL},
    {"host", NULL, COLUMN_TEXT, NULL, NULL},
    {"pid_namespace", NULL, COLUMN_NUMBER, NULL, NULL},
    ALIVE_COLUMNS,
    {"attached", NULL, COLUMN_TEXT, NULL, NULL},
    {NULL, "ATTACHED", COLUMN_TIME, NULL, NULL},
    {"generation", NULL, COLUMN_NUMBER, NULL, NULL},
    {"membarrier", "SENDS", COLUMN_FLAG, "free", "fenced"},
    {"timed", "SLEEPS", COLUMN_FLAG, "in short steps", "by membarrier"},
    {0},
};

static const struct column publisher_columns[] = {
    {"channel", "CHANNEL", COLUMN_TEXT, NULL, NULL},
    {"index", "PUBLISHER", COLUMN_NUMBER, NULL, NULL},
    OWNER_COLUMNS,
    ALIVE_COLUMNS,
    {"messages", "MESSAGES", COLUMN_NUMBER, NULL, NULL},
    {"bytes", "BYTES", COLUMN_SIZE, NULL, NULL},
    {"aborted", "ABORTED", COLUMN_NUMBER, NULL, NULL},
    {"blocked", "BLOCKED", COLUMN_NUMBER, NULL, NULL},
    {"spins", "SPINS", COLUMN_NUMBER, NULL, NULL},
    {"sleeps", "SLEEPS", COLUMN_NUMBER, NULL, NULL},
    {"wakes", "WAKES", COLUMN_NUMBER, NULL, NULL},
    {"fenced", "FENCED", COLUMN_FLAG, "yes", "no"},
    {0},
};

static const struct column group_columns[] = {
    {"channel", "CHANNEL", COLUMN_TEXT, NULL, NULL},
    {"name", "GROUP", COLUMN_TEXT, NULL, NULL},
    {"index", NULL, COLUMN_NUMBER, NULL, NULL},
    {"shared", "KIND", COLUMN_FLAG, "shared", "own"},
    {"durable", "DURABLE", COLUMN_FLAG, "yes", "no"},
    {"members", "MEMBERS", COLUMN_NUMBER, NULL, NULL},
    {"joined", NULL, COLUMN_NUMBER, NULL, NULL},
    {"position", "POSITION", COLUMN_NUMBER, NULL, NULL},
    {"lag", "LAG", COLUMN_NUMBER, NULL, NULL},
    {"oldest", NULL, COLUMN_NUMBER, NULL, NULL},
    {"oldest_age", "FOR", COLUMN_TIME, NULL, NULL},
    {"unfinished", NULL, COLUMN_FLAG, NULL, NULL},
    {"waits_for", NULL, COLUMN_NUMBER, NULL, NULL},
    {"waits_for_owner", NULL, COLUMN_TEXT, NULL, NULL},
    {"waits_for_pid", NULL, COLUMN_NUMBER, NULL, NULL},
    {NULL, "WAITS FOR", COLUMN_TEXT, NULL, NULL},
    {"interrupted", NULL, COLUMN_NUMBER, NULL, NULL},
    {"messages", "MESSAGES", COLUMN_NUMBER, NULL, NULL},
    {"bytes", NULL, COLUMN_SIZE, NULL, NULL},
    {"missed", "MISSED", COLUMN_NUMBER, NULL, NULL},
    {"aborted", "ABORTED", COLUMN_NUMBER, NULL, NULL},
    {"redelivered", "REDELIVERED", COLUMN_NUMBER, NULL, NULL},
    {0},
};

static const struct column member_columns[] = {
    {"channel", "CHANNEL", COLUMN_TEXT, NULL, NULL},
    {"group", "GROUP", COLUMN_TEXT, NULL, NULL},
    {"index", "MEMBER", COLUMN_NUMBER, NULL, NULL},
    OWNER_COLUMNS,
    ALIVE_COLUMNS,
    {"held", "HELD", COLUMN_NUMBER, NULL, NULL},
    {"held_first", NULL, COLUMN_NUMBER, NULL, NULL},
    {"messages", "MESSAGES", COLUMN_NUMBER, NULL, NULL},
    {"bytes", NULL, COLUMN_SIZE, NULL, NULL},
    {"missed", "MISSED", COLUMN_NUMBER, NULL, NULL},
    {"redelivered", NULL, COLUMN_NUMBER, NULL, NULL},
    {"largest_lag", "MOST LAG", COLUMN_NUMBER, NULL, NULL},
    {"spins", NULL, COLUMN_NUMBER, NULL, NULL},
    {"sleeps", "SLEEPS", COLUMN_NUMBER, NULL, NULL},
    {"latency_samples", NULL, COLUMN_NUMBER, NULL, NULL},
    {"latency_p50", "P50", COLUMN_TIME, NULL, NULL},
    {"latency_p99", "P99", COLUMN_TIME, NULL, NULL},
    {"latency_max", "MAX", COLUMN_TIME, NULL, NULL},
    {0},
};

struct table *stat_participants(void)
{
    return table_new("participants", participant_columns);
}

struct table *stat_publishers(void)
{
    return table_new("publishers", publisher_columns);
}

struct table *stat_groups(void)
{
    return table_new("groups", group_columns);
}

struct table *stat_members(void)
{
    return table_new("members", member_columns);
}

/* ------------------------------------------------------------------------------------------- cells */

static void add_number_if(struct table *table, int known, uint64_t number)
{
    if (known) {
        table_number(table, number);
    } else {
        table_skip(table, 1);
    }
}

static void add_alive(struct table *table, int alive, const char *state)
{
    if (alive == SHMBUS_UNKNOWN) {
        table_skip(table, 1);
    } else {
        table_flag(table, alive);
    }
    table_text(table, state);
}

/* How an entry of a channel stands: its owner may be there and have nothing to do with it any more. */
static const char *entry_state(int alive, const struct attendant *owner)
{
    if (alive == SHMBUS_UNKNOWN) {
        return "unknown";
    }
    return !alive ? "dead" : owner ? process_word(&owner->process) : "alive";
}

/* What people see: the number here; of one that is gone the number it had. */
static void add_pids(struct table *table, const struct attendant *attendant)
{
    const struct process *process = &attendant->process;
    table_number(table, attendant->info.pid);
    add_number_if(table, process->pid != 0, process->pid);
    add_number_if(table, process->pid != 0 || !process->contained,
                  process->pid ? process->pid : attendant->info.pid);
}

/* An owner that left meanwhile has no name. */
static const struct attendant *add_owner(struct table *table, const struct stat_channel *of,
                                         uint32_t participant)
{
    const struct attendant *owner = attendance_find(of->attendance, participant);
    table_number(table, participant);
    if (owner) {
        table_text(table, owner->info.name);
        add_pids(table, owner);
    } else {
        table_skip(table, 4);
    }
    return owner;
}

/* -------------------------------------------------------------------------------------------- rows */

/* When, as programs read it, and how long ago that is. */
static void add_attached(struct table *table, const shmbus_participant_info *info)
{
    const time_t seconds = (time_t)(info->attached_ns / 1000000000u);
    struct timespec now = {0};
    struct tm broken;
    char text[48] = "";
    if (gmtime_r(&seconds, &broken)) {
        (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &broken);
    }
    (void)clock_gettime(CLOCK_REALTIME, &now);
    const uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    table_text(table, *text != '\0' ? text : NULL);
    add_number_if(table, info->alive != SHMBUS_UNKNOWN && now_ns >= info->attached_ns,
                  now_ns - info->attached_ns);
}

void stat_add_participant(struct table *table, const struct attendant *attendant)
{
    const shmbus_participant_info *info = &attendant->info;
    table_number(table, info->index);
    table_text(table, info->name);
    add_pids(table, attendant);
    add_number_if(table, attendant->process.contained, info->pid);
    table_text(table, attendant->process.contained ? info->host : NULL);
    table_text(table, info->host);
    table_number(table, info->pid_namespace);
    add_alive(table, info->alive, process_word(&attendant->process));
    add_attached(table, info);
    table_number(table, info->generation);
    table_flag(table, info->registered);
    table_flag(table, info->timed);
}

void stat_add_publisher(struct table *table, const struct stat_channel *of, const shmbus_publisher_info *info)
{
    table_text(table, of->channel->info.name);
    table_number(table, info->index);
    const struct attendant *owner = add_owner(table, of, info->participant);
    add_alive(table, info->alive, entry_state(info->alive, owner));
    table_number(table, info->stats.messages);
    table_number(table, info->stats.bytes);
    table_number(table, info->stats.aborted);
    table_number(table, info->stats.blocked);
    table_number(table, info->stats.spins);
    table_number(table, info->stats.sleeps);
    table_number(table, info->stats.wakes);
    table_flag(table, info->fenced);
}

static const struct attendant *publisher_owner(const struct stat_channel *of, uint32_t publisher)
{
    const shmbus_publisher_info *info = snapshot_publisher_of(of->snapshot, of->channel, publisher);
    return info ? attendance_find(of->attendance, info->participant) : NULL;
}

/* Whose claim it is that the group waits for. */
static void add_waits_for(struct table *table, const struct stat_channel *of, const shmbus_group_info *info)
{
    char text[SHMBUS_NAME_MAX + 32];
    table_flag(table, info->unfinished);
    if (!info->unfinished || info->waits_for == UINT32_MAX) {
        table_skip(table, 3);
        table_text(table, info->unfinished ? "somebody dead" : NULL);
        return;
    }
    const struct attendant *owner = publisher_owner(of, info->waits_for);
    table_number(table, info->waits_for);
    table_text(table, owner ? owner->info.name : NULL);
    add_number_if(table, owner && owner->process.pid != 0, owner ? owner->process.pid : 0);
    if (owner && owner->process.pid != 0) {
        (void)snprintf(text, sizeof text, "%s (%" PRIu32 ")", owner->info.name, owner->process.pid);
    } else {
        (void)snprintf(text, sizeof text, "publisher %" PRIu32, info->waits_for);
    }
    table_text(table, text);
}

void stat_add_group(struct table *table, const struct stat_channel *of, const shmbus_group_info *info)
{
    const int64_t age = shmbus_now() - info->oldest_ns;
    table_text(table, of->channel->info.name);
    table_text(table, info->name);
    table_number(table, info->index);
    table_flag(table, info->shared);
    table_flag(table, info->durable);
    table_number(table, info->members);
    table_number(table, info->joined);
    table_number(table, info->position);
    table_number(table, info->pending);
    add_number_if(table, info->pending > 0, info->position);
    add_number_if(table, info->pending > 0 && info->oldest_ns != 0 && !of->snapshot->bus.copy,
                  age > 0 ? (uint64_t)age : 0);
    add_waits_for(table, of, info);
    table_number(table, info->interrupted);
    table_number(table, info->messages);
    table_number(table, info->bytes);
    table_number(table, info->missed);
    table_number(table, info->aborted);
    table_number(table, info->redelivered);
}

static void add_latency(struct table *table, const shmbus_latency *latency)
{
    table_number(table, latency->samples);
    add_number_if(table, latency->samples > 0, shmbus_latency_quantile(latency, 0.5));
    add_number_if(table, latency->samples > 0, shmbus_latency_quantile(latency, 0.99));
    add_number_if(table, latency->samples > 0, latency->largest_ns);
}

void stat_add_member(struct table *table, const struct stat_channel *of, const struct snapshot_member *member)
{
    const shmbus_member_info *info = &member->info;
    const shmbus_group_info *group = snapshot_group_of(of->snapshot, of->channel, info->group);
    table_text(table, of->channel->info.name);
    table_text(table, group ? group->name : NULL); /* none: it went or came meanwhile */
    table_number(table, info->index);
    const struct attendant *owner = add_owner(table, of, info->participant);
    add_alive(table, info->alive, entry_state(info->alive, owner));
    table_number(table, info->held);
    add_number_if(table, info->held > 0, info->held_first);
    table_number(table, info->stats.messages);
    table_number(table, info->stats.bytes);
    table_number(table, info->stats.missed);
    table_number(table, info->stats.redelivered);
    table_number(table, info->stats.largest_lag);
    table_number(table, info->stats.spins);
    table_number(table, info->stats.sleeps);
    add_latency(table, &member->latency);
}
