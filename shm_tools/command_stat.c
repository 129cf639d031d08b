/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <shmbus/inspect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attendance.h"
#include "command.h"
#include "listing.h"
#include "looking.h"
#include "options.h"
#include "report.h"
#include "stat_rows.h"

struct stat_options {
    const char *channel;
    int64_t interval; /* 0: one look */
    int json;
};

#define IN_STAT(field) offsetof(struct stat_options, field)

static const struct option_spec stat_specs[] = {
    {"channel", 'c', OPTION_TEXT, IN_STAT(channel), 0, "CHANNEL", "show this channel only"},
    {"interval", 'i', OPTION_SECONDS, IN_STAT(interval), 0, "SECONDS",
     "look twice, so long apart, and show the messages a second"},
    {"json", 'j', OPTION_FLAG, IN_STAT(json), 0, NULL, "print JSON"},
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

/* What a channel had published at the first of two looks. */
struct mark {
    uint32_t channel;
    char name[SHMBUS_NAME_MAX + 1];
    uint64_t published;
    int64_t at;
};

struct stat {
    shmbus_view *view;
    struct table *tables[TABLES];
    struct processes *processes;
    struct attendance attendance;
    struct stat_names names; /* of the channel being shown */
    shmbus_publisher_info *publishers;
    shmbus_group_info *groups;
    struct mark *marks; /* by rising channel */
    size_t mark_count;
};

static void stat_begin(struct stat *stat)
{
    *stat = (struct stat){.processes = processes_new()};
    stat->tables[BUSES] = listing_buses();
    stat->tables[PARTICIPANTS] = stat_participants();
    stat->tables[CHANNELS] = listing_traffic();
    stat->tables[PUBLISHERS] = stat_publishers();
    stat->tables[GROUPS] = stat_groups();
    stat->tables[MEMBERS] = stat_members();
}

static void stat_end(struct stat *stat)
{
    for (unsigned i = 0; i < TABLES; i++) {
        table_free(stat->tables[i]);
    }
    attendance_free(&stat->attendance);
    processes_free(stat->processes);
    free(stat->publishers);
    free(stat->groups);
    free(stat->marks);
    shmbus_view_close(stat->view);
}

/* -------------------------------------------------------------------------------------------- rates */

static int mark_channels(struct stat *stat)
{
    shmbus_channel_info info;
    uint32_t cursor = 0;
    int result;
    while ((result = shmbus_view_channel(stat->view, &cursor, &info)) > 0) {
        stat->marks = need_more_memory(stat->marks, (stat->mark_count + 1) * sizeof *stat->marks);
        struct mark *mark = &stat->marks[stat->mark_count++];
        *mark = (struct mark){.channel = info.index, .published = info.published, .at = shmbus_now()};
        memcpy(mark->name, info.name, sizeof mark->name);
    }
    return result;
}

static void sleep_until(int64_t deadline)
{
    const struct timespec time = {.tv_sec = deadline / 1000000000, .tv_nsec = deadline % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR) {
    }
}

/* Of a channel that was there at both looks. */
static void set_rate(const struct stat *stat, struct listing_traffic *traffic)
{
    for (size_t i = 0; i < stat->mark_count; i++) {
        const struct mark *mark = &stat->marks[i];
        const int64_t passed = shmbus_now() - mark->at;
        if (mark->channel == traffic->info->index && strcmp(mark->name, traffic->info->name) == 0 &&
            traffic->info->published >= mark->published && passed > 0) {
            const double count = (double)(traffic->info->published - mark->published);
            traffic->rate = (uint64_t)(count * 1e9 / (double)passed + 0.5);
            traffic->has_rate = 1;
            return;
        }
    }
}

/* ------------------------------------------------------------------------------------------- tables */

static int add_participants(struct stat *stat)
{
    const int result = attendance_collect(&stat->attendance, stat->view, stat->processes);
    for (size_t i = 0; i < stat->attendance.count; i++) {
        stat_add_participant(stat->tables[PARTICIPANTS], &stat->attendance.all[i]);
    }
    return result;
}

/* Sums up how often they found no room. */
static int add_publishers(struct stat *stat, uint32_t channel, uint64_t *blocked)
{
    shmbus_publisher_info info;
    uint32_t cursor = 0;
    size_t count = 0;
    int result;
    while ((result = shmbus_view_publisher(stat->view, channel, &cursor, &info)) > 0) {
        stat_add_publisher(stat->tables[PUBLISHERS], &stat->names, &info);
        stat->publishers = need_more_memory(stat->publishers, (count + 1) * sizeof *stat->publishers);
        stat->publishers[count++] = info;
        *blocked += info.stats.blocked;
    }
    stat->names.publishers = stat->publishers;
    stat->names.publisher_count = count;
    return result;
}

static int add_groups(struct stat *stat, uint32_t channel)
{
    shmbus_group_info info;
    uint32_t cursor = 0;
    size_t count = 0;
    int result;
    while ((result = shmbus_view_group(stat->view, channel, &cursor, &info)) > 0) {
        stat_add_group(stat->tables[GROUPS], &stat->names, &info);
        stat->groups = need_more_memory(stat->groups, (count + 1) * sizeof *stat->groups);
        stat->groups[count++] = info;
    }
    stat->names.groups = stat->groups;
    stat->names.group_count = count;
    return result;
}

static int add_members(struct stat *stat, uint32_t channel)
{
    shmbus_member_info info;
    uint32_t cursor = 0;
    int result;
    while ((result = shmbus_view_member(stat->view, channel, &cursor, &info)) > 0) {
        shmbus_latency latency = {0};
        if (shmbus_view_latency(stat->view, channel, info.index, &latency) != 0) {
            latency.samples = 0;
        }
        stat_add_member(stat->tables[MEMBERS], &stat->names, &info, &latency);
    }
    return result;
}

static int add_channel(struct stat *stat, const char *bus, const shmbus_channel_info *channel)
{
    struct listing_traffic traffic = {.info = channel};
    stat->names.channel = channel->name;
    int result = add_publishers(stat, channel->index, &traffic.blocked);
    set_rate(stat, &traffic);
    listing_add_traffic(stat->tables[CHANNELS], bus, &traffic);
    if (result == 0) {
        result = add_groups(stat, channel->index);
    }
    return result == 0 ? add_members(stat, channel->index) : result;
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

/* -------------------------------------------------------------------------------------------- looks */

static int collect_channels(struct stat *stat, const char *bus, const char *where, const char *channel)
{
    if (!channel) {
        const int result = add_channels(stat, bus);
        return result == 0 ? EXIT_OK : fail_call(result, "cannot look at the channels of %s", where);
    }
    shmbus_channel_info info;
    int result = listing_find_channel(stat->view, channel, &info);
    if (result == -ENOENT) {
        return fail("there is no channel \"%s\" on %s: shmbus ls %s shows those there are", channel, where,
                    bus);
    }
    if (result == 0) {
        result = add_channel(stat, bus, &info);
    }
    return result == 0 ? EXIT_OK : fail_call(result, "cannot look at channel \"%s\"", channel);
}

static int collect(struct stat *stat, const struct looking *looking, const struct stat_options *options)
{
    shmbus_bus_info info;
    if (looking_open(looking, &stat->view) != EXIT_OK) {
        return EXIT_FAILED;
    }
    int result = options->interval > 0 ? mark_channels(stat) : 0;
    if (options->interval > 0 && result == 0) {
        sleep_until(shmbus_deadline(options->interval));
    }
    if (result == 0) {
        result = shmbus_view_bus(stat->view, &info);
    }
    if (result == 0) {
        listing_add_bus(stat->tables[BUSES], &info);
        result = add_participants(stat);
    }
    if (result != 0) {
        return fail_call(result, "cannot look at %s", looking_name(looking));
    }
    stat->names.attendance = &stat->attendance;
    stat->names.copy = info.copy;
    return collect_channels(stat, info.name, looking_name(looking), options->channel);
}

static int show(const struct looking *looking, const struct stat_options *options)
{
    struct stat stat;
    stat_begin(&stat);
    int result = collect(&stat, looking, options);
    if (result == EXIT_OK) {
        result = options->json ? tables_print_json(stat.tables, TABLES, stdout)
                               : tables_print(stat.tables, TABLES, stdout);
    }
    stat_end(&stat);
    return result;
}

static int run_stat(const struct command *command, int argc, char **argv)
{
    struct looking looking = {0};
    struct stat_options stat_options = {0};
    const struct option_section sections[] = {
        LOOKING_SECTION(&looking),
        {"Command:", stat_specs, &stat_options},
        {0},
    };
    struct options options;
    int result = options_parse(&options, command, sections, argc, argv, 0, 1);
    if (result == OPTIONS_READY) {
        result = looking_take(&looking, command, options.argument_count > 0 ? options.arguments[0] : NULL);
        result = result == EXIT_OK ? show(&looking, &stat_options) : result;
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
        "STATE is alive, paused (stopped by a signal or a debugger, or its cgroup is frozen), dead, or\n"
        "unknown (of a copied file). PID is the process's number here, PID INSIDE the one in its container.\n"
        "PENDING is what the group furthest behind has not given back, FILL% that of the channel's slots;\n"
        "MSG/S is there with --interval alone; BLOCKED how often a publisher found no room; ASLEEP who\n"
        "sleeps: readers for a message, publishers for room.\n"
        "LAG is what the group has not yet given back, FOR how long it has been waiting for the oldest of\n"
        "that, WAITS FOR whose unfinished claim that is; MISSED what was overwritten before it was read;\n"
        "ABORTED what publishers gave up, or left unfinished when they were killed; HELD what a member has\n"
        "taken and not given back; P50, P99 and MAX how long messages took from their commit to the member,\n"
        "sampled since it joined.\n"
        "\n"
        "JSON: {\"buses\": [one], \"participants\": [], \"channels\": [], \"publishers\": [],\n"
        "  \"groups\": [], \"members\": []}; times are nanoseconds; what is not known is null; buses and\n"
        "  channels as in ls, channels also: pending, fill, rate, blocked, readers_asleep,\n"
        "                publishers_asleep; keys of\n"
        "  participants: index, name, pid, pid_here, container, host, pid_namespace, alive, state,\n"
        "                attached, generation, membarrier, timed\n"
        "  publishers:   channel, index, participant, owner, pid, pid_here, alive, state, messages, bytes,\n"
        "                aborted, blocked, spins, sleeps, wakes, fenced\n"
        "  groups:       channel, name, index, shared, durable, members, joined, position, lag, oldest,\n"
        "                oldest_age, unfinished, waits_for, waits_for_owner, waits_for_pid, interrupted,\n"
        "                messages, bytes, missed, aborted, redelivered\n"
        "  members:      channel, group, index, participant, owner, pid, pid_here, alive, state, held,\n"
        "                held_first, messages, bytes, missed, redelivered, largest_lag, spins, sleeps,\n"
        "                latency_samples, latency_p50, latency_p99, latency_max\n"
        "  pid is what the process calls itself in its own PID namespace, pid_here what it is called here.\n"
        "\n"
        "Examples:\n"
        "  shmbus stat\n"
        "  shmbus stat lab -c ticks --interval 1\n"
        "  shmbus stat --file copy-of-segment\n"
        "  shmbus stat --json | jq '.groups[] | select(.lag > 1000)'\n",
    .run = run_stat,
};
