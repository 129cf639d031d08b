/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>

#include "command.h"
#include "following.h"
#include "looking.h"
#include "options.h"
#include "report.h"
#include "showing.h"
#include "tapping.h"

#define ANY_SEQUENCE UINT64_MAX

struct peek_options {
    uint64_t count;
    uint64_t sequence;
    uint64_t snap;
};

static const struct option_spec peek_specs[] = {
    {"count", 'n', OPTION_U64, offsetof(struct peek_options, count), 1, "N", "the last N messages (1)"},
    {"sequence", 'q', OPTION_U64, offsetof(struct peek_options, sequence), 0, "N",
     "the message of this number instead, and with --count those behind it"},
    {"snap", 's', OPTION_U64, offsetof(struct peek_options, snap), 0, "SIZE",
     "take at most SIZE bytes of each message"},
    {0},
};

struct peek {
    const struct peek_options *options;
    const struct wanted *wanted;
    struct showing showing;
    shmbus_view *view;
    shmbus_channel_info info;
    struct message_channel about;
    void *buffer;
    size_t capacity;
    int64_t clock_offset;
};

/* Takes the message at `*sequence`, or the next that is still whole, as shmbus_view_message(). */
static int take(struct peek *peek, uint64_t *sequence, size_t capacity, struct message *message)
{
    shmbus_sighting sighting;
    const int got =
        shmbus_view_message(peek->view, peek->info.index, sequence, peek->buffer, capacity, &sighting);
    if (got > 0) {
        *message = tapping_message(&peek->about, &sighting, peek->buffer, capacity, shmbus_now(),
                                   peek->clock_offset);
        message->missed = 0; /* what was before was not asked for */
    }
    return got;
}

/*
 * Goes back from the newest message until --count of those that are wanted lie behind, and sets `*first` to the
 * foremost of them. 0 or a negative errno.
 */
static int find_first(struct peek *peek, uint64_t *first)
{
    uint64_t wanted = 0;
    *first = peek->info.published;
    for (uint64_t at = peek->info.published; at > peek->info.oldest && wanted < peek->options->count; at--) {
        struct message message;
        uint64_t sequence = at - 1;
        const int got = take(peek, &sequence, 0, &message);
        if (got < 0) {
            return got;
        }
        if (got > 0 && message.sequence != at - 1) {
            break; /* overwritten, and what is older too */
        }
        if (got > 0 && is_wanted(peek->wanted, &message)) {
            *first = at - 1;
            wanted++;
        }
    }
    return 0;
}

/* Shows --count messages from `sequence` on, as far as there are any. */
static int show_from(struct peek *peek, uint64_t sequence, uint64_t *shown)
{
    int result = EXIT_OK;
    while (result == EXIT_OK && *shown < peek->options->count && sequence < peek->info.published) {
        struct message message;
        const int got = take(peek, &sequence, peek->capacity, &message);
        if (got < 0) {
            return fail_call(got, "cannot look at channel \"%s\"", peek->info.name);
        }
        if (got == 0) {
            sequence++; /* claimed, and not committed */
        } else if (is_wanted(peek->wanted, &message)) {
            result = showing_message(&peek->showing, &message);
            ++*shown;
        }
    }
    return result;
}

static int check_sequence(const struct peek *peek)
{
    const uint64_t sequence = peek->options->sequence;
    if (sequence >= peek->info.published) {
        return fail("message %" PRIu64 " of channel \"%s\" is not there yet: the next one is %" PRIu64,
                    sequence, peek->about.name, peek->info.published);
    }
    if (sequence < peek->info.oldest) {
        return fail("message %" PRIu64 " of channel \"%s\" is gone: the oldest is %" PRIu64, sequence,
                    peek->about.name, peek->info.oldest);
    }
    return EXIT_OK;
}

static int show(struct peek *peek)
{
    uint64_t first = peek->options->sequence;
    uint64_t shown = 0;
    int result = EXIT_OK;
    if (first != ANY_SEQUENCE) {
        result = check_sequence(peek);
    } else {
        const int err = find_first(peek, &first);
        result = err == 0 ? EXIT_OK : fail_call(err, "cannot look at channel \"%s\"", peek->about.name);
    }
    result = result == EXIT_OK ? show_from(peek, first, &shown) : result;
    const int flushed = showing_flush(&peek->showing);
    result = result == EXIT_OK ? flushed : result;
    if (result == EXIT_OK && shown == 0) {
        return fail("channel \"%s\" holds no such message: %" PRIu64 " were published, from %" PRIu64
                    " on they are still there",
                    peek->about.name, peek->info.published, peek->info.oldest);
    }
    return result == OUTPUT_ENDED ? EXIT_OK : result;
}

static int open_peek(struct peek *peek, const struct looking *looking, const char *channel)
{
    shmbus_bus_info bus;
    int result = looking_open(looking, &peek->view);
    if (result == EXIT_OK) {
        result = tapping_find(peek->view, looking, channel, &peek->info);
    }
    if (result == EXIT_OK) {
        const int err = shmbus_view_bus(peek->view, &bus);
        result = err == 0 ? EXIT_OK : fail_call(err, "cannot look at %s", looking_name(looking));
    }
    if (result == EXIT_OK) {
        const uint64_t largest = peek->info.options.largest;
        tapping_describe(&peek->about, bus.name, &peek->info, peek->info.oldest);
        peek->clock_offset = tapping_clock_offset();
        peek->capacity = (size_t)(largest < peek->options->snap ? largest : peek->options->snap);
        peek->buffer = need_memory(peek->capacity);
    }
    return result;
}

static int peek_channel(struct peek *peek, const struct looking *looking, const char *channel,
                        const struct showing_options *showing)
{
    int result = open_peek(peek, looking, channel);
    if (result == EXIT_OK) {
        showing_begin(&peek->showing, showing, 0);
        result = show(peek);
        showing_end(&peek->showing);
    }
    free(peek->buffer);
    shmbus_view_close(peek->view);
    return result;
}

static int run_peek(const struct command *command, int argc, char **argv)
{
    struct looking looking = {0};
    struct peek_options peek_options = {.count = 1, .sequence = ANY_SEQUENCE, .snap = UINT64_MAX};
    struct wanted wanted = WANTED_ALL;
    struct showing_options showing = {0};
    struct peek peek = {.options = &peek_options, .wanted = &wanted};
    const struct option_section sections[] = {
        LOOKING_SECTION(&looking),
        {"Command:", peek_specs, &peek_options},
        WANTED_SECTION(&wanted),
        SHOWING_SECTION(&showing),
        {0},
    };
    struct options options;
    int result = options_parse(&options, command, sections, argc, argv, 1, 1);
    if (result == OPTIONS_READY) {
        result = looking_take(&looking, command, NULL);
        result = result == EXIT_OK ? peek_channel(&peek, &looking, options.arguments[0], &showing) : result;
    }
    options_free(&options);
    return result;
}

const struct command command_peek = {
    .name = "peek",
    .arguments = "CHANNEL",
    .summary = "shows the last message of a channel, or a few, and takes none",
    .details =
        "Looks at the channel read-only: no group, no participant, no byte changed. A message stays to be seen\n"
        "until it is overwritten, also when every group has read it.\n"
        "Ends with 0, or with 1 when there is no such message, or on any failure.\n"
        "\n" SHOWING_HELP "\n"
        "Examples:\n"
        "  shmbus peek news\n"
        "  shmbus peek ticks -n 5 --format hex\n"
        "  shmbus peek jobs --sequence 1000 --json | jq -r .data\n"
        "  shmbus peek jobs --file segment.copy -n 100\n",
    .run = run_peek,
};
