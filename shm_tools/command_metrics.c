/* SPDX-License-Identifier: Apache-2.0 */
#include <shmbus/inspect.h>
#include <stdio.h>
#include <stdlib.h>

#include "buses.h"
#include "command.h"
#include "exposition.h"
#include "looking.h"
#include "metrics.h"
#include "options.h"
#include "report.h"
#include "signals.h"
#include "web_server.h"

struct metrics_options {
    int all;
    const char *listen;
};

#define IN_METRICS(field) offsetof(struct metrics_options, field)

static const struct option_spec metrics_specs[] = {
    {"all", 'a', OPTION_FLAG, IN_METRICS(all), 0, NULL, "every bus of this host, those to come included"},
    {"listen", 'l', OPTION_TEXT, IN_METRICS(listen), 0, "ADDRESS:PORT",
     "serve http://ADDRESS:PORT/metrics until SIGINT or SIGTERM; port 0: one that is free"},
    {0},
};

/* What is asked for. */
struct metrics {
    struct looking looking;
    const char *const *buses; /* bus_count of them; if 0, what `looking` says */
    int bus_count;
    int all;
    int quiet; /* nobody reads what is wrong: shmbus_up says it */
    int failed;
};

static void add_one(struct metrics *metrics, struct exposition *page, const struct looking *looking)
{
    const int result = metrics_add(page, looking);
    if (result != 0 && !metrics->quiet) {
        metrics->failed = 1;
        (void)fail_call(result, "cannot look at %s", looking_name(looking));
    }
}

static void add_all(struct metrics *metrics, struct exposition *page)
{
    struct bus_names names;
    if (bus_names_list(&names) != EXIT_OK) {
        metrics->failed = 1;
    }
    for (size_t i = 0; i < names.count; i++) {
        add_one(metrics, page, &(struct looking){.bus = names.names[i]});
    }
    bus_names_free(&names);
}

static char *make_page(void *context, size_t *size)
{
    struct metrics *metrics = context;
    struct exposition *page = exposition_new();
    if (metrics->all) {
        add_all(metrics, page);
    } else if (metrics->bus_count == 0) {
        add_one(metrics, page, &metrics->looking);
    }
    for (int i = 0; i < metrics->bus_count; i++) {
        add_one(metrics, page, &(struct looking){.bus = metrics->buses[i]});
    }
    char *text = exposition_text(page, size);
    exposition_free(page);
    return text;
}

static int print_page(struct metrics *metrics)
{
    size_t size = 0;
    char *text = make_page(metrics, &size);
    (void)fwrite(text, 1, size, stdout); /* main() asks the stream at the end */
    free(text);
    return metrics->failed ? EXIT_FAILED : EXIT_OK;
}

static int serve_page(struct metrics *metrics, const char *address)
{
    const struct web_page page = {
        .path = "/metrics", .content_type = EXPOSITION_CONTENT_TYPE, .make = make_page, .context = metrics};
    metrics->quiet = 1;
    signals_install();
    return web_serve(address, &page);
}

static int choose(const struct command *command, const struct options *options, struct metrics *metrics)
{
    metrics->buses = options->arguments;
    metrics->bus_count = options->argument_count;
    if (metrics->all && (metrics->bus_count > 0 || metrics->looking.bus || metrics->looking.file)) {
        return fail_usage(command->name, "--all means every bus: give no other");
    }
    const int result =
        looking_take(&metrics->looking, command, metrics->bus_count > 0 ? metrics->buses[0] : NULL);
    return result == EXIT_OK ? OPTIONS_READY : result;
}

static int run_metrics(const struct command *command, int argc, char **argv)
{
    struct metrics metrics = {0};
    struct metrics_options metrics_options = {0};
    const struct option_section sections[] = {
        LOOKING_SECTION(&metrics.looking),
        {"Command:", metrics_specs, &metrics_options},
        {0},
    };
    struct options options;
    int result = options_parse(&options, command, sections, argc, argv, 0, argc);
    if (result == OPTIONS_READY) {
        metrics.all = metrics_options.all;
        result = choose(command, &options, &metrics);
    }
    if (result == OPTIONS_READY) {
        result = metrics_options.listen ? serve_page(&metrics, metrics_options.listen) : print_page(&metrics);
    }
    options_free(&options);
    return result;
}

const struct command command_metrics = {
    .name = "metrics",
    .arguments = "[BUS...]",
    .summary = "shows the figures of buses as metrics for Prometheus, or serves them",
    .details =
        "Looks only: nothing is changed, no place on the bus is taken; each request looks anew. The text\n"
        "format is 0.0.4 of Prometheus, with HELP and TYPE of each metric; times are in seconds.\n"
        "\n"
        "Metrics and labels:\n"
        "  shmbus_up                        bus: 1, or 0 when it is not there or cannot be looked at\n"
        "  shmbus_bus_*, shmbus_participants, shmbus_dead_participants, shmbus_channels, ...   bus\n"
        "  shmbus_participant_alive         bus, participant, process, pid, host\n"
        "  shmbus_channel_*                 bus, channel\n"
        "  shmbus_publisher_*               bus, channel, publisher, participant, process\n"
        "  shmbus_group_*                   bus, channel, group\n"
        "  shmbus_member_*                  bus, channel, group, member, participant, process\n"
        "  shmbus_latency_seconds           as of members; a histogram of samples, in powers of two\n"
        "Counters of a publisher or member go with it, and start at 0 with the next in its place; those of\n"
        "a group stay as long as the group. --listen answers whoever can reach the address, without\n"
        "encryption or password. Without it: 1 when a bus cannot be looked at; the others are shown.\n"
        "\n"
        "Examples:\n"
        "  shmbus metrics lab\n"
        "  shmbus metrics --all > /var/lib/prometheus/node-exporter/shmbus.prom\n"
        "  shmbus metrics --all --listen 127.0.0.1:9091\n",
    .run = run_metrics,
};
