/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <shmbus/inspect.h>
#include <stdio.h>

#include "buses.h"
#include "command.h"
#include "listing.h"
#include "numbers.h"
#include "options.h"
#include "report.h"
#include "shared_options.h"

struct ls_options {
    int json;
};

static const struct option_spec ls_specs[] = {
    {"json", 'j', OPTION_FLAG, offsetof(struct ls_options, json), 0, NULL, "print JSON"},
    {0},
};

/* ------------------------------------------------------------------------------------------- buses */

/* What the line below the table says. */
struct total {
    uint64_t buses;
    uint64_t stale;
    uint64_t resident;
};

/* Others' buses may be closed to us, and one may go while we look: neither is a failure of ls. */
static void add_bus(struct table *table, const char *name, struct total *total)
{
    shmbus_view *view = NULL;
    shmbus_bus_info info;
    int result = shmbus_view_open(name, &view);
    if (result == 0) {
        result = shmbus_view_bus(view, &info);
    }
    if (result == 0) {
        listing_add_bus(table, &info);
        total->buses++;
        total->stale += listing_is_stale(&info) != 0;
        total->resident += info.resident;
    } else if (result != -ENOENT) {
        listing_add_broken_bus(table, name, shmbus_strerror(result));
    }
    shmbus_view_close(view);
}

static void print_total(const struct total *total)
{
    char size[NUMBER_TEXT];
    if (total->buses == 0) {
        return;
    }
    printf("%" PRIu64 " %s, %s in memory", total->buses, total->buses == 1 ? "bus" : "buses",
           number_format_size(total->resident, size));
    if (total->stale > 0) {
        printf("; %" PRIu64 " stale: nobody is attached (shmbus gc removes them)", total->stale);
    }
    putchar('\n');
}

static int list_buses(int json)
{
    struct bus_names names;
    struct total total = {0};
    struct table *table = listing_buses();
    int result = bus_names_list(&names);
    for (size_t i = 0; i < names.count; i++) {
        add_bus(table, names.names[i], &total);
    }
    if (result == EXIT_OK) {
        result = json ? tables_print_json(&table, 1, stdout) : tables_print(&table, 1, stdout);
    }
    if (result == EXIT_OK && !json) {
        print_total(&total);
    }
    table_free(table);
    bus_names_free(&names);
    return result;
}

/* ---------------------------------------------------------------------------------------- channels */

static int add_channels(struct table *table, const char *bus)
{
    shmbus_view *view = NULL;
    shmbus_channel_info info;
    uint32_t cursor = 0;
    int result = shmbus_view_open(bus, &view);
    if (result == 0) {
        while ((result = shmbus_view_channel(view, &cursor, &info)) > 0) {
            listing_add_channel(table, bus, &info);
        }
    }
    const int code = result < 0 ? fail_call(result, "cannot list bus \"%s\"", bus) : EXIT_OK;
    shmbus_view_close(view);
    return code;
}

/* Shows what can be shown even if one of the buses is not there. */
static int list_channels(const char *const *buses, int count, int json)
{
    int result = EXIT_OK;
    struct table *table = listing_channels();
    for (int i = 0; i < count; i++) {
        const int code = add_channels(table, buses[i]);
        result = code != EXIT_OK ? code : result;
    }
    const int printed = json ? tables_print_json(&table, 1, stdout) : tables_print(&table, 1, stdout);
    table_free(table);
    return result != EXIT_OK ? result : printed;
}

static int run_ls(const struct command *command, int argc, char **argv)
{
    struct which_bus which = {0};
    struct ls_options ls_options = {0};
    const struct option_section sections[] = {
        BUS_SECTION(&which),
        {"Command:", ls_specs, &ls_options},
        {0},
    };
    struct options options;
    int result = options_parse(&options, command, sections, argc, argv, 0, argc);
    if (result == OPTIONS_READY) {
        if (options.argument_count > 0 && which.name) {
            result = fail_usage(command->name, "give the bus with --bus or as an argument, not both");
        } else if (options.argument_count > 0) {
            result = list_channels(options.arguments, options.argument_count, ls_options.json);
        } else if (which.name) {
            result = list_channels(&which.name, 1, ls_options.json);
        } else {
            result = list_buses(ls_options.json);
        }
    }
    options_free(&options);
    return result;
}

const struct command command_ls = {
    .name = "ls",
    .arguments = "[BUS...]",
    .summary = "lists all buses of this host, or the channels of some",
    .details =
        "Looks only: nothing is changed, no place on the bus is taken. ALIVE counts the attached\n"
        "participants, DEAD the places of killed ones that nobody has cleaned up yet. A bus to which nobody\n"
        "is attached is stale: shmbus gc removes those.\n"
        "\n"
        "JSON of buses: {\"buses\": [{name, size, resident, mode, owner, uid, group, gid, participants, dead,\n"
        "  participants_max, channels, channels_max, fingerprint, stale, copy, removed, unused, leaked,\n"
        "  error}]}; sizes in bytes; removed counts the removed channels whose memory is still held, unused\n"
        "  and leaked the bytes of the file, and in memory, that belong to no channel; error is null, or\n"
        "  says why the bus cannot be looked at, and then all but the name are null.\n"
        "JSON of channels: {\"channels\": [{bus, name, producers, overflow, slots, slot_size, arena,\n"
        "  largest, size, type, first_sequence, published, oldest, publishers, publishers_max, groups, groups_max,\n"
        "  members, members_max}]}; published is the sequence that the next message will get,\n"
        "  oldest that of the oldest message certain to be whole.\n"
        "\n"
        "Examples:\n"
        "  shmbus ls\n"
        "  shmbus ls default lab\n"
        "  shmbus ls --json | jq -r '.buses[] | select(.stale) | .name'\n",
    .run = run_ls,
};
