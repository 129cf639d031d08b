/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "options.h"
#include "playback.h"
#include "report.h"
#include "sender.h"
#include "shared_options.h"
#include "signals.h"
#include "table.h"

#define NANOSECONDS INT64_C(1000000000)

struct replay_options {
    int64_t speed; /* billionths */
    int max;
    const char *channel;
    const char *as;
    uint64_t count;
    int verbose;
};

#define IN_REPLAY(field) offsetof(struct replay_options, field)

static const struct option_spec replay_specs[] = {
    {"speed", 's', OPTION_FACTOR, IN_REPLAY(speed), 0, "X", "X times as fast as recorded, as 2 or 0.5 (1)"},
    {"max", 'm', OPTION_FLAG, IN_REPLAY(max), 0, NULL, "as fast as possible"},
    {"channel", 'c', OPTION_TEXT, IN_REPLAY(channel), 0, "NAME", "only the messages of this channel"},
    {"as", 0, OPTION_TEXT, IN_REPLAY(as), 0, "NAME", "publish them to this channel instead"},
    {"count", 'n', OPTION_U64, IN_REPLAY(count), 1, "N", "end after N messages"},
    {"verbose", 'v', OPTION_FLAG, IN_REPLAY(verbose), 0, NULL, "say at the end what was sent"},
    {0},
};

/* Where the messages of a recorded channel go. */
struct target {
    char shown[3 * SHMBUS_NAME_MAX + 1]; /* its name, for messages */
    struct sender sender;
};

struct replay {
    const struct replay_options *options;
    const struct which_bus *which;
    shmbus_bus *bus;
    struct playback playback;
    struct target **targets; /* by number of the recorded channel; NULL: not there yet */
    uint32_t target_count;
    uint64_t messages;
    uint64_t bytes;
    uint64_t cut;     /* of the messages: less was recorded than they had */
    uint64_t aborted; /* left out */
    uint64_t missed;  /* when they were recorded */
    int64_t started;
    int64_t first_ns; /* time of the first message */
};

/* ------------------------------------------------------------------------------------------- opening */

static int open_bus(struct replay *replay)
{
    const shmbus_bus_options options = {.participant_name = "shmbus replay",
                                        .any_owner = replay->which->any_owner};
    const char *name = chosen_bus(replay->which);
    const int err = shmbus_open(name, &options, &replay->bus);
    return err == 0 ? EXIT_OK : fail_call(err, "cannot open bus \"%s\"", name);
}

/* As it was recorded if it is missing; of one that is there only the tag must agree. */
static int open_publisher(struct replay *replay, struct target *target, const char *name,
                          const shmbus_channel_options *recorded)
{
    shmbus_channel_options shape;
    const int missing = shmbus_channel_options_of(replay->bus, name, &shape) == -ENOENT;
    const shmbus_channel_options wanted = {.type = recorded->type};
    const shmbus_publisher_options options = {.channel = missing ? recorded : &wanted};
    int err = shmbus_publisher_open(replay->bus, name, &options, &target->sender.publisher);
    if (err == 0) {
        err = shmbus_channel_options_of(replay->bus, name, &shape);
    }
    target->sender.largest = shape.largest;
    return err == 0 ? EXIT_OK : fail_call(err, "cannot publish to channel \"%s\"", target->shown);
}

static int open_target(struct replay *replay, const struct message_channel *channel)
{
    struct target *target = need_memory(sizeof *target);
    memset(target, 0, sizeof *target);
    replay->targets[channel->number] = target;
    const char *name = replay->options->as ? replay->options->as : channel->name;
    text_clean(name, target->shown);
    target->sender.channel = target->shown;
    target->sender.noun = "message";
    return open_publisher(replay, target, name, &channel->shape);
}

static int check_only_one(const struct replay *replay)
{
    for (uint32_t i = 0; i < replay->target_count; i++) {
        if (replay->targets[i]) {
            return fail("%s has messages of several channels: say with --channel which of them is replayed "
                        "as \"%s\"",
                        replay->playback.name, replay->options->as);
        }
    }
    return EXIT_OK;
}

static int find_target(struct replay *replay, const struct message_channel *channel, struct target **target)
{
    int result = EXIT_OK;
    const uint32_t number = channel->number;
    if (number >= replay->target_count) {
        const uint32_t count = number + 1;
        replay->targets = need_more_memory(replay->targets, count * sizeof(struct target *));
        memset(replay->targets + replay->target_count, 0,
               (count - replay->target_count) * sizeof(struct target *));
        replay->target_count = count;
    }
    if (!replay->targets[number]) {
        result = replay->options->as ? check_only_one(replay) : EXIT_OK;
        result = result == EXIT_OK ? open_target(replay, channel) : result;
    }
    *target = replay->targets[number];
    return result;
}

/* ------------------------------------------------------------------------------------------- sending */

/* When the message is due, CLOCK_MONOTONIC. One that is older than the first is due at once. */
static int64_t due_time(struct replay *replay, int64_t time_ns)
{
    if (replay->started == 0) {
        replay->started = shmbus_now();
        replay->first_ns = time_ns;
    }
    const double speed = (double)replay->options->speed / (double)NANOSECONDS;
    const double after = (double)(time_ns - replay->first_ns) / speed;
    const double most = (double)(INT64_MAX / 4);
    return replay->started + (int64_t)(after < most ? after : most);
}

/* EXIT_OK, or the exit code when a signal asks to end. */
static int wait_until(int64_t time_ns)
{
    while (!signals_stop()) {
        const int64_t now = shmbus_now();
        const int64_t step = time_ns < now + WAIT_STEP ? time_ns : now + WAIT_STEP;
        if (time_ns <= now) {
            return EXIT_OK;
        }
        const struct timespec until = {.tv_sec = step / NANOSECONDS, .tv_nsec = step % NANOSECONDS};
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
    return EXIT_SIGNAL + signals_stop();
}

static int send_message(struct replay *replay, const struct message *message)
{
    struct target *target = NULL;
    int result = find_target(replay, message->channel, &target);
    if (result == EXIT_OK && !replay->options->max) {
        result = wait_until(due_time(replay, message->time_ns));
    }
    if (result == EXIT_OK) {
        result = sender_add(&target->sender, message->data, message->size);
    }
    if (result == EXIT_OK) {
        result = sender_flush(&target->sender);
    }
    if (result == EXIT_OK) {
        replay->messages++;
        replay->bytes += message->size;
        replay->cut += message->size < message->original;
    }
    return result;
}

static int is_chosen(const struct replay *replay, const struct message *message)
{
    const char *only = replay->options->channel;
    return !only || strcmp(only, message->channel->name) == 0;
}

static int is_enough(const struct replay *replay)
{
    return replay->options->count > 0 && replay->messages == replay->options->count;
}

static int replay_all(struct replay *replay)
{
    struct message message;
    int there = 1;
    int result = EXIT_OK;
    while (result == EXIT_OK && !is_enough(replay)) {
        result = playback_next(&replay->playback, &message, &there);
        if (result != EXIT_OK || !there) {
            return result;
        }
        if (is_chosen(replay, &message)) {
            replay->missed += message.missed;
            replay->aborted += message.aborted != 0;
            result = message.aborted ? EXIT_OK : send_message(replay, &message);
        }
        if (result == EXIT_OK && signals_stop()) {
            return EXIT_SIGNAL + signals_stop();
        }
    }
    return result;
}

/* ------------------------------------------------------------------------------------------- command */

static void say_what_was_sent(const struct replay *replay, int64_t began)
{
    if (replay->cut > 0) {
        note("of %" PRIu64 " messages only the beginning was recorded, and sent", replay->cut);
    }
    if (replay->missed > 0) {
        note("%" PRIu64 " messages were missed when it was recorded", replay->missed);
    }
    if (replay->options->verbose) {
        note("sent %" PRIu64 " messages, %" PRIu64 " bytes, in %.3f s; left out %" PRIu64 " aborted ones",
             replay->messages, replay->bytes, (double)(shmbus_now() - began) / 1e9, replay->aborted);
    }
}

static int finish(struct replay *replay, int result)
{
    const struct replay_options *options = replay->options;
    if (result == EXIT_OK && replay->messages == 0 && options->channel) {
        result = fail("%s has no message of channel \"%s\"", replay->playback.name, options->channel);
    }
    if (result == EXIT_OK && options->count > 0 && !is_enough(replay)) {
        result = fail("%s has %" PRIu64 " messages, less than %" PRIu64, replay->playback.name,
                      replay->messages, options->count);
    }
    for (uint32_t i = 0; i < replay->target_count; i++) {
        free(replay->targets[i]); /* its publisher is closed with the bus */
    }
    free(replay->targets);
    return result;
}

/* The recording first: one that is not there must leave no bus behind. */
static int replay(const char *path, const struct which_bus *which, const struct replay_options *options)
{
    struct replay replay = {.options = options, .which = which};
    const int64_t began = shmbus_now();
    int result = playback_open(&replay.playback, path);
    result = result == EXIT_OK ? open_bus(&replay) : result;
    if (result == EXIT_OK) {
        result = replay_all(&replay);
        say_what_was_sent(&replay, began);
        result = finish(&replay, result);
    }
    if (replay.bus) {
        (void)shmbus_close(replay.bus);
    }
    playback_close(&replay.playback);
    return result;
}

static int check_options(const struct command *command, const struct replay_options *options)
{
    if (options->speed == 0) {
        return fail_usage(command->name, "--speed: must be above 0");
    }
    if (options->max && options->speed != NANOSECONDS) {
        return fail_usage(command->name, "--speed contradicts --max");
    }
    return OPTIONS_READY;
}

static int run_replay(const struct command *command, int argc, char **argv)
{
    struct which_bus which = {0};
    struct replay_options replay_options = {.speed = NANOSECONDS};
    const struct option_section sections[] = {
        ATTACH_SECTION(&which),
        {"Command:", replay_specs, &replay_options},
        {0},
    };
    struct options options;
    int result = options_parse(&options, command, sections, argc, argv, 1, 1);
    result = result == OPTIONS_READY ? check_options(command, &replay_options) : result;
    if (result == OPTIONS_READY) {
        signals_install();
        result = replay(options.arguments[0], &which, &replay_options);
    }
    options_free(&options);
    return result;
}

const struct command command_replay = {
    .name = "replay",
    .arguments = "FILE",
    .summary = "publishes the messages of a recording again",
    .details =
        "Reads what record wrote, pcap or jsonl, and what tap --json wrote; - is standard input. Publishes to\n"
        "the channels of the recorded names, at the times between messages that were recorded. Creates the\n"
        "bus when it is missing, and channels in their recorded shape; one that is there stays as it is.\n"
        "Messages of which only the beginning was recorded are sent so, aborted ones are left out. A\n"
        "recording that ends in the middle of a message is replayed up to there.\n"
        "Ends with 0 when all is sent, with 1 when FILE is damaged, has less than --count messages or none of\n"
        "--channel, or something could not be sent; with 128+N when signal N ended it before.\n"
        "\n"
        "Examples:\n"
        "  shmbus replay news.pcap\n"
        "  shmbus replay jobs.pcap --max --channel jobs --as again -b lab\n"
        "  shmbus record news -o - | ssh other shmbus replay -\n",
    .run = run_replay,
};
