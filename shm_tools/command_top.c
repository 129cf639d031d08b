/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "json_lines.h"
#include "options.h"
#include "output.h"
#include "report.h"
#include "signals.h"
#include "top.h"

#define INTERVAL_LEAST INT64_C(50000000)
#define WIDE 200 /* columns of a frame that goes to no terminal */

struct top_options {
    int64_t interval;
    int batch;
    int json;
    uint64_t count;
    const char *channel;
    int participants;
    const char *sort;
    int reverse;
    const char *filter;
};

#define IN_TOP(field) offsetof(struct top_options, field)

static const struct option_spec top_specs[] = {
    {"interval", 'i', OPTION_SECONDS, IN_TOP(interval), 0, "SECONDS",
     "between two looks, at least 0.05 (0.5)"},
    {"channel", 'c', OPTION_TEXT, IN_TOP(channel), 0, "CHANNEL",
     "show the publishers, groups and members of this channel"},
    {"participants", 'p', OPTION_FLAG, IN_TOP(participants), 0, NULL, "show the participants"},
    {"sort", 's', OPTION_TEXT, IN_TOP(sort), 0, "COLUMN", "sort by this column (msgs)"},
    {"reverse", 'r', OPTION_FLAG, IN_TOP(reverse), 0, NULL, "the other way round"},
    {"filter", 'f', OPTION_TEXT, IN_TOP(filter), 0, "TEXT", "only names that have this in them"},
    {"batch", 0, OPTION_FLAG, IN_TOP(batch), 0, NULL, "print one frame after the other, without a screen"},
    {"json", 'j', OPTION_FLAG, IN_TOP(json), 0, NULL, "the same as JSON, an object a line"},
    {"count", 'n', OPTION_U64, IN_TOP(count), 1, "N", "end after N frames; with --batch or --json only"},
    {0},
};

/* -------------------------------------------------------------------------------------------- frames */

static int print_text(struct top *top)
{
    char header[GRID_WIDTH_MAX * GLYPH_BYTES + 1];
    const int width = output_width(WIDE);
    top_header(top, width < GRID_WIDTH_MAX ? width : GRID_WIDTH_MAX, header);
    printf("%s\n", header);
    if (top->error != 0) {
        char clean[3 * sizeof top->why];
        printf("%s\n", glyphs_fit(top->why, (int)strlen(top->why), clean));
    } else {
        grid_print(&top->grid, width, stdout);
        if (watch_latest(&top->watch)->damaged > 0) {
            printf("%u damaged channels are left out\n", watch_latest(&top->watch)->damaged);
        }
    }
    fputc('\n', stdout);
    (void)fflush(stdout);
    return EXIT_OK;
}

static json_t *bus_json(const struct top *top)
{
    const struct snapshot *snapshot = watch_latest(&top->watch);
    const struct rates *rates = &top->watch.rates;
    return json_pack("{s:o, s:o, s:i, s:i, s:i, s:i, s:f, s:f}", "name",
                     json_clean_string(snapshot->bus.name), "size", json_number(snapshot->bus.size),
                     "participants", (int)snapshot->bus.participants, "dead", (int)snapshot->bus.dead,
                     "channels", (int)snapshot->bus.channels, "damaged", (int)snapshot->damaged,
                     "messages_per_s", rate_of(rates, rates->total.messages), "bytes_per_s",
                     rate_of(rates, rates->total.bytes));
}

static int print_json(struct top *top)
{
    static const char *const keys[] = {"channels", "participants", "handles"};
    if (top->error != 0) {
        return json_print_line(
            json_pack("{s:o, s:o}", "time_ns", json_now(), "error", json_clean_string(top->why)));
    }
    return json_print_line(json_pack("{s:o, s:f, s:o, s:o}", "time_ns", json_now(), "seconds",
                                     top->watch.rates.seconds, "bus", bus_json(top), keys[top->view],
                                     grid_json(&top->grid)));
}

/* Frames have rates: the first comes an interval after the first look. */
static int print_frames(struct top *top, const struct top_options *options)
{
    int result = EXIT_OK;
    uint64_t frames = 0;
    int64_t next = watch_latest(&top->watch)->at;
    while (result == EXIT_OK && !ferror(stdout) && (options->count == 0 || frames < options->count)) {
        next += top->interval;
        if (signals_nap_until(next)) {
            return options->count == 0 ? EXIT_OK : EXIT_SIGNAL + signals_stop();
        }
        top_look(top);
        top_fill(top);
        result = options->json ? print_json(top) : print_text(top);
        frames++;
    }
    return result;
}

/* ------------------------------------------------------------------------------------------- options */

static int check_sort(const struct command *command, enum top_view view, const char *name)
{
    char known[256] = "";
    const struct grid_column *columns = top_columns(view);
    for (int i = 0; columns[i].key || columns[i].title; i++) {
        const size_t length = strlen(known);
        if (columns[i].name) {
            (void)snprintf(known + length, sizeof known - length, " %s", columns[i].name);
        }
    }
    return fail_usage(command->name, "--sort: there is no column \"%s\" here, but%s", name, known);
}

static int check(const struct command *command, const struct top_options *options)
{
    if (options->interval < INTERVAL_LEAST) {
        return fail_usage(command->name, "--interval: %.3f s is less than 0.05",
                          (double)options->interval / 1e9);
    }
    if (options->channel && options->participants) {
        return fail_usage(command->name, "give --channel or --participants, not both");
    }
    if (options->filter && strlen(options->filter) >= TOP_FILTER) {
        return fail_usage(command->name, "--filter has %zu bytes, at most %d are possible",
                          strlen(options->filter), TOP_FILTER - 1);
    }
    if (options->count > 0 && !options->batch && !options->json) {
        return fail_usage(command->name, "--count goes with --batch or --json: on the screen, q ends");
    }
    return EXIT_OK;
}

static int set_up(struct top *top, const struct command *command, const struct top_options *options)
{
    int result = check(command, options);
    if (result != EXIT_OK) {
        return result;
    }
    top->interval = options->interval;
    top->view = options->channel ? TOP_CHANNEL : options->participants ? TOP_PARTICIPANTS : TOP_CHANNELS;
    (void)snprintf(top->channel, sizeof top->channel, "%s", options->channel ? options->channel : "");
    (void)snprintf(top->filter, sizeof top->filter, "%s", options->filter ? options->filter : "");
    for (enum top_view view = TOP_CHANNELS; view < TOP_VIEWS; view++) {
        top->sort[view] = view == TOP_CHANNEL ? GRID_UNSORTED : grid_find_column(top_columns(view), "msgs");
    }
    if (options->sort) {
        top->sort[top->view] = grid_find_column(top_columns(top->view), options->sort);
        result = top->sort[top->view] < 0 ? check_sort(command, top->view, options->sort) : result;
    }
    top->reverse[top->view] = options->reverse;
    return result;
}

/* What is wrong at the start is more likely a slip than what happens later. */
static int look_first(struct top *top, const char *channel)
{
    top_look(top);
    if (top->error != 0) {
        return fail("cannot look at %s: %s", looking_name(&top->looking), top->why);
    }
    if (channel && !snapshot_find_channel(watch_latest(&top->watch), channel)) {
        return fail("there is no channel \"%s\" on %s: shmbus ls shows those there are", channel,
                    looking_name(&top->looking));
    }
    return EXIT_OK;
}

static int show(struct top *top, const struct top_options *options)
{
    glyphs_install();
    signals_install();
    watch_begin(&top->watch, &top->looking, NULL);
    int result = look_first(top, options->channel);
    if (result == EXIT_OK) {
        result = options->batch || options->json ? print_frames(top, options) : top_screen(top);
    }
    watch_end(&top->watch);
    grid_free(&top->grid);
    vector_free(&top->histories);
    return result;
}

static int run_top(const struct command *command, int argc, char **argv)
{
    struct top top = {0};
    struct top_options top_options = {.interval = 500000000};
    const struct option_section sections[] = {
        LOOKING_SECTION(&top.looking),
        {"Command:", top_specs, &top_options},
        {0},
    };
    struct options options;
    int result = options_parse(&options, command, sections, argc, argv, 0, 1);
    if (result == OPTIONS_READY) {
        result =
            looking_take(&top.looking, command, options.argument_count > 0 ? options.arguments[0] : NULL);
        result = result == EXIT_OK ? set_up(&top, command, &top_options) : result;
        result = result == EXIT_OK ? show(&top, &top_options) : result;
    }
    options_free(&options);
    return result;
}

const struct command command_top = {
    .name = "top",
    .arguments = "[BUS]",
    .summary = "shows what happens on a bus, again and again: rates, lag, latencies",
    .details =
        "Looks only: nothing is changed, no place on the bus is taken. Figures are what happened since the\n"
        "look before. A screen of 80x24 at least shows all of it. Keys:\n"
        "  q quit, p or space pause, Tab channels - the chosen one - participants, Enter into the chosen\n"
        "  channel, Esc out of it or clears the filter, arrows and PgUp PgDn Home End choose a row, s sorts by\n"
        "  the next column, r reverses, / filters by name, + - interval, h or ? help.\n"
        "Columns to sort by:\n"
        "  channels:     name kind msgs mb fill lag missed blocked p50 p99\n"
        "  participants: name pid state msgs mb got held blocked pubs subs host\n"
        "  a channel:    what name group pid state msgs mb lag age held missed blocked p50 p99\n"
        "FILL is how much of the ring its slowest group still needs, LAG how many messages that is (its bar\n"
        "compares the channels), MISSED what groups missed since they joined, BLK/S how often publishers found\n"
        "no room, P50 and P99 latencies sampled since the last look. MB/S counts publishers that are still there.\n"
        "A bus that is removed or damaged meanwhile is said to be; when it is made anew, it is shown again.\n"
        "\n"
        "JSON, an object a line: {\"time_ns\", \"seconds\", \"bus\": {name, size, participants, dead, channels,\n"
        "  damaged, messages_per_s, bytes_per_s}} and one of\n"
        "  channels:     name, producers, overflow, published, messages_per_s, bytes_per_s, fill (0 to 1), lag,\n"
        "                missed, missed_per_s, blocked_per_s, latency_samples, p50_ns, p99_ns\n"
        "  participants: name, index, pid, state, messages_per_s, bytes_per_s, delivered_per_s, held,\n"
        "                blocked_per_s, publishers, members, host\n"
        "  handles:      what, index, name, group, pid, state, messages_per_s, bytes_per_s, lag, oldest_ns, held,\n"
        "                missed, blocked_per_s, p50_ns, p99_ns\n"
        "or {\"time_ns\", \"error\"} while the bus cannot be looked at.\n"
        "\n"
        "Examples:\n"
        "  shmbus top\n"
        "  shmbus top lab --sort lag --filter ticks\n"
        "  shmbus top --batch -n 1 -i 2\n"
        "  shmbus top --json -c ticks | jq '.handles[] | select(.lag > 1000)'\n",
    .run = run_top,
};
