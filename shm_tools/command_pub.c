/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <shmbus/inspect.h>
#include <shmbus/shmbus.h>
#include <stddef.h>
#include <stdlib.h>

#include "command.h"
#include "framing.h"
#include "listing.h"
#include "options.h"
#include "report.h"
#include "shared_options.h"
#include "signals.h"

enum {
    FRAME_LINES,
    FRAME_LENGTH
};

struct pub_options {
    int frame;
    const char *file;
    uint64_t size;
    uint32_t wait_groups;
    int verbose;
};

#define IN_PUB(field) offsetof(struct pub_options, field)

static const struct option_spec pub_specs[] = {
    {"frame", 'f', OPTION_CHOICE, IN_PUB(frame), 0, "lines|length",
     "how the input is cut into messages (lines)"},
    {"size", 's', OPTION_U64, IN_PUB(size), 1, "SIZE",
     "cut the input into messages of SIZE bytes instead; the last may be shorter"},
    {"file", 'F', OPTION_TEXT, IN_PUB(file), 0, "FILE", "read FILE instead of standard input"},
    {"wait-groups", 'w', OPTION_U32, IN_PUB(wait_groups), 1, "N",
     "send nothing before the channel has N groups"},
    {"verbose", 'v', OPTION_FLAG, IN_PUB(verbose), 0, NULL, "say at the end what was sent"},
    {0},
};

struct pub {
    const struct pub_options *options;
    const char *bus_name;
    int any_owner;
    const char *channel;
    shmbus_channel_options shape;
    shmbus_bus *bus;
    struct input input;
    struct sender *sender;
};

/* A new channel gets room for messages of --size, if nothing else was said about it. */
static void fit_shape(struct pub *pub)
{
    shmbus_channel_options there;
    const uint64_t usual = UINT64_C(128) << 10; /* what a channel takes by default */
    if (pub->options->size > usual && pub->shape.largest == 0 && pub->shape.arena == 0 &&
        shmbus_channel_options_of(pub->bus, pub->channel, &there) == -ENOENT) {
        pub->shape.largest = pub->options->size;
    }
}

static int open_publisher(struct pub *pub)
{
    const shmbus_bus_options bus_options = {.participant_name = "shmbus pub", .any_owner = pub->any_owner};
    const shmbus_publisher_options options = {.channel = &pub->shape};
    int result = shmbus_open(pub->bus_name, &bus_options, &pub->bus);
    if (result != 0) {
        return fail_call(result, "cannot open bus \"%s\"", pub->bus_name);
    }
    fit_shape(pub);
    result = shmbus_publisher_open(pub->bus, pub->channel, &options, &pub->sender->publisher);
    if (result == 0) {
        result = shmbus_channel_options_of(pub->bus, pub->channel, &pub->shape);
    }
    if (result != 0) {
        return fail_call(result, "cannot publish to channel \"%s\"", pub->channel);
    }
    pub->sender->channel = pub->channel;
    pub->sender->noun = pub->options->size > 0                ? "block"
                        : pub->options->frame == FRAME_LENGTH ? "frame"
                                                              : "line";
    pub->sender->largest = pub->shape.largest;
    pub->sender->alone = pub->shape.producers == SHMBUS_SINGLE;
    return EXIT_OK;
}

static int wait_for_groups(const struct pub *pub)
{
    shmbus_view *view = NULL;
    shmbus_channel_info info = {0};
    if (pub->options->wait_groups == 0) {
        return EXIT_OK;
    }
    int result = shmbus_view_open(pub->bus_name, &view);
    while (result == 0) {
        result = listing_find_channel(view, pub->channel, &info);
        if (result != 0 || info.groups >= pub->options->wait_groups || signals_stop()) {
            break;
        }
        signals_nap(2);
    }
    shmbus_view_close(view);
    if (result != 0) {
        return fail_call(result, "cannot wait for the groups of channel \"%s\"", pub->channel);
    }
    return signals_stop() ? EXIT_SIGNAL + signals_stop() : EXIT_OK;
}

static int send_input(struct pub *pub)
{
    const struct pub_options *options = pub->options;
    if (options->size > pub->sender->largest) {
        return fail("--size %" PRIu64 " is more than the largest message of channel \"%s\", %" PRIu64
                    " bytes: create the channel with a larger --largest",
                    options->size, pub->channel, pub->sender->largest);
    }
    if (options->size > 0) {
        return send_blocks(&pub->input, pub->sender, options->size);
    }
    return options->frame == FRAME_LENGTH ? send_frames(&pub->input, pub->sender)
                                          : send_lines(&pub->input, pub->sender);
}

static int publish(struct pub *pub)
{
    int result = open_publisher(pub);
    if (result == EXIT_OK) {
        result = wait_for_groups(pub);
    }
    if (result == EXIT_OK) {
        const int64_t start = shmbus_now();
        result = send_input(pub);
        if (pub->options->verbose) {
            note("sent %" PRIu64 " messages, %" PRIu64 " bytes, in %.3f s", pub->sender->messages,
                 pub->sender->bytes, (double)(shmbus_now() - start) / 1e9);
        }
    }
    if (pub->bus) {
        (void)shmbus_close(pub->bus);
    }
    return result;
}

/* The input first: a file that is not there must leave no channel behind. */
static int open_and_publish(struct pub *pub)
{
    int result = input_open(&pub->input, pub->options->file);
    if (result != EXIT_OK) {
        return result;
    }
    signals_install();
    pub->sender = need_memory(sizeof *pub->sender);
    *pub->sender = (struct sender){0};
    result = publish(pub);
    free(pub->sender);
    input_close(&pub->input);
    return result;
}

static int run_pub(const struct command *command, int argc, char **argv)
{
    struct which_bus which = {0};
    struct pub_options pub_options = {.frame = FRAME_LINES};
    struct pub pub = {.options = &pub_options};
    const struct option_section sections[] = {
        ATTACH_SECTION(&which),
        {"Command:", pub_specs, &pub_options},
        CHANNEL_SECTION(&pub.shape),
        {0},
    };
    struct options options;
    int result = options_parse(&options, command, sections, argc, argv, 1, 1);
    if (result == OPTIONS_READY && pub_options.size > 0 && pub_options.frame != FRAME_LINES) {
        result = fail_usage(command->name, "--size contradicts --frame length");
    }
    if (result == OPTIONS_READY) {
        pub.bus_name = chosen_bus(&which);
        pub.any_owner = which.any_owner;
        pub.channel = options.arguments[0];
        result = open_and_publish(&pub);
    }
    options_free(&options);
    return result;
}

const struct command command_pub = {
    .name = "pub",
    .arguments = "CHANNEL",
    .summary = "publishes what it reads: lines, frames, or a file in blocks",
    .details =
        "Creates the bus and the channel when they are not there. A message is a line without its newline;\n"
        "with --frame length what follows a length of 4 bytes, little-endian; with --size so many bytes.\n"
        "A line that has come is sent at once. Ends with 0 when the input ends, with 1 when something could\n"
        "not be sent, with 128+N when signal N ended it before the input did; a second signal kills it.\n"
        "\n"
        "Examples:\n"
        "  shmbus pub news < /etc/services\n"
        "  tail -f /var/log/syslog | shmbus pub log --overwrite\n"
        "  shmbus pub video --file film.mkv --size 1M --single --wait-groups 1\n"
        "  producer | shmbus pub jobs --frame length\n",
    .run = run_pub,
};
