/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "command.h"
#include "following.h"
#include "looking.h"
#include "options.h"
#include "report.h"
#include "showing.h"
#include "signals.h"

static int show_message(void *context, const struct message *message)
{
    return showing_message(context, message);
}

static int show_idle(void *context)
{
    return showing_flush(context);
}

/* What was shown before the end is written, whatever the end was. */
static int tap(const struct looking *looking, const struct options *arguments,
               const struct following_options *options, const struct wanted *wanted,
               const struct showing_options *showing_options)
{
    struct showing showing;
    const struct follower follower = {.context = &showing, .message = show_message, .idle = show_idle};
    const unsigned count = (unsigned)arguments->argument_count;
    showing_begin(&showing, showing_options, count > 1);
    int result = follow(looking, arguments->arguments, count, options, wanted, &follower);
    const int flushed = showing_flush(&showing);
    showing_end(&showing);
    result = result == EXIT_OK ? flushed : result;
    return result == OUTPUT_ENDED ? EXIT_OK : result;
}

static int run_tap(const struct command *command, int argc, char **argv)
{
    struct looking looking = {0};
    struct following_options following = FOLLOWING_DEFAULTS;
    struct wanted wanted = WANTED_ALL;
    struct showing_options showing = {0};
    const struct option_section sections[] = {
        LOOKING_SECTION(&looking),
        FOLLOWING_SECTION(&following),
        WANTED_SECTION(&wanted),
        SHOWING_SECTION(&showing),
        {0},
    };
    struct options options;
    int result = options_parse(&options, command, sections, argc, argv, 1, argc);
    if (result == OPTIONS_READY) {
        result = looking_take(&looking, command, NULL);
        if (result == EXIT_OK) {
            signals_install();
            result = tap(&looking, &options, &following, &wanted, &showing);
        }
    }
    options_free(&options);
    return result;
}

const struct command command_tap = {
    .name = "tap",
    .arguments = "CHANNEL...",
    .summary = "shows the messages that come, without taking part: nobody waits for it",
    .details =
        "Looks at the channels read-only: no group, no participant, no byte changed. What is overwritten\n"
        "before it was seen is counted as missed, to the message; so it is exact that, from where it\n"
        "started, seen + missed + aborted is what was published. Looks at least every millisecond.\n"
        "Ends with 0 after --count messages, after --timeout or --duration without --count, when the\n"
        "channels are removed (unless --wait), on SIGINT or SIGTERM, and when standard output is closed; with\n"
        "1 when less than --count messages came, or on any failure. Says at the end on standard error how\n"
        "many messages were seen, missed, aborted, and filtered: seen, but not chosen.\n"
        "\n" SHOWING_HELP "\n"
        "Examples:\n"
        "  shmbus tap news\n"
        "  shmbus tap ticks --json | jq .data\n"
        "  shmbus tap jobs results --from oldest --timeout 0 --format hex\n"
        "  shmbus tap ticks --publisher 2 --min-size 1K --snap 32 -n 10\n",
    .run = run_tap,
};
