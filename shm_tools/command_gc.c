/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <shmbus/inspect.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "buses.h"
#include "command.h"
#include "listing.h"
#include "numbers.h"
#include "options.h"
#include "report.h"

struct gc_options {
    const char *bus;
    int64_t older;
    int durable;
    int dry_run;
    int json;
};

#define IN_GC(field) offsetof(struct gc_options, field)

static const struct option_spec gc_bus_specs[] = {
    {"bus", 'b', OPTION_TEXT, IN_GC(bus), 0, "NAME", "this bus only (default: all)"},
    {0},
};

static const struct option_spec gc_specs[] = {
    {"dry-run", 'n', OPTION_FLAG, IN_GC(dry_run), 0, NULL, "only say what would be removed"},
    {"durable", 'd', OPTION_FLAG, IN_GC(durable), 0, NULL,
     "also buses with messages that durable groups have not read"},
    {"older", 'o', OPTION_SECONDS, IN_GC(older), 0, "SECONDS", "spare buses that are younger"},
    {"json", 'j', OPTION_FLAG, IN_GC(json), 0, NULL, "print JSON"},
    {0},
};

static const struct column gc_columns[] = {
    {"name", "BUS", COLUMN_TEXT, NULL, NULL},        {"resident", "IN MEMORY", COLUMN_SIZE, NULL, NULL},
    {"unread", "UNREAD", COLUMN_NUMBER, NULL, NULL}, {"outcome", "OUTCOME", COLUMN_TEXT, NULL, NULL},
    {"reason", "REASON", COLUMN_TEXT, NULL, NULL},   {0},
};

/* What gc knows of a bus before it decides. */
struct candidate {
    const char *name;
    shmbus_bus_info info;
    uint64_t unread; /* by durable groups */
};

struct collection {
    const struct gc_options *options;
    struct table *table;
    int code;
};

/* ------------------------------------------------------------------------------------------ looking */

static int count_unread(shmbus_view *view, uint32_t channel, uint64_t *unread)
{
    shmbus_group_info info;
    uint32_t cursor = 0;
    int result;
    while ((result = shmbus_view_group(view, channel, &cursor, &info)) > 0) {
        *unread += info.durable ? info.pending : 0;
    }
    return result == -ENOENT ? 0 : result;
}

static int look(struct candidate *candidate)
{
    shmbus_view *view = NULL;
    shmbus_channel_info info;
    uint32_t cursor = 0;
    int result = shmbus_view_open(candidate->name, &view);
    result = result == 0 ? shmbus_view_bus(view, &candidate->info) : result;
    while (result == 0 && (result = shmbus_view_channel(view, &cursor, &info)) > 0) {
        result = count_unread(view, info.index, &candidate->unread);
    }
    shmbus_view_close(view);
    return result;
}

static int is_young(const struct candidate *candidate, int64_t older)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    const uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    return older > 0 && candidate->info.created_ns + (uint64_t)older > now_ns;
}

/* ----------------------------------------------------------------------------------------- deciding */

static void tell(struct collection *collection, const struct candidate *candidate, const char *outcome,
                 const char *reason)
{
    struct table *table = collection->table;
    table_text(table, candidate->name);
    table_number(table, candidate->info.resident);
    table_number(table, candidate->unread);
    table_text(table, outcome);
    table_text(table, reason);
}

static void remove_bus(struct collection *collection, const struct candidate *candidate)
{
    const int result = collection->options->dry_run ? 0 : shmbus_remove_unused(candidate->name);
    switch (result) {
    case 0:
        tell(collection, candidate, collection->options->dry_run ? "would be removed" : "removed", NULL);
        return;
    case -ENOENT:
        return; /* somebody else was faster */
    case -EBUSY:
        tell(collection, candidate, "kept", "somebody has just come");
        return;
    case -EACCES:
    case -EPERM:
        tell(collection, candidate, "kept", "it is another user's");
        return;
    default:
        tell(collection, candidate, "failed", shmbus_strerror(result));
        collection->code = fail_call(result, "cannot remove bus \"%s\"", candidate->name);
    }
}

static void collect(struct collection *collection, const char *name)
{
    struct candidate candidate = {.name = name};
    const int result = look(&candidate);
    if (result == -ENOENT) {
        return;
    }
    if (result != 0) {
        tell(collection, &candidate, "kept", shmbus_strerror(result));
    } else if (!listing_is_stale(&candidate.info)) {
        tell(collection, &candidate, "kept", "in use");
    } else if (is_young(&candidate, collection->options->older)) {
        tell(collection, &candidate, "kept", "too young (--older)");
    } else if (candidate.unread > 0 && !collection->options->durable) {
        tell(collection, &candidate, "kept", "durable groups have not read all (--durable)");
    } else {
        remove_bus(collection, &candidate);
    }
}

static int collect_all(const struct gc_options *options)
{
    struct collection collection = {.options = options, .table = table_new("buses", gc_columns)};
    struct bus_names names = {0};
    int result = EXIT_OK;
    if (options->bus) {
        bus_names_add(&names, options->bus);
    } else {
        result = bus_names_list(&names);
    }
    for (size_t i = 0; i < names.count; i++) {
        collect(&collection, names.names[i]);
    }
    if (result == EXIT_OK) {
        result = options->json ? tables_print_json(&collection.table, 1, stdout)
                               : tables_print(&collection.table, 1, stdout);
    }
    table_free(collection.table);
    bus_names_free(&names);
    return result == EXIT_OK ? collection.code : result;
}

static int run_gc(const struct command *command, int argc, char **argv)
{
    struct gc_options gc_options = {0};
    const struct option_section sections[] = {
        {"Bus:", gc_bus_specs, &gc_options},
        {"Command:", gc_specs, &gc_options},
        {0},
    };
    struct options options;
    int result = options_parse(&options, command, sections, argc, argv, 0, 1);
    if (result == OPTIONS_READY && options.argument_count > 0 && gc_options.bus) {
        result = fail_usage(command->name, "give the bus with --bus or as an argument, not both");
    }
    if (result == OPTIONS_READY) {
        gc_options.bus = options.argument_count > 0 ? options.arguments[0] : gc_options.bus;
        result = collect_all(&gc_options);
    }
    options_free(&options);
    return result;
}

const struct command command_gc = {
    .name = "gc",
    .arguments = "[BUS]",
    .summary = "removes the buses that nobody is attached to",
    .details =
        "Never removes one that somebody uses: the kernel knows who is attached, in any container. Who opens\n"
        "a bus at the same moment either comes before, and it stays, or makes a new one. Who only looks, as\n"
        "stat does, is not attached.\n"
        "Kept as well: buses with messages that durable groups have not read, unless --durable is given;\n"
        "those younger than --older; other users'; and what is damaged, or of another version (shmbus doctor).\n"
        "\n"
        "Exit code: 0, also when nothing was to be removed; 1 when one could not be removed.\n"
        "\n"
        "JSON: {\"buses\": [{name, resident, unread, outcome, reason}]}; outcome is removed, kept, failed or\n"
        "  \"would be removed\"; reason is null for the removed; unread counts messages of durable groups.\n"
        "\n"
        "Examples:\n"
        "  shmbus gc --dry-run\n"
        "  shmbus gc --older 3600\n"
        "  shmbus gc -b lab --durable\n",
    .run = run_gc,
};
