/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stddef.h>

#include "command.h"
#include "following.h"
#include "looking.h"
#include "options.h"
#include "recorder.h"
#include "report.h"
#include "signals.h"

struct record_options {
    const char *output;
    int format;
    uint64_t max_file;
};

static const struct option_spec record_specs[] = {
    {"output", 'o', OPTION_TEXT, offsetof(struct record_options, output), 0, "FILE",
     "record into FILE, which is overwritten; - is standard output"},
    {"format", 'f', OPTION_CHOICE, offsetof(struct record_options, format), 0, "pcap|jsonl",
     "a capture file for Wireshark, or an object of JSON a line (pcap)"},
    {"max-file", 0, OPTION_U64, offsetof(struct record_options, max_file), 1, "SIZE",
     "end when FILE has SIZE bytes, and at most one message more"},
    {0},
};

struct record {
    const struct record_options *options;
    struct recorder recorder;
};

static int record_found(void *context, const struct tapping_channel *channel)
{
    struct record *record = context;
    return recorder_channel(&record->recorder, &channel->about);
}

static int record_idle(void *context)
{
    struct record *record = context;
    return recorder_tick(&record->recorder, shmbus_now());
}

static int record_message(void *context, const struct message *message)
{
    struct record *record = context;
    const uint64_t most = record->options->max_file;
    int result = recorder_message(&record->recorder, message);
    if (result == EXIT_OK) {
        result = record_idle(record);
    }
    if (result == EXIT_OK && most > 0 && record->recorder.bytes >= most) {
        note("%s has %" PRIu64 " bytes: that is enough", record->options->output, record->recorder.bytes);
        return FOLLOWING_END;
    }
    return result;
}

static int record(const struct looking *looking, const struct options *arguments,
                  const struct following_options *following, const struct wanted *wanted,
                  const struct record_options *options)
{
    struct record record = {.options = options};
    const struct follower follower = {
        .context = &record, .found = record_found, .message = record_message, .idle = record_idle};
    int result = recorder_open(&record.recorder, options->output, (enum recorder_format)options->format);
    if (result == EXIT_OK) {
        result = follow(looking, arguments->arguments, (unsigned)arguments->argument_count, following, wanted,
                        &follower);
    }
    const int closed = recorder_close(&record.recorder);
    if (result == EXIT_OK) {
        result = closed == OUTPUT_ENDED ? EXIT_OK : closed;
        note("recorded %" PRIu64 " messages in %" PRIu64 " bytes", record.recorder.messages,
             record.recorder.bytes);
    }
    return result;
}

static int run_record(const struct command *command, int argc, char **argv)
{
    struct looking looking = {0};
    struct record_options record_options = {0};
    struct following_options following = FOLLOWING_DEFAULTS;
    struct wanted wanted = WANTED_ALL;
    const struct option_section sections[] = {
        LOOKING_SECTION(&looking),
        {"Command:", record_specs, &record_options},
        FOLLOWING_SECTION(&following),
        WANTED_SECTION(&wanted),
        {0},
    };
    struct options options;
    int result = options_parse(&options, command, sections, argc, argv, 1, argc);
    if (result == OPTIONS_READY && !record_options.output) {
        result = fail_usage(command->name, "say where to: --output FILE, or - for standard output");
    }
    if (result == OPTIONS_READY) {
        result = looking_take(&looking, command, NULL);
        if (result == EXIT_OK) {
            signals_install();
            result = record(&looking, &options, &following, &wanted, &record_options);
        }
    }
    options_free(&options);
    return result;
}

const struct command command_record = {
    .name = "record",
    .arguments = "CHANNEL...",
    .summary = "records channels into a file, for replay and Wireshark, without taking part",
    .details =
        "Looks at the channels read-only, as tap does: nobody waits for it, and what is overwritten before\n"
        "it was seen is counted, in the recording too. Each packet has the time when its message was sent,\n"
        "if that is known (about a thousand a second per publisher are sampled), else when it was seen.\n"
        "What came is in the file 0.1 s later at the most: a recording that ends by kill -9, or by a full\n"
        "disk, can be read up to there. docs/capture-format.md describes the packets, shmbus.lua lets\n"
        "Wireshark show them. jsonl has the lines of tap --json, and one before them for each channel.\n"
        "Ends with 0 after --count messages, --duration, --timeout, --max-file, when the channels are removed\n"
        "(unless --wait), and on SIGINT or SIGTERM; with 1 when less than --count came, or on any failure.\n"
        "\n"
        "Examples:\n"
        "  shmbus record news -o news.pcap\n"
        "  shmbus record jobs results --from oldest --duration 60 --snap 256 -o jobs.pcap\n"
        "  shmbus record ticks --format jsonl -o - | jq .sequence\n"
        "  shmbus record news -o - | wireshark -X lua_script:shmbus.lua -k -i -\n",
    .run = run_record,
};
