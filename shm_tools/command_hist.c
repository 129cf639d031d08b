/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "grid.h"
#include "json_lines.h"
#include "options.h"
#include "output.h"
#include "report.h"
#include "signals.h"
#include "watch.h"

#define WIDE 80 /* columns where there is no terminal */

struct hist_options {
    const char *group;
    int64_t interval; /* 0: since each joined */
    int json;
};

#define IN_HIST(field) offsetof(struct hist_options, field)

static const struct option_spec hist_specs[] = {
    {"group", 'g', OPTION_TEXT, IN_HIST(group), 0, "NAME", "the members of this group only"},
    {"interval", 'i', OPTION_SECONDS, IN_HIST(interval), 0, "SECONDS",
     "what is sampled from now on in this time (default: since each member joined)"},
    {"json", 'j', OPTION_FLAG, IN_HIST(json), 0, NULL, "print JSON, with the buckets"},
    {0},
};

static const struct grid_column member_columns[] = {
    {NULL, "group", "GROUP", GRID_TEXT, 7, SHMBUS_NAME_MAX, 0},
    {NULL, "member", "MEMBER", GRID_NUMBER, 6, 6, 2},
    {NULL, "owner", "OWNER", GRID_TEXT, 8, SHMBUS_NAME_MAX, 1},
    {NULL, "pid", "PID", GRID_NUMBER, 7, 8, 3},
    {NULL, "samples", "SAMPLES", GRID_COUNT, 7, 8, 0},
    {NULL, "mean_ns", "MEAN", GRID_TIME, 6, 8, 0},
    {NULL, "p50_ns", "P50", GRID_TIME, 6, 8, 0},
    {NULL, "p90_ns", "P90", GRID_TIME, 6, 8, 0},
    {NULL, "p95_ns", "P95", GRID_TIME, 6, 8, 0},
    {NULL, "p99_ns", "P99", GRID_TIME, 6, 8, 0},
    {NULL, "p999_ns", "P99.9", GRID_TIME, 6, 8, 0},
    {NULL, "max_ns", "MAX", GRID_TIME, 6, 8, 0},
    {0},
};

static const struct grid_column bucket_columns[] = {
    {NULL, "from_ns", "FROM", GRID_TIME, 7, 7, 0},
    {NULL, "to_ns", "BELOW", GRID_TIME, 7, 7, 0},
    {NULL, NULL, "%", GRID_RATE, 5, 5, 0},
    {NULL, "samples", "  SAMPLES", GRID_LAG, 20, GRID_WIDTH_MAX, 0},
    {0},
};

struct hist {
    const struct hist_options *options;
    const char *channel_name;
    struct looking looking;
    struct watch watch;
    const struct snapshot_channel *channel;
    struct grid members;
    struct grid buckets;
    shmbus_latency all;
    uint64_t messages; /* delivered to the members */
    uint64_t bytes;
    unsigned member_count;
};

/* ---------------------------------------------------------------------------------------- members */

static const shmbus_latency *latency_of(const struct hist *hist, size_t member)
{
    return hist->options->interval > 0 ? &rates_member(&hist->watch.rates, member)->latency
                                       : &snapshot_member(watch_latest(&hist->watch), member)->latency;
}

static void put_time(struct grid *grid, const shmbus_latency *latency, double nanoseconds)
{
    (void)(latency->samples > 0 ? grid_value(grid, nanoseconds) : grid_absent(grid));
}

static void put_latency(struct grid *grid, const shmbus_latency *latency)
{
    static const double shares[] = {0.5, 0.9, 0.95, 0.99, 0.999};
    const double samples = latency->samples > 0 ? (double)latency->samples : 1;
    (void)grid_value(grid, (double)latency->samples);
    put_time(grid, latency, (double)latency->sum_ns / samples);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        put_time(grid, latency, (double)shmbus_latency_quantile(latency, shares[i]));
    }
    put_time(grid, latency, (double)latency->largest_ns);
}

static void count_delivered(struct hist *hist, size_t member)
{
    const shmbus_subscriber_stats *stats = &snapshot_member(watch_latest(&hist->watch), member)->info.stats;
    const struct flow *flow = &rates_member(&hist->watch.rates, member)->flow;
    hist->messages += hist->options->interval > 0 ? flow->messages : stats->messages;
    hist->bytes += hist->options->interval > 0 ? flow->bytes : stats->bytes;
    hist->member_count++;
}

static void add_member(struct hist *hist, size_t place, const char *group)
{
    const struct snapshot *snapshot = watch_latest(&hist->watch);
    const shmbus_member_info *info = &snapshot_member(snapshot, place)->info;
    const shmbus_participant_info *owner = snapshot_owner(snapshot, info->participant);
    const shmbus_latency *latency = latency_of(hist, place);
    grid_row(&hist->members, info->index);
    (void)grid_text(&hist->members, group);
    (void)grid_value(&hist->members, info->index);
    (void)grid_text(&hist->members, owner ? owner->name : NULL);
    (void)(owner ? grid_value(&hist->members, owner->pid) : grid_absent(&hist->members));
    put_latency(&hist->members, latency);
    latency_add(&hist->all, latency);
    count_delivered(hist, place);
}

static int is_wanted(const struct hist *hist, const char *group)
{
    return !hist->options->group || (group && strcmp(group, hist->options->group) == 0);
}

static void add_members(struct hist *hist)
{
    const struct snapshot *snapshot = watch_latest(&hist->watch);
    grid_begin(&hist->members, member_columns);
    for (size_t i = 0; i < hist->channel->members.count; i++) {
        const size_t place = hist->channel->members.first + i;
        const shmbus_group_info *group =
            snapshot_group_of(snapshot, hist->channel, snapshot_member(snapshot, place)->info.group);
        if (is_wanted(hist, group ? group->name : NULL)) {
            add_member(hist, place, group ? group->name : NULL);
        }
    }
}

static void add_all(struct hist *hist)
{
    grid_row(&hist->members, UINT32_MAX);
    (void)grid_text(&hist->members, "all");
    (void)grid_absent(&hist->members);
    (void)grid_text(&hist->members, "");
    (void)grid_absent(&hist->members);
    put_latency(&hist->members, &hist->all);
}

/* ---------------------------------------------------------------------------------------- buckets */

static void fill_buckets(struct grid *grid, const shmbus_latency *latency)
{
    uint64_t most = 1;
    grid_begin(grid, bucket_columns);
    for (unsigned i = 0; i < SHMBUS_LATENCY_BUCKETS; i++) {
        most = latency->buckets[i] > most ? latency->buckets[i] : most;
    }
    for (unsigned i = 0; i < SHMBUS_LATENCY_BUCKETS; i++) {
        const uint64_t count = latency->buckets[i];
        if (count > 0) {
            grid_row(grid, i);
            (void)grid_value(grid, i > 0 ? (double)shmbus_latency_bound(i - 1) : 0);
            (void)(i + 1 < SHMBUS_LATENCY_BUCKETS ? grid_value(grid, (double)shmbus_latency_bound(i))
                                                  : grid_absent(grid));
            (void)grid_value(grid, 100 * (double)count / (double)latency->samples);
            grid_value(grid, (double)count)->share = (double)count / (double)most;
        }
    }
}

/* ------------------------------------------------------------------------------------ no samples */

/* Messages of these sizes fill their slot to the last 8 bytes: where the time would be. */
static int has_no_room(const struct hist *hist)
{
    const double size = hist->messages > 0 ? (double)hist->bytes / (double)hist->messages : 0;
    const double slot = hist->channel->info.options.slot_size;
    return size >= slot - 15 && size <= slot - 8;
}

static void explain_no_samples(const struct hist *hist)
{
    const char *when = hist->options->interval > 0 ? " in this time" : "";
    const uint32_t slot = hist->channel->info.options.slot_size;
    if (hist->member_count == 0) {
        note("no samples: nobody reads channel \"%s\"", hist->channel_name);
    } else if (hist->messages == 0) {
        note("no samples: no message came to those who read channel \"%s\"%s", hist->channel_name, when);
    } else if (has_no_room(hist)) {
        note("no samples: the messages have %" PRIu64
             " bytes on average; those of %u to %u bytes leave no room in "
             "their slot of %u for the time they were sent at",
             hist->bytes / hist->messages, slot - 15, slot - 8, slot);
    } else {
        note("no samples: %" PRIu64 " messages came%s, of which at least one in 4096 is sampled",
             hist->messages, when);
    }
}

/* ----------------------------------------------------------------------------------------- output */

static int print_text(struct hist *hist)
{
    const int width = output_width(WIDE);
    add_all(hist);
    grid_print(&hist->members, width, stdout);
    if (hist->all.samples > 0) {
        fputc('\n', stdout);
        fill_buckets(&hist->buckets, &hist->all);
        grid_print(&hist->buckets, width, stdout);
    }
    return EXIT_OK;
}

/* The row as an object, with the buckets that are behind its figures. */
static json_t *latency_json(struct hist *hist, size_t row, const shmbus_latency *latency)
{
    json_t *object = grid_row_json(&hist->members, row);
    fill_buckets(&hist->buckets, latency);
    (void)json_object_set_new(object, "buckets", grid_json(&hist->buckets));
    return object;
}

static int print_json(struct hist *hist)
{
    json_t *members = json_array();
    const size_t count = hist->members.rows.count;
    size_t row = 0;
    for (size_t i = 0; i < hist->channel->members.count && row < count; i++) {
        const size_t place = hist->channel->members.first + i;
        if (snapshot_member(watch_latest(&hist->watch), place)->info.index ==
            grid_row_at(&hist->members, row)->id) {
            (void)json_array_append_new(members, latency_json(hist, row++, latency_of(hist, place)));
        }
    }
    add_all(hist);
    json_t *all = latency_json(hist, count, &hist->all);
    for (size_t i = 0; i < 4; i++) {
        (void)json_object_del(all, member_columns[i].key);
    }
    json_t *seconds = hist->options->interval > 0 ? json_real(hist->watch.rates.seconds) : json_null();
    return json_print_line(json_pack("{s:o, s:o, s:o, s:o, s:o}", "time_ns", json_now(), "channel",
                                     json_clean_string(hist->channel_name), "seconds", seconds, "members",
                                     members, "all", all));
}

/* ---------------------------------------------------------------------------------------- looking */

static int look(struct hist *hist)
{
    const int err = watch_look(&hist->watch);
    if (err != 0) {
        return fail_call(err, "cannot look at %s", looking_name(&hist->looking));
    }
    hist->channel = snapshot_find_channel(watch_latest(&hist->watch), hist->channel_name);
    if (!hist->channel) {
        return fail("there is no channel \"%s\" on %s: shmbus ls shows those there are", hist->channel_name,
                    looking_name(&hist->looking));
    }
    return EXIT_OK;
}

static int check_group(const struct hist *hist)
{
    const struct snapshot *snapshot = watch_latest(&hist->watch);
    for (size_t i = 0; i < hist->channel->groups.count; i++) {
        if (is_wanted(hist, snapshot_group(snapshot, hist->channel->groups.first + i)->name)) {
            return EXIT_OK;
        }
    }
    return hist->options->group
               ? fail("channel \"%s\" has no group \"%s\": shmbus stat -c %s shows those there are",
                      hist->channel_name, hist->options->group, hist->channel_name)
               : EXIT_OK;
}

static int collect(struct hist *hist)
{
    int result = look(hist);
    if (result == EXIT_OK && hist->options->interval > 0) {
        if (signals_nap_until(watch_latest(&hist->watch)->at + hist->options->interval)) {
            return EXIT_SIGNAL + signals_stop();
        }
        result = look(hist);
    }
    result = result == EXIT_OK ? check_group(hist) : result;
    if (result == EXIT_OK) {
        add_members(hist);
        result = hist->options->json ? print_json(hist) : print_text(hist);
    }
    if (result == EXIT_OK && hist->all.samples == 0) {
        explain_no_samples(hist);
    }
    return result;
}

static int run(struct hist *hist)
{
    glyphs_install();
    signals_install();
    watch_begin(&hist->watch, &hist->looking, hist->channel_name);
    const int result = collect(hist);
    watch_end(&hist->watch);
    grid_free(&hist->members);
    grid_free(&hist->buckets);
    return result;
}

static int run_hist(const struct command *command, int argc, char **argv)
{
    struct hist_options hist_options = {0};
    struct hist hist = {.options = &hist_options};
    const struct option_section sections[] = {
        LOOKING_SECTION(&hist.looking),
        {"Command:", hist_specs, &hist_options},
        {0},
    };
    struct options options;
    int result = options_parse(&options, command, sections, argc, argv, 1, 1);
    if (result == OPTIONS_READY) {
        hist.channel_name = options.arguments[0];
        result = looking_take(&hist.looking, command, NULL);
        if (result == EXIT_OK && hist.looking.file && hist_options.interval > 0) {
            result = fail_usage(command->name, "nothing happens in a copied file: leave --interval out");
        }
        result = result == EXIT_OK ? run(&hist) : result;
    }
    options_free(&options);
    return result;
}

const struct command command_hist = {
    .name = "hist",
    .arguments = "CHANNEL",
    .summary = "shows how long a channel's messages took: percentiles and a histogram",
    .details =
        "Latency is the time from a message's commit until a member of a group saw it. It is sampled: about a\n"
        "thousand a second per publisher, and at least one in 4096. Figures are within a quarter\n"
        "of the truth, MEAN and MAX exact (with --interval MAX may be its bucket's end). Messages that fill their\n"
        "slot to the last 8 bytes (49 to 56 bytes in slots of 64) are never sampled.\n"
        "Looks only: nothing is changed, no place on the bus is taken, no message is read. When there are no\n"
        "samples, standard error says why; that is no failure.\n"
        "\n"
        "JSON, one object: {\"time_ns\", \"channel\", \"seconds\" (null without --interval), \"members\": [], \"all\"}\n"
        "  members: group, member, owner, pid, samples, mean_ns, p50_ns, p90_ns, p95_ns, p99_ns, p999_ns, max_ns\n"
        "           (times are null without samples), buckets: [{from_ns, to_ns (null in the last), samples}]\n"
        "  all:     the same of all of them together, from samples on\n"
        "\n"
        "Examples:\n"
        "  shmbus hist ticks\n"
        "  shmbus hist ticks -b lab --group display --interval 5\n"
        "  shmbus hist ticks --json | jq .all.p99_ns\n",
    .run = run_hist,
};
