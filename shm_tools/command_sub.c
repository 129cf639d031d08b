/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <shmbus/shmbus.h>
#include <stddef.h>
#include <unistd.h>

#include "command.h"
#include "framing.h"
#include "options.h"
#include "output.h"
#include "report.h"
#include "shared_options.h"
#include "signals.h"

enum {
    FRAME_LINES,
    FRAME_LENGTH,
    FRAME_RAW
};

struct sub_options {
    int frame;
    int from; /* index in the choice, which is enum shmbus_from */
    const char *group;
    int shared;
    int durable;
    int wait;
    uint64_t count;
    int64_t timeout;
    int verbose;
};

#define IN_SUB(field) offsetof(struct sub_options, field)

static const struct option_spec sub_specs[] = {
    {"frame", 'f', OPTION_CHOICE, IN_SUB(frame), 0, "lines|length|raw",
     "what goes around each message: a newline behind it, its length before it, or nothing (lines)"},
    {"group", 'g', OPTION_TEXT, IN_SUB(group), 0, "NAME", "read as this group (default: one of its own)"},
    {"shared", 'S', OPTION_FLAG, IN_SUB(shared), 0, NULL, "share the group's messages out with its others"},
    {"durable", 'd', OPTION_FLAG, IN_SUB(durable), 0, NULL,
     "the group stays when its readers go, and keeps what they have not read"},
    {"from", 0, OPTION_CHOICE, IN_SUB(from), 0, "now|oldest", "where a new group starts (now)"},
    {"count", 'n', OPTION_U64, IN_SUB(count), 1, "N", "end after N messages"},
    {"timeout", 't', OPTION_SECONDS, IN_SUB(timeout), 0, "SECONDS", "end when nothing came for so long"},
    {"wait", 'w', OPTION_FLAG, IN_SUB(wait), 0, NULL, "wait for the channel instead of creating it"},
    {"verbose", 'v', OPTION_FLAG, IN_SUB(verbose), 0, NULL, "say at the end what was received"},
    {0},
};

struct sub {
    const struct sub_options *options;
    const char *bus_name;
    int any_owner;
    const char *channel;
    shmbus_channel_options shape;
    shmbus_bus *bus;
    shmbus_subscriber *subscriber;
    struct output output;
    int careful;       /* write a message out before giving it back */
    int holding;       /* the message peeked last is written out and not given back */
    uint64_t messages; /* written */
    int64_t idle;      /* since when nothing came; 0: something just came */
};

/* How a step ended: EXIT_OK to go on, END to end well, or an exit code whose reason has been said. */
#define END OUTPUT_ENDED

/* ----------------------------------------------------------------------------------------- opening */

static void close_bus(struct sub *sub)
{
    if (sub->bus) {
        (void)shmbus_close(sub->bus);
        sub->bus = NULL;
    }
}

static int open_once(struct sub *sub)
{
    const struct sub_options *options = sub->options;
    const shmbus_bus_options bus_options = {
        .open = options->wait ? SHMBUS_OPEN_EXISTING : SHMBUS_OPEN_OR_CREATE,
        .participant_name = "shmbus sub",
        .any_owner = sub->any_owner,
    };
    const shmbus_subscriber_options subscriber_options = {
        .group = options->group,
        .shared = options->shared,
        .durable = options->durable,
        .from = options->from == 1 ? SHMBUS_FROM_OLDEST : SHMBUS_FROM_NOW,
        .channel = &sub->shape,
    };
    int result = shmbus_open(sub->bus_name, &bus_options, &sub->bus);
    if (result == 0 && options->wait) {
        shmbus_channel_options there;
        result = shmbus_channel_options_of(sub->bus, sub->channel, &there);
    }
    return result == 0 ? shmbus_subscriber_open(sub->bus, sub->channel, &subscriber_options, &sub->subscriber)
                       : result;
}

static int open_subscriber(struct sub *sub)
{
    int result = open_once(sub);
    while (result == -ENOENT && sub->options->wait) {
        if (signals_stop()) {
            return END;
        }
        /* Not kept open: it may be removed and made anew while we wait. */
        close_bus(sub);
        signals_nap(10);
        result = open_once(sub);
    }
    return result == 0 ? EXIT_OK
                       : fail_call(result, "cannot subscribe to channel \"%s\" of bus \"%s\"", sub->channel,
                                   sub->bus_name);
}

/* --------------------------------------------------------------------------------------- receiving */

static int write_message(struct sub *sub, const shmbus_message *message)
{
    const size_t size = message->size;
    const unsigned char header[FRAME_HEADER] = {(unsigned char)size, (unsigned char)(size >> 8),
                                                (unsigned char)(size >> 16), (unsigned char)(size >> 24)};
    const int frame = sub->options->frame;
    const struct iovec parts[] = {
        {.iov_base = (void *)header, .iov_len = frame == FRAME_LENGTH ? sizeof header : 0},
        {.iov_base = (void *)message->data, .iov_len = size},
        {.iov_base = (void *)"\n", .iov_len = frame == FRAME_LINES ? 1 : 0},
    };
    if (frame == FRAME_LENGTH && size > UINT32_MAX) {
        return fail("message %" PRIu64 " has %zu bytes, more than a length of 4 bytes can tell: --frame raw",
                    message->sequence, size);
    }
    int result = output_put(&sub->output, parts, 3);
    if (result == 0 && sub->careful) {
        result = output_flush(&sub->output);
    }
    return output_check(&sub->output, result);
}

static int take_message(struct sub *sub, const shmbus_message *message)
{
    const int result = write_message(sub, message);
    if (result != EXIT_OK) {
        return result;
    }
    sub->holding = 1;
    sub->idle = 0;
    sub->messages++;
    return sub->messages == sub->options->count ? END : EXIT_OK;
}

static int time_is_up(const struct sub *sub)
{
    if (sub->options->count == 0) {
        return END;
    }
    return fail("%" PRIu64 " of %" PRIu64 " messages came; then none for %.3f s", sub->messages,
                sub->options->count, (double)sub->options->timeout / 1e9);
}

/* Waits a little for the next message, after writing out what is buffered. */
static int wait_message(struct sub *sub, shmbus_message *message, int *got)
{
    const int64_t timeout = sub->options->timeout;
    const int result = output_check(&sub->output, output_flush(&sub->output));
    if (result != EXIT_OK || output_abandoned(&sub->output)) {
        return result != EXIT_OK ? result : END;
    }
    const int64_t now = shmbus_now();
    sub->idle = sub->idle ? sub->idle : now;
    if (timeout >= 0 && now - sub->idle >= timeout) {
        return time_is_up(sub);
    }
    const int64_t rest = timeout >= 0 ? timeout - (now - sub->idle) : WAIT_STEP;
    *got = shmbus_next(sub->subscriber, message, shmbus_deadline(rest < WAIT_STEP ? rest : WAIT_STEP));
    return EXIT_OK;
}

static int receive(struct sub *sub)
{
    int result = EXIT_OK;
    while (result == EXIT_OK) {
        shmbus_message message;
        if (signals_stop()) {
            return END;
        }
        int got = shmbus_next(sub->subscriber, &message, SHMBUS_NOWAIT);
        sub->holding = 0;
        if (got == -EAGAIN) {
            result = wait_message(sub, &message, &got);
        }
        if (result == EXIT_OK && got == 0) {
            result = take_message(sub, &message);
        } else if (result == EXIT_OK && got != -EAGAIN && got != -ETIMEDOUT && got != -EINTR) {
            result = fail_call(got, "cannot receive from channel \"%s\"", sub->channel);
        }
    }
    return result;
}

/* ------------------------------------------------------------------------------------------ ending */

/* What was written is given back; what could not be written goes to the group's others. */
static int finish(struct sub *sub, int result)
{
    shmbus_subscriber_stats stats = {0};
    const int flushed = output_check(&sub->output, output_flush(&sub->output));
    if (sub->holding && (flushed == EXIT_OK || !sub->careful)) {
        (void)shmbus_release(sub->subscriber);
    }
    if (shmbus_subscriber_stats_get(sub->subscriber, &stats) == 0 && stats.missed > 0) {
        note("missed %" PRIu64 " messages, which were overwritten before they were read", stats.missed);
    }
    if (sub->options->verbose) {
        note("received %" PRIu64 " messages, %" PRIu64 " bytes, %" PRIu64 " redelivered", stats.messages,
             stats.bytes, stats.redelivered);
    }
    return result > EXIT_OK ? result : flushed > EXIT_OK ? flushed : EXIT_OK;
}

static int subscribe(struct sub *sub)
{
    int result = open_subscriber(sub);
    if (result == EXIT_OK) {
        output_begin(&sub->output, STDOUT_FILENO);
        result = finish(sub, receive(sub));
        output_free(&sub->output);
    }
    close_bus(sub);
    return result == END ? EXIT_OK : result;
}

static int run_sub(const struct command *command, int argc, char **argv)
{
    struct which_bus which = {0};
    struct sub_options sub_options = {.frame = FRAME_LINES, .timeout = -1};
    struct sub sub = {.options = &sub_options};
    const struct option_section sections[] = {
        ATTACH_SECTION(&which),
        {"Command:", sub_specs, &sub_options},
        CHANNEL_SECTION(&sub.shape),
        {0},
    };
    struct options options;
    int result = options_parse(&options, command, sections, argc, argv, 1, 1);
    if (result == OPTIONS_READY && (sub_options.shared || sub_options.durable) && !sub_options.group) {
        result = fail_usage(command->name, "--shared and --durable need --group, the name to meet at");
    }
    if (result == OPTIONS_READY) {
        sub.bus_name = chosen_bus(&which);
        sub.any_owner = which.any_owner;
        sub.channel = options.arguments[0];
        /* Others can take such a message over if this command is killed before it is written. */
        sub.careful = sub_options.shared || sub_options.durable;
        signals_install();
        result = subscribe(&sub);
    }
    options_free(&options);
    return result;
}

const struct command command_sub = {
    .name = "sub",
    .arguments = "CHANNEL",
    .summary = "subscribes, and writes the messages that come to standard output",
    .details =
        "Creates the bus and the channel when they are not there, or with --wait waits for them. Every\n"
        "group sees every message; the members of a --shared group share them out. In shared and durable\n"
        "groups a message is written out before it is given back: killed, the command loses none, and\n"
        "another member, or the next run, writes it again.\n"
        "Ends with 0 after --count messages, after --timeout without --count, on SIGINT or SIGTERM (what\n"
        "was received is written first; a second signal kills it) and when standard output is closed; with\n"
        "1 when --timeout comes before --count messages, or on any failure. Says on standard error how many\n"
        "messages of an --overwrite channel were missed.\n"
        "\n"
        "Examples:\n"
        "  shmbus sub news\n"
        "  shmbus sub news --from oldest --timeout 0 | sort\n"
        "  shmbus sub jobs --group workers --shared --durable --frame length | worker\n"
        "  shmbus sub video --frame raw --timeout 2 > film.mkv\n",
    .run = run_sub,
};
