/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <shmbus/inspect.h>
#include <shmbus/shmbus.h>
#include <stddef.h>

#include "command.h"
#include "options.h"
#include "report.h"
#include "shared_options.h"

struct rm_options {
    const char *channel;
    const char *group;
};

static const struct option_spec rm_specs[] = {
    {"channel", 'c', OPTION_TEXT, offsetof(struct rm_options, channel), 0, "CHANNEL",
     "remove this channel, not the bus"},
    {"group", 'g', OPTION_TEXT, offsetof(struct rm_options, group), 0, "GROUP",
     "remove this group of the channel, which no living member may use"},
    {0},
};

/* How many are attached, or 0 when that cannot be told. */
static uint32_t count_attached(const char *bus)
{
    shmbus_view *view = NULL;
    shmbus_bus_info info = {0};
    if (shmbus_view_open(bus, &view) == 0 && shmbus_view_bus(view, &info) != 0) {
        info.participants = 0;
    }
    shmbus_view_close(view);
    return info.participants;
}

static int remove_bus(const char *bus)
{
    const uint32_t attached = count_attached(bus);
    const int result = shmbus_remove(bus);
    if (result != 0) {
        return fail_call(result, "cannot remove bus \"%s\"", bus);
    }
    if (attached > 0) {
        note("bus \"%s\" is removed; the participants still attached to it (%" PRIu32
             ") carry on with each other, unseen",
             bus, attached);
    }
    return EXIT_OK;
}

static int remove_buses(const char *const *buses, int count)
{
    int result = EXIT_OK;
    for (int i = 0; i < count; i++) {
        const int code = remove_bus(buses[i]);
        result = code != EXIT_OK ? code : result;
    }
    return result;
}

static int remove_inside(const struct which_bus *which, const char *channel, const char *group)
{
    const shmbus_bus_options options = {
        .open = SHMBUS_OPEN_EXISTING, .participant_name = "shmbus rm", .any_owner = which->any_owner};
    const char *name = chosen_bus(which);
    shmbus_bus *bus = NULL;
    int code = EXIT_OK;
    int result = shmbus_open(name, &options, &bus);
    if (result != 0) {
        return fail_call(result, "cannot open bus \"%s\"", name);
    }
    if (group) {
        result = shmbus_group_remove(bus, channel, group);
        code = result == 0 ? EXIT_OK : fail_call(result, "cannot remove group \"%s\"", group);
    } else {
        result = shmbus_channel_remove(bus, channel);
        code = result == 0 ? EXIT_OK : fail_call(result, "cannot remove channel \"%s\"", channel);
    }
    (void)shmbus_close(bus);
    return code;
}

static int choose(const struct command *command, const struct options *options, const struct which_bus *which,
                  const struct rm_options *rm)
{
    if (rm->group && !rm->channel) {
        return fail_usage(command->name, "--group needs --channel, which tells whose group it is");
    }
    if (rm->channel && options->argument_count > 0) {
        return fail_usage(command->name, "with --channel give the bus with --bus, not as \"%s\"",
                          options->arguments[0]);
    }
    if (rm->channel) {
        return remove_inside(which, rm->channel, rm->group);
    }
    if (which->name && options->argument_count > 0) {
        return fail_usage(command->name, "give the bus with --bus or as an argument, not both");
    }
    if (which->name) {
        return remove_bus(which->name);
    }
    /* Never the default bus by itself: a bare `rm` is more likely a slip. */
    if (options->argument_count == 0) {
        return fail_usage(command->name, "say what to remove: BUS..., or --channel");
    }
    return remove_buses(options->arguments, options->argument_count);
}

static int run_rm(const struct command *command, int argc, char **argv)
{
    struct which_bus which = {0};
    struct rm_options rm_options = {0};
    const struct option_section sections[] = {
        ATTACH_SECTION(&which),
        {"Command:", rm_specs, &rm_options},
        {0},
    };
    struct options options;
    int result = options_parse(&options, command, sections, argc, argv, 0, argc);
    if (result == OPTIONS_READY) {
        result = choose(command, &options, &which, &rm_options);
    }
    options_free(&options);
    return result;
}

const struct command command_rm = {
    .name = "rm",
    .arguments = "[BUS...]",
    .summary = "removes buses, or a channel or a group of one",
    .details = "Those attached to a removed bus carry on with each other; its memory is freed when the last\n"
               "one leaves. Publishers and subscribers of a removed channel get an error.\n"
               "\n"
               "Examples:\n"
               "  shmbus rm default\n"
               "  shmbus rm -b lab -c ticks\n"
               "  shmbus rm -c jobs -g workers      forgets what the durable group had not read\n",
    .run = run_rm,
};
