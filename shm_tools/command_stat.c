/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <shmbus/inspect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "listing.h"
#include "options.h"
#include "report.h"
#include "shared_options.h"

struct stat_options {
    const char *channel;
    int json;
};

#define IN_STAT(field) offsetof(struct stat_options, field)

static const struct option_spec stat_specs[] = {
    {"channel", 'c', OPTION_TEXT, IN_STAT(channel), 0, "CHANNEL", "show this channel only"},
    {"json", 'j', OPTION_FLAG, IN_STAT(json), 0, NULL, "print JSON"},
    {0},
};

static const struct column participant_columns[] = {
    {"index", "PARTICIPANT", COLUMN_NUMBER, NULL, NULL},
    {"name", "NAME", COLUMN_TEXT, NULL, NULL},
    {"pid", "PID", COLUMN_NUMBER, NULL, NULL},
    {"alive", "STATE", COLUMN_FLAG, "alive", "dead"},
    {"generation", NULL, COLUMN_NUMBER, NULL, NULL},
    {"membarrier", "SENDS", COLUMN_FLAG, "free", "fenced"},
    {"timed", "SLEEPS", COLUMN_FLAG, "in short steps", "by membarrier"},
    {0},
};

static const struct column publisher_columns[] = {
    {"channel", "CHANNEL", COLUMN_TEXT, NULL, NULL},
    {"index", "PUBLISHER", COLUMN_NUMBER, NULL, NULL},
    {"participant", NULL, COLUMN_NUMBER, NULL, NULL},
    {"owner", "OWNER", COLUMN_TEXT, NULL, NULL},
    {"pid", "PID", COLUMN_NUMBER, NULL, NULL},
    {"alive", "STATE", COLUMN_FLAG, "alive", "dead"},
    {"messages", "MESSAGES", COLUMN_NUMBER, NULL, NULL},
    {"bytes", "BYTES", COLUMN_SIZE, NULL, NULL},
    {"aborted", "ABORTED", COLUMN_NUMBER, NULL, NULL},
    {"blocked", "BLOCKED", COLUMN_NUMBER, NULL, NULL},
    {"sleeps", "SLEEPS", COLUMN_NUMBER, NULL, NULL},
    {"wakes", "WAKES", COLUMN_NUMBER, NULL, NULL},
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
    {"messages", "MESSAGES", COLUMN_NUMBER, NULL, NULL},
    {"bytes", "BYTES", COLUMN_SIZE, NULL, NULL},
    {"missed", "MISSED", COLUMN_NUMBER, NULL, NULL},
    {"aborted", "ABORTED", COLUMN_NUMBER, NULL, NULL},
    {"redelivered", "REDELIVERED", COLUMN_NUMBER, NULL, NULL},
    {0},
};

static const struct column member_columns[] = {
    {"channel", "CHANNEL", COLUMN_TEXT, NULL, NULL},
    {"group", "GROUP", COLUMN_TEXT, NULL, NULL},
    {"index", "MEMBER", COLUMN_NUMBER, NULL, NULL},
    {"participant", NULL, COLUMN_NUMBER, NULL, NULL},
    {"owner", "OWNER", COLUMN_TEXT, NULL, NULL},
    {"pid", "PID", COLUMN_NUMBER, NULL, NULL},
    {"alive", "STATE", COLUMN_FLAG, "alive", "dead"},
    {"held", "HELD", COLUMN_NUMBER, NULL, NULL},
    {"messages", "MESSAGES", COLUMN_NUMBER, NULL, NULL},
    {"bytes", "BYTES", COLUMN_SIZE, NULL, NULL},
    {"missed", "MISSED", COLUMN_NUMBER, NULL, NULL},
    {"redelivered", "REDELIVERED", COLUMN_NUMBER, NULL, NULL},
    {"sleeps", "SLEEPS", COLUMN_NUMBER, NULL, NULL},
    {0},
};

enum {
    BUSES,
    PARTICIPANTS,
    CHANNELS,
    PUBLISHERS,
    GROUPS,
    MEMBERS,
    TABLES
};

struct stat {
    shmbus_view *view;
    struct table *tables[TABLES];
    shmbus_participant_info *participants; /* who owns publishers and members */
    size_t participant_count;
    shmbus_group_info *groups; /* of the channel being shown */
    size_t group_count;
};

static void stat_begin(struct stat *stat)
{
    *stat = (struct stat){0};
    stat->tables[BUSES] = listing_buses();
    stat->tables[PARTICIPANTS] = table_new("participants", participant_columns);
    stat->tables[CHANNELS] = listing_channels();
    stat->tables[PUBLISHERS] = table_new("publishers", publisher_columns);
    stat->tables[GROUPS] = table_new("groups", group_columns);
    stat->tables[MEMBERS] = table_new("members", member_columns);
}

static void stat_end(struct stat *stat)
{
    for (unsigned i = 0; i < TABLES; i++) {
        table_free(stat->tables[i]);
    }
    free(stat->participants);
    free(stat->groups);
    shmbus_view_close(stat->view);
}

static int add_participants(struct stat *stat)
{
    struct table *table = stat->tables[PARTICIPANTS];
    shmbus_participant_info info;
    uint32_t cursor = 0;
    int result;
    while ((result = shmbus_view_participant(stat->view, &cursor, &info)) > 0) {
        table_number(table, info.index);
        table_text(table, info.name);
        table_number(table, info.pid);
        table_flag(table, info.alive);
        table_number(table, info.generation);
        table_flag(table, info.registered);
        table_flag(table, info.timed);
        stat->participants =
            need_more_memory(stat->participants, (stat->participant_count + 1) * sizeof *stat->participants);
        stat->participants[stat->participant_count++] = info;
    }
    return result;
}

/* The cells participant, owner and pid. An owner that left meanwhile has no name. */
static void add_owner(const struct stat *stat, struct table *table, uint32_t participant)
{
    table_number(table, participant);
    for (size_t i = 0; i < stat->participant_count; i++) {
        if (stat->participants[i].index == participant) {
            table_text(table, stat->participants[i].name);
            table_number(table, stat->participants[i].pid);
            return;
        }
    }
    table_skip(table, 2);
}

static int add_publishers(struct stat *stat, const shmbus_channel_info *channel)
{
    struct table *table = stat->tables[PUBLISHERS];
    shmbus_publisher_info info;
    uint32_t cursor = 0;
    int result;
    while ((result = shmbus_view_publisher(stat->view, channel->index, &cursor, &info)) > 0) {
        table_text(table, channel->name);
        table_number(table, info.index);
        add_owner(stat, table, info.participant);
        table_flag(table, info.alive);
        table_number(table, info.stats.messages);
        table_number(table, info.stats.bytes);
        table_number(table, info.stats.aborted);
        table_number(table, info.stats.blocked);
        table_number(table, info.stats.sleeps);
        table_number(table, info.stats.wakes);
    }
    return result;
}

static void add_group(struct table *table, const char *channel, const shmbus_group_info *info)
{
    table_text(table, channel);
    table_text(table, info->name);
    table_number(table, info->index);
    table_flag(table, info->shared);
    table_flag(table, info->durable);
    table_number(table, info->members);
    table_number(table, info->joined);
    table_number(table, info->position);
    table_number(table, info->pending);
    table_number(table, info->messages);
    table_number(table, info->bytes);
    table_number(table, info->missed);
    table_number(table, info->aborted);
    table_number(table, info->redelivered);
}

static int add_groups(struct stat *stat, const shmbus_channel_info *channel)
{
    shmbus_group_info info;
    uint32_t cursor = 0;
    int result;
    stat->group_count = 0;
    while ((result = shmbus_view_group(stat->view, channel->index, &cursor, &info)) > 0) {
        add_group(stat->tables[GROUPS], channel->name, &info);
        stat->groups = need_more_memory(stat->groups, (stat->group_count + 1) * sizeof *stat->groups);
        stat->groups[stat->group_count++] = info;
    }
    return result;
}

/* NULL for a group that went or came meanwhile. */
static const char *group_name(const struct stat *stat, uint32_t index)
{
    for (size_t i = 0; i < stat->group_count; i++) {
        if (stat->groups[i].index == index) {
            return stat->groups[i].name;
        }
    }
    return NULL;
}

static int add_members(struct stat *stat, const shmbus_channel_info *channel)
{
    struct table *table = stat->tables[MEMBERS];
    shmbus_member_info info;
    uint32_t cursor = 0;
    int result;
    while ((result = shmbus_view_member(stat->view, channel->index, &cursor, &info)) > 0) {
        table_text(table, channel->name);
        table_text(table, group_name(stat, info.group));
        table_number(table, info.index);
        add_owner(stat, table, info.participant);
        table_flag(table, info.alive);
        table_number(table, info.held);
        table_number(table, info.stats.messages);
        table_number(table, info.stats.bytes);
        table_number(table, info.stats.missed);
        table_number(table, info.stats.redelivered);
        table_number(table, info.stats.sleeps);
    }
    return result;
}

static int add_channel(struct stat *stat, const char *bus, const shmbus_channel_info *channel)
{
    listing_add_channel(stat->tables[CHANNELS], bus, channel);
    int result = add_publishers(stat, channel);
    if (result == 0) {
        result = add_groups(stat, channel);
    }
    return result == 0 ? add_members(stat, channel) : result;
}

static int add_channels(struct stat *stat, const char *bus)
{
    shmbus_channel_info info;
    uint32_t cursor = 0;
    int result;
    while ((result = shmbus_view_channel(stat->view, &cursor, &info)) > 0) {
        /* -ENOENT: the channel was removed while we looked at it. */
        const int added = add_channel(stat, bus, &info);
        if (added < 0 && added != -ENOENT && added != -EIDRM) {
            return added;
        }
    }
    return result;
}

static int collect(struct stat *stat, const char *bus, const char *channel)
{
    shmbus_bus_info info;
    int result = shmbus_view_open(bus, &stat->view);
    if (result == 0) {
        result = shmbus_view_bus(stat->view, &info);
    }
    if (result == 0) {
        listing_add_bus(stat->tables[BUSES], &info);
        result = add_participants(stat);
    }
    if (result != 0) {
        return fail_call(result, "cannot look at bus \"%s\"", bus);
    }
    if (!channel) {
        result = add_channels(stat, bus);
        return result == 0 ? EXIT_OK : fail_call(result, "cannot look at the channels of bus \"%s\"", bus);
    }
    shmbus_channel_info channel_info;
    result = listing_find_channel(stat->view, channel, &channel_info);
    if (result == -ENOENT) {
        return fail("there is no channel \"%s\" on bus \"%s\": shmbus ls %s shows those there are", channel,
                    bus, bus);
    }
    if (result == 0) {
        result = add_channel(stat, bus, &channel_info);
    }
    return result == 0 ? EXIT_OK : fail_call(result, "cannot look at channel \"%s\"", channel);
}

static int show(const char *bus, const struct stat_options *options)
{
    struct stat stat;
    stat_begin(&stat);
    int result = collect(&stat, bus, options->channel);
    if (result == EXIT_OK) {
        result = options->json ? tables_print_json(stat.tables, TABLES, stdout)
                               : tables_print(stat.tables, TABLES, stdout);
    }
    stat_end(&stat);
    return result;
}

static int run_stat(const struct command *command, int argc, char **argv)
{
    struct which_bus which = {0};
    struct stat_options stat_options = {0};
    const struct option_section sections[] = {
        BUS_SECTION(&which),
        {"Command:", stat_specs, &stat_options},
        {0},
    };
    struct options options;
    int result = options_parse(&options, command, sections, argc, argv, 0, 1);
    if (result == OPTIONS_READY && options.argument_count > 0 && which.name) {
        result = fail_usage(command->name, "give the bus with --bus or as an argument, not both");
    }
    if (result == OPTIONS_READY) {
        result = show(options.argument_count > 0 ? options.arguments[0] : chosen_bus(&which), &stat_options);
    }
    options_free(&options);
    return result;
}

const struct command command_stat = {
    .name = "stat",
    .arguments = "[BUS]",
    .summary = "shows a bus: participants, channels, publishers, groups, who lags",
    .details =
        "Looks only: nothing is changed, no place on the bus is taken. Figures are read while others\n"
        "write them; on a quiet bus, for every group:\n"
        "  published - joined = messages + aborted + missed + lag\n"
        "LAG is what the group has not yet given back; MISSED what was overwritten before it was read;\n"
        "ABORTED what publishers gave up, or left unfinished when they were killed; HELD what a member\n"
        "has taken and not given back; BLOCKED how often a publisher found no room.\n"
        "\n"
        "JSON: {\"buses\": [one], \"participants\": [], \"channels\": [], \"publishers\": [],\n"
        "  \"groups\": [], \"members\": []}; buses and channels as in ls; keys of\n"
        "  participants: index, name, pid, alive, generation, membarrier, timed\n"
        "  publishers:   channel, index, participant, owner, pid, alive, messages, bytes, aborted, blocked,\n"
        "                sleeps, wakes\n"
        "  groups:       channel, name, index, shared, durable, members, joined, position, lag, messages,\n"
        "                bytes, missed, aborted, redelivered\n"
        "  members:      channel, group, index, participant, owner, pid, alive, held, messages, bytes,\n"
        "                missed, redelivered, sleeps\n"
        "\n"
        "Examples:\n"
        "  shmbus stat\n"
        "  shmbus stat lab -c ticks\n"
        "  shmbus stat --json | jq '.groups[] | select(.lag > 1000)'\n",
    .run = run_stat,
};
