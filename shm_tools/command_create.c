/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <shmbus/inspect.h>
#include <shmbus/shmbus.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "listing.h"
#include "numbers.h"
#include "options.h"
#include "report.h"
#include "shared_options.h"

struct create_options {
    shmbus_bus_options bus;
    int json;
};

#define IN_CREATE(field) offsetof(struct create_options, field)

static const struct option_spec create_specs[] = {
    {"participants", 0, OPTION_U32, IN_CREATE(bus.participants), 1, "N",
     "most participants attached at once, when the bus is new (128)"},
    {"channels", 0, OPTION_U32, IN_CREATE(bus.channels), 1, "N", "most channels, when the bus is new (64)"},
    {"mode", 'm', OPTION_MODE, IN_CREATE(bus.mode), 0, "OCTAL",
     "permissions of a new bus, whatever the umask (600)"},
    {"group", 0, OPTION_TEXT, IN_CREATE(bus.group), 0, "GROUP",
     "the group of a new bus, by name or number (yours)"},
    {"acl", 0, OPTION_TEXT, IN_CREATE(bus.acl), 0, "ENTRIES",
     "who else may use a new bus, as setfacl takes it: u:alice:rw,g:ops:r"},
    {"json", 'j', OPTION_FLAG, IN_CREATE(json), 0, NULL, "print JSON"},
    {0},
};

static void print_sizes(const shmbus_bus_info *bus, const char *bus_verb, const shmbus_channel_info *channel,
                        const char *channel_verb)
{
    char text[4][NUMBER_TEXT];
    printf("bus \"%s\" %s: %s, up to %" PRIu32 " participants and %" PRIu32 " channels\n", bus->name,
           bus_verb, number_format_size(bus->size, text[0]), bus->participants_max, bus->channels_max);
    if (channel) {
        const shmbus_channel_options *shape = &channel->options;
        printf("channel \"%s\" %s: %s: %" PRIu32 " slots of %s, arena of %s, messages up to %s\n",
               channel->name, channel_verb, number_format_size(channel->size, text[0]), shape->slots,
               number_format_size(shape->slot_size, text[1]), number_format_size(shape->arena, text[2]),
               number_format_size(shape->largest, text[3]));
    }
}

static int show_result(const char *bus, const char *bus_verb, const char *channel, const char *channel_verb,
                       int json)
{
    shmbus_bus_info bus_info;
    shmbus_channel_info channel_info;
    shmbus_view *view = NULL;
    int result = shmbus_view_open(bus, &view);
    if (result == 0) {
        result = shmbus_view_bus(view, &bus_info);
    }
    if (result == 0 && channel) {
        result = listing_find_channel(view, channel, &channel_info);
    }
    shmbus_view_close(view);
    if (result != 0) {
        return fail_call(result, "cannot look at what was created");
    }
    if (json) {
        return listing_print_created(&bus_info, channel ? &channel_info : NULL);
    }
    print_sizes(&bus_info, bus_verb, channel ? &channel_info : NULL, channel_verb);
    return EXIT_OK;
}

/* Whether it was there is only for the message: others may create it at the same time. */
static const char *verb(int existed)
{
    return existed ? "is there already" : "created";
}

static int bus_exists(const char *name)
{
    shmbus_view *view = NULL;
    const int result = shmbus_view_open(name, &view);
    shmbus_view_close(view);
    return result == 0;
}

static int create(const char *name, const struct create_options *options, const char *channel,
                  const shmbus_channel_options *shape)
{
    shmbus_bus *bus = NULL;
    int channel_existed = 0;
    const int bus_existed = bus_exists(name);
    int result = shmbus_open(name, &options->bus, &bus);
    if (result != 0) {
        return fail_call(result, "cannot create bus \"%s\"", name);
    }
    if (channel) {
        shmbus_channel_options there;
        channel_existed = shmbus_channel_options_of(bus, channel, &there) == 0;
        result = shmbus_channel_create(bus, channel, shape);
    }
    const int code = result == 0
                         ? show_result(name, verb(bus_existed), channel, verb(channel_existed), options->json)
                         : fail_call(result, "cannot create channel \"%s\"", channel);
    (void)shmbus_close(bus);
    return code;
}

static int is_shaped(const shmbus_channel_options *shape)
{
    static const shmbus_channel_options nothing;
    return memcmp(shape, &nothing, sizeof nothing) != 0;
}

static int run_create(const struct command *command, int argc, char **argv)
{
    struct which_bus which = {0};
    struct create_options create_options = {.bus.participant_name = "shmbus create"};
    shmbus_channel_options shape = {0};
    const struct option_section sections[] = {
        ATTACH_SECTION(&which),
        {"Command:", create_specs, &create_options},
        CHANNEL_SECTION(&shape),
        {0},
    };
    struct options options;
    int result = options_parse(&options, command, sections, argc, argv, 0, 1);
    if (result == OPTIONS_READY && options.argument_count == 0 && is_shaped(&shape)) {
        result = fail_usage(command->name, "the shape of a channel is given, but no CHANNEL");
    }
    if (result == OPTIONS_READY) {
        const char *channel = options.argument_count > 0 ? options.arguments[0] : NULL;
        create_options.bus.any_owner = which.any_owner;
        result = create(chosen_bus(&which), &create_options, channel, &shape);
    }
    options_free(&options);
    return result;
}

const struct command command_create = {
    .name = "create",
    .arguments = "[CHANNEL]",
    .summary = "creates a bus, and a channel on it, and says what they take",
    .details = "Sizes take the suffixes K, M and G, times 1024 each. All memory is reserved now: a full\n"
               "/dev/shm is an error here, never a crash later. What is there with the same shape is left\n"
               "as it is; with another shape it is an error.\n"
               "\n"
               "JSON: {\"buses\": [...], \"channels\": [...]}, with the keys that ls has.\n"
               "\n"
               "Examples:\n"
               "  shmbus create                                     the bus \"default\"\n"
               "  shmbus create ticks --single --overwrite --slots 64K\n"
               "  shmbus create video --largest 32M --arena 128M    room for messages of 32 MiB\n"
               "  shmbus create -b lab --mode 660 --group staff --participants 1000\n"
               "  shmbus create -b lab --acl u:alice:rw,g:audit:r   audit may look: ls, stat\n",
    .run = run_create,
};
