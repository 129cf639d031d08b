/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "grid.h"
#include "json_lines.h"
#include "options.h"
#include "report.h"
#include "shared_options.h"
#include "signals.h"
#include "watch.h"

#define INTERVAL_LEAST INT64_C(10000000)
#define WINDOW_MOST 1000000u
#define LINE_WIDTH 80
#define TITLES_EVERY 20 /* lines */

struct hz_options {
    int64_t interval;
    uint32_t window;
    uint64_t count;
    int json;
};

#define IN_HZ(field) offsetof(struct hz_options, field)

static const struct option_spec hz_specs[] = {
    {"interval", 'i', OPTION_SECONDS, IN_HZ(interval), 0, "SECONDS", "between two looks, at least 0.01 (1)"},
    {"window", 'w', OPTION_U32, IN_HZ(window), 1, "N",
     "mean, least and most are of the last N intervals (60)"},
    {"count", 'n', OPTION_U64, IN_HZ(count), 1, "N", "end after N intervals"},
    {"json", 'j', OPTION_FLAG, IN_HZ(json), 0, NULL, "print JSON, an object a line"},
    {0},
};

static const struct grid_column hz_columns[] = {
    {NULL, "messages", "MESSAGES", GRID_NUMBER, 9, 9, 0},
    {NULL, "messages_per_s", "MSG/S", GRID_RATE, 6, 6, 0},
    {NULL, "bytes_per_s", "MB/S", GRID_MEGABYTES, 6, 6, 0},
    {NULL, "mean_size", "BYTES", GRID_RATE, 6, 6, 0},
    {NULL, "mean_gap_ns", "EVERY", GRID_TIME, 7, 7, 0},
    {NULL, "window", "  OVER", GRID_NUMBER, 8, 8, 0},
    {NULL, "window_mean_per_s", "MEAN", GRID_RATE, 6, 6, 0},
    {NULL, "window_min_per_s", "LEAST", GRID_RATE, 6, 6, 0},
    {NULL, "window_max_per_s", "MOST", GRID_RATE, 6, 6, 0},
    {NULL, "window_stddev_per_s", "STDDEV", GRID_RATE, 7, 7, 0},
    {0},
};

struct hz {
    const struct hz_options *options;
    const char *channel;
    struct looking looking;
    struct watch watch;
    double *window; /* the rates of the last intervals, a ring */
    uint64_t intervals;
    struct grid grid;
};

/* ------------------------------------------------------------------------------------------- window */

struct window_stats {
    uint64_t count;
    double mean;
    double least;
    double most;
    double deviation;
};

static struct window_stats window_stats(const struct hz *hz)
{
    const uint64_t room = hz->options->window;
    struct window_stats stats = {.count = hz->intervals < room ? hz->intervals : room, .least = INFINITY};
    double squares = 0;
    for (uint64_t i = 0; i < stats.count; i++) {
        stats.mean += hz->window[i] / (double)stats.count;
        stats.least = fmin(stats.least, hz->window[i]);
        stats.most = fmax(stats.most, hz->window[i]);
    }
    for (uint64_t i = 0; i < stats.count; i++) {
        squares += (hz->window[i] - stats.mean) * (hz->window[i] - stats.mean);
    }
    stats.deviation = sqrt(squares / (double)stats.count);
    return stats;
}

/* -------------------------------------------------------------------------------------------- lines */

/* Bytes a message, as the publishers that are still there counted both; 0 when they sent none. */
static double mean_size(const struct watch *watch)
{
    const struct snapshot *snapshot = watch_latest(watch);
    struct flow sum = {0};
    for (size_t i = 0; i < snapshot->publishers.count; i++) {
        sum.messages += rates_publisher(&watch->rates, i)->messages;
        sum.bytes += rates_publisher(&watch->rates, i)->bytes;
    }
    return sum.messages > 0 ? (double)sum.bytes / (double)sum.messages : 0;
}

static void put_or_absent(struct grid *grid, double value)
{
    (void)(value > 0 ? grid_value(grid, value) : grid_absent(grid));
}

static void fill_line(struct hz *hz, const struct flow *flow, double rate)
{
    const struct window_stats stats = window_stats(hz);
    struct grid *grid = &hz->grid;
    grid_begin(grid, hz_columns);
    grid_row(grid, 0);
    (void)grid_value(grid, (double)flow->messages);
    (void)grid_value(grid, rate);
    (void)grid_value(grid, rate_of(&hz->watch.rates, flow->bytes));
    put_or_absent(grid, mean_size(&hz->watch));
    put_or_absent(grid, rate > 0 ? 1e9 / rate : 0);
    (void)grid_value(grid, (double)stats.count);
    (void)grid_value(grid, stats.mean);
    (void)grid_value(grid, stats.least);
    (void)grid_value(grid, stats.most);
    (void)grid_value(grid, stats.deviation);
}

static int print_line(struct hz *hz)
{
    if (hz->options->json) {
        json_t *object = json_pack("{s:o, s:o, s:f}", "time_ns", json_now(), "channel",
                                   json_clean_string(hz->channel), "seconds", hz->watch.rates.seconds);
        json_t *row = grid_row_json(&hz->grid, 0);
        (void)json_object_update(object, row);
        json_decref(row);
        return json_print_line(object);
    }
    const uint64_t every = isatty(STDOUT_FILENO) ? TITLES_EVERY : UINT64_MAX;
    if ((hz->intervals - 1) % every == 0) {
        grid_print_titles(&hz->grid, LINE_WIDTH, stdout);
    }
    grid_print_rows(&hz->grid, LINE_WIDTH, stdout);
    (void)fflush(stdout);
    return EXIT_OK;
}

static int look(struct hz *hz)
{
    const int err = watch_look(&hz->watch);
    if (err != 0) {
        return fail_call(err, "cannot look at %s", looking_name(&hz->looking));
    }
    if (watch_latest(&hz->watch)->channels.count == 0) {
        return fail("there is no channel \"%s\" on %s: shmbus ls shows those there are", hz->channel,
                    looking_name(&hz->looking));
    }
    return EXIT_OK;
}

static int measure(struct hz *hz)
{
    const struct rates *rates = &hz->watch.rates;
    int result = look(hz);
    /* No rates: the bus was made anew since the look before. They come with the next one. */
    if (result != EXIT_OK || rates->seconds <= 0) {
        return result;
    }
    const struct flow *flow = &rates_channel(rates, 0)->flow;
    const double rate = rate_of(rates, flow->messages);
    hz->window[hz->intervals % hz->options->window] = rate;
    hz->intervals++;
    fill_line(hz, flow, rate);
    return print_line(hz);
}

static int follow(struct hz *hz)
{
    const uint64_t count = hz->options->count;
    int result = look(hz);
    int64_t next = shmbus_now();
    while (result == EXIT_OK && !ferror(stdout) && (count == 0 || hz->intervals < count)) {
        next += hz->options->interval;
        if (signals_nap_until(next)) {
            return count == 0 ? EXIT_OK : EXIT_SIGNAL + signals_stop();
        }
        result = measure(hz);
    }
    return result;
}

/* ------------------------------------------------------------------------------------------ options */

static int check(const struct command *command, const struct hz *hz)
{
    if (hz->options->interval < INTERVAL_LEAST) {
        return fail_usage(command->name, "--interval: %.3f s is less than 0.01",
                          (double)hz->options->interval / 1e9);
    }
    if (hz->options->window > WINDOW_MOST) {
        return fail_usage(command->name, "--window: %u is more than %u", hz->options->window, WINDOW_MOST);
    }
    return EXIT_OK;
}

static int run(struct hz *hz)
{
    glyphs_install();
    signals_install();
    hz->window = need_memory(hz->options->window * sizeof *hz->window);
    watch_begin(&hz->watch, &hz->looking, hz->channel);
    const int result = follow(hz);
    watch_end(&hz->watch);
    grid_free(&hz->grid);
    free(hz->window);
    return result;
}

static int run_hz(const struct command *command, int argc, char **argv)
{
    struct hz_options hz_options = {.interval = 1000000000, .window = 60};
    struct which_bus which = {0};
    struct hz hz = {.options = &hz_options};
    const struct option_section sections[] = {
        BUS_SECTION(&which), /* and no --file: nothing happens in a copy */
        {"Command:", hz_specs, &hz_options},
        {0},
    };
    struct options options;
    int result = options_parse(&options, command, sections, argc, argv, 1, 1);
    if (result == OPTIONS_READY) {
        hz.channel = options.arguments[0];
        hz.looking.bus = which.name;
        result = check(command, &hz);
        result = result == EXIT_OK ? run(&hz) : result;
    }
    options_free(&options);
    return result;
}

const struct command command_hz = {
    .name = "hz",
    .arguments = "CHANNEL",
    .summary = "prints how many messages a second a channel carries",
    .details =
        "Looks only: nothing is changed, no place on the bus is taken, no message is read. Each line is about\n"
        "the time since the line before, by the channel's counters: MESSAGES by sequence, those given up by\n"
        "their publisher too; MB/S and BYTES (a message) from the publishers that are still there; EVERY is the\n"
        "mean time between two messages. MEAN, LEAST, MOST and STDDEV are of the MSG/S of the last intervals,\n"
        "OVER how many. Single gaps are not known: nobody counts them.\n"
        "Ends with 0 after --count lines, or without it by SIGINT or SIGTERM; with 1 when the channel or the bus\n"
        "is gone.\n"
        "\n"
        "JSON, an object a line: time_ns, channel, seconds, messages, messages_per_s, bytes_per_s, mean_size and\n"
        "  mean_gap_ns (null without messages), window, window_mean_per_s, window_min_per_s, window_max_per_s,\n"
        "  window_stddev_per_s\n"
        "\n"
        "Examples:\n"
        "  shmbus hz ticks\n"
        "  shmbus hz ticks -b lab --interval 0.1 --window 100\n"
        "  shmbus hz ticks -n 1 --json | jq .messages_per_s\n",
    .run = run_hz,
};
