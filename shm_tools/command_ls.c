/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <shmbus/inspect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "listing.h"
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

struct names {
    char **names;
    size_t count;
};

static int keep_name(void *context, const char *name)
{
    struct names *names = context;
    names->names = need_more_memory(names->names, (names->count + 1) * sizeof *names->names);
    const size_t size = strlen(name) + 1;
    names->names[names->count++] = memcpy(need_memory(size), name, size);
    return 0;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static void free_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        free(names->names[i]);
    }
    free(names->names);
}

/* Others' buses may be closed to us, and one may go while we look: neither is a failure of ls. */
static void add_bus(struct table *table, const char *name)
{
    shmbus_view *view = NULL;
    shmbus_bus_info info;
    int result = shmbus_view_open(name, &view);
    if (result == 0) {
        result = shmbus_view_bus(view, &info);
    }
    if (result == 0) {
        listing_add_bus(table, &info);
    } else if (result != -ENOENT) {
        listing_add_broken_bus(table, name, shmbus_strerror(result));
    }
    shmbus_view_close(view);
}

static int list_buses(int json)
{
    struct names names = {0};
    struct table *table = listing_buses();
    int result = shmbus_list(keep_name, &names);
    if (result < 0) {
        result = fail_call(result, "cannot list the buses of this host");
    } else {
        if (names.count > 0) {
            qsort(names.names, names.count, sizeof *names.names, compare_names);
        }
        for (size_t i = 0; i < names.count; i++) {
            add_bus(table, names.names[i]);
        }
        result = json ? tables_print_json(&table, 1, stdout) : tables_print(&table, 1, stdout);
    }
    table_free(table);
    free_names(&names);
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
        "participants, DEAD the places of killed ones that nobody has cleaned up yet.\n"
        "\n"
        "JSON of buses: {\"buses\": [{name, size, resident, mode, owner, uid, group, gid, participants, dead,\n"
        "  participants_max, channels, channels_max, fingerprint, error}]}; sizes in bytes; error is null,\n"
        "  or says why the bus cannot be looked at, and then all but the name are null.\n"
        "JSON of channels: {\"channels\": [{bus, name, producers, overflow, slots, slot_size, arena,\n"
        "  largest, size, type, first_sequence, published, publishers, publishers_max, groups, groups_max,\n"
        "  members, members_max}]}; published is the sequence that the next message will get.\n"
        "\n"
        "Examples:\n"
        "  shmbus ls\n"
        "  shmbus ls default lab\n"
        "  shmbus ls --json | jq -r '.buses[] | select(.participants == 0) | .name'\n",
    .run = run_ls,
};
