/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <shmbus/inspect.h>
#include <stdio.h>
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

struct stat {
    struct table *tables[TABLES];
    struct snapshot before; /* with --interval */
    struct snapshot now;
    struct attendance attendance;
};

static void stat_begin(struct stat *stat)
{
    *stat = (struct stat){0};
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
    snapshot_free(&stat->before);
    snapshot_free(&stat->now);
}

/* ------------------------------------------------------------------------------------------- tables */

static void add_participants(struct stat *stat)
{
    struct processes *processes = processes_new();
    attendance_take(&stat->attendance, &stat->now, processes);
    for (size_t i = 0; i < stat->attendance.count; i++) {
        stat_add_participant(stat->tables[PARTICIPANTS], &stat->attendance.all[i]);
    }
    processes_free(processes);
}

/* Of a channel that was there at both looks. */
static void set_rate(const struct stat *stat, struct listing_traffic *traffic)
{
    const struct snapshot_channel *then = snapshot_channel_before(&stat->before, traffic->info);
    const int64_t passed = stat->now.at - stat->before.at;
    if (then && passed > 0) {
        const double count = (double)(traffic->info->published - then->info.published);
        traffic->rate = (uint64_t)(count * 1e9 / (double)passed + 0.5);
        traffic->has_rate = 1;
    }
}

static void add_channel(struct stat *stat, const struct snapshot_channel *channel)
{
    const struct snapshot *now = &stat->now;
    const struct stat_channel of = {now, channel, &stat->attendance};
    struct listing_traffic traffic = {.info = &channel->info};
    for (size_t i = 0; i < channel->publishers.count; i++) {
        const shmbus_publisher_info *publisher = snapshot_publisher(now, channel->publishers.first + i);
        stat_add_publisher(stat->tables[PUBLISHERS], &of, publisher);
        traffic.blocked += publisher->stats.blocked;
    }
    for (size_t i = 0; i < channel->groups.count; i++) {
        stat_add_group(stat->tables[GROUPS], &of, snapshot_group(now, channel->groups.first + i));
    }
    for (size_t i = 0; i < channel->members.count; i++) {
        stat_add_member(stat->tables[MEMBERS], &of, snapshot_member(now, channel->members.first + i));
    }
    set_rate(stat, &traffic);
    listing_add_traffic(stat->tables[CHANNELS], now->bus.name, &traffic);
}

static void fill(struct stat *stat)
{
    listing_add_bus(stat->tables[BUSES], &stat->now.bus);
    add_participants(stat);
    for (size_t i = 0; i < stat->now.channels.count; i++) {
        add_channel(stat, snapshot_channel(&stat->now, i));
    }
}

/* -------------------------------------------------------------------------------------------- looks */

static void sleep_until(int64_t deadline)
{
    const struct timespec time = {.tv_sec = deadline / 1000000000, .tv_nsec = deadline % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR) {
    }
}

static int take(struct stat *stat, shmbus_view *view, const struct stat_options *options)
{
    if (options->interval > 0) {
        const int result = snapshot_take(&stat->before, view, options->channel);
        if (result != 0) {
            return result;
        }
        sleep_until(stat->before.at + options->interval);
    }
    return snapshot_take(&stat->now, view, options->channel);
}

static int collect(struct stat *stat, const struct looking *looking, const struct stat_options *options)
{
    shmbus_view *view = NULL;
    if (looking_open(looking, &view) != EXIT_OK) {
        return EXIT_FAILED;
    }
    const int err = take(stat, view, options);
    const int result = err == 0 ? EXIT_OK : fail_call(err, "cannot look at %s", looking_name(looking));
    shmbus_view_close(view);
    if (result == EXIT_OK && options->channel && stat->now.channels.count == 0 && stat->now.damaged == 0) {
        return fail("there is no channel \"%s\" on %s: shmbus ls %s shows those there are", options->channel,
                    looking_name(looking), stat->now.bus.name);
    }
    return result;
}

/* What is damaged need not hide the rest. */
static int conclude(const struct snapshot *snapshot)
{
    return snapshot->damaged == 0
               ? EXIT_OK
               : fail("%u damaged channels are left out: %s", snapshot->damaged, snapshot->problem);
}

static int show(const struct looking *looking, const struct stat_options *options)
{
    struct stat stat;
    stat_begin(&stat);
    int result = collect(&stat, looking, options);
    if (result == EXIT_OK) {
        fill(&stat);
        result = options->json ? tables_print_json(stat.tables, TABLES, stdout)
                               : tables_print(stat.tables, TABLES, stdout);
    }
    result = result == EXIT_OK ? conclude(&stat.now) : result;
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
