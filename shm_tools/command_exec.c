/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "exec_frames.h"
#include "exec_pool.h"
#include "options.h"
#include "report.h"
#include "shared_options.h"
#include "signals.h"

/* Messages that a single worker may owe: so many that its pipe does not run dry. One of several takes one at a time. */
#define WINDOW_ALONE 1024u
#define WINDOW_MAX 65536u
#define WORKERS_MAX 1024u

#define IN_EXEC(field) offsetof(struct exec_options, field)

static const struct option_spec exec_specs[] = {
    {"in", 'i', OPTION_TEXT, IN_EXEC(in), 0, "CHANNEL", "where messages come from"},
    {"out", 'o', OPTION_TEXT, IN_EXEC(out), 0, "CHANNEL",
     "where its standard output goes (default: to ours)"},
    {"err", 'e', OPTION_TEXT, IN_EXEC(err), 0, "CHANNEL",
     "where lines of its standard error go (default: to ours)"},
    {"frame", 'f', OPTION_CHOICE, IN_EXEC(frame), 0, "lines|length|content-length",
     "what goes around each message, both ways: a newline behind it, 4 bytes of length or headers before it (lines)"},
    {"newlines", 0, OPTION_CHOICE, IN_EXEC(newlines), 0, "pass-over|blank",
     "messages that cannot be lines, for they contain newlines: pass them over, or write a blank for each (pass-over)"},
    {"group", 'g', OPTION_TEXT, IN_EXEC(group), 0, "NAME", "read as this group (default: exec.COMMAND)"},
    {"shared", 'S', OPTION_FLAG, IN_EXEC(shared), 0, NULL, "share the group's messages out with its others"},
    {"durable", 'd', OPTION_FLAG, IN_EXEC(durable), 0, NULL,
     "the group stays at the end, and keeps what is not done"},
    {"from", 0, OPTION_CHOICE, IN_EXEC(from), 0, "now|oldest", "where a new group starts (now)"},
    {0},
};

static const struct option_spec worker_specs[] = {
    {"workers", 'W', OPTION_U32, IN_EXEC(workers), 1, "N",
     "run so many at once, which share the messages (1)"},
    {"window", 'w', OPTION_U32, IN_EXEC(window), 1, "N",
     "most messages that a worker has and has not answered (1024; 1 where they are shared)"},
    {"no-answers", 'A', OPTION_FLAG, IN_EXEC(no_answers), 0, NULL,
     "its output is not one frame for each message: what it has read is done"},
    {"attempts", 'a', OPTION_U32, IN_EXEC(attempts), 0, "N",
     "pass a message over when workers have ended with it N times; 0: never (3)"},
    {"dead-letter", 0, OPTION_TEXT, IN_EXEC(dead_letter), 0, "CHANNEL",
     "where messages go that are passed over"},
    {"restart", 'r', OPTION_CHOICE, IN_EXEC(restart), 0, "never|on-failure|always",
     "when a worker that has ended is started again (on-failure)"},
    {"restart-delay", 0, OPTION_SECONDS, IN_EXEC(restart_delay), 0, "SECONDS",
     "how long after its end; twice as long each time that it got nowhere, up to 30 (0.1)"},
    {"restarts", 0, OPTION_U32, IN_EXEC(restarts), 0, "N", "most restarts in a row that got nowhere (10)"},
    {"grace", 'G', OPTION_SECONDS, IN_EXEC(grace), 0, "SECONDS",
     "how long workers may take to end, before SIGTERM, and before SIGKILL (5)"},
    {"count", 'n', OPTION_U64, IN_EXEC(count), 1, "N", "end after N messages"},
    {"timeout", 't', OPTION_SECONDS, IN_EXEC(timeout), 0, "SECONDS",
     "end when all is done and nothing came for so long"},
    {"verbose", 'v', OPTION_FLAG, IN_EXEC(verbose), 0, NULL, "say at the end what was done"},
    {0},
};

/* Takes the command off, which follows the first "--". 0: there is none. */
static int split_command(int argc, char **argv, struct exec_options *options)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            argv[i] = NULL;
            options->command = (const char *const *)argv + i + 1;
            return i;
        }
    }
    return 0;
}

/* "exec.COMMAND", as long as a name may be. */
static void choose_group(struct exec_options *options)
{
    char *name = options->own_group;
    const char *slash = strrchr(options->command[0], '/');
    (void)snprintf(name, sizeof options->own_group, "exec.%s", slash ? slash + 1 : options->command[0]);
    for (char *at = name; *at != '\0'; at++) {
        *at = (unsigned char)*at < ' ' || *at == 127 ? '_' : *at;
    }
    options->group = options->group ? options->group : name;
}

static int check(const struct command *command, const struct exec_options *options)
{
    if (!options->command || !options->command[0]) {
        return fail_usage(command->name,
                          "the command is missing: -- COMMAND [ARGUMENT...], behind all options");
    }
    if (!options->in) {
        return fail_usage(command->name, "--in CHANNEL is missing: where messages come from");
    }
    if (options->out && strcmp(options->in, options->out) == 0) {
        return fail_usage(command->name,
                          "--in and --out are the same channel, \"%s\": answers would be answered",
                          options->in);
    }
    if (options->workers > WORKERS_MAX) {
        return fail_usage(command->name, "--workers: %u is more than %u", options->workers, WORKERS_MAX);
    }
    if (options->window > WINDOW_MAX) {
        return fail_usage(command->name, "--window: %u is more than %u", options->window, WINDOW_MAX);
    }
    return OPTIONS_READY;
}

static int run(struct exec_options *options)
{
    choose_group(options);
    options->no_answers |= options->out == NULL;
    if (options->window == 0) {
        options->window = options->shared || options->workers > 1 ? 1 : WINDOW_ALONE;
    }
    (void)signal(SIGCHLD, SIG_DFL); /* who started us may ignore it: then nobody is told how a worker ended */
    signals_install();
    return pool_run(options);
}

static int run_exec(const struct command *command, int argc, char **argv)
{
    struct which_bus which = {0};
    struct exec_options exec_options = {
        .workers = 1,
        .attempts = 3,
        .restart = RESTART_ON_FAILURE,
        .restart_delay = INT64_C(100000000),
        .restarts = 10,
        .grace = INT64_C(5000000000),
        .timeout = -1,
    };
    const struct option_section sections[] = {
        ATTACH_SECTION(&which),
        {"Messages:", exec_specs, &exec_options},
        {"Workers:", worker_specs, &exec_options},
        {0},
    };
    struct options options;
    const int split = split_command(argc, argv, &exec_options);
    int result = options_parse(&options, command, sections, split > 0 ? split : argc, argv, 0, 1);
    if (result == OPTIONS_READY) {
        result = check(command, &exec_options);
    }
    if (result == OPTIONS_READY && options.argument_count > 0 && which.name) {
        result = fail_usage(command->name, "the bus is named twice: \"%s\" and --bus %s",
                            options.arguments[0], which.name);
    }
    if (result == OPTIONS_READY) {
        which.name = options.argument_count > 0 ? options.arguments[0] : which.name;
        exec_options.bus = chosen_bus(&which);
        exec_options.any_owner = which.any_owner;
        result = run(&exec_options);
    }
    options_free(&options);
    return result;
}

const struct command command_exec = {
    .name = "exec",
    .arguments = "[BUS] --in CHANNEL [--out CHANNEL] -- COMMAND [ARGUMENT...]",
    .summary = "runs a program on standard input and output as a worker of a bus",
    .details =
        "Writes each message of --in to the standard input of COMMAND, and sends each frame of its standard\n"
        "output to --out, as the answer to the oldest message that it was given and has not answered. A\n"
        "message is given back to the bus when its answer is sent: what a worker that ends has not answered\n"
        "is given again, to another worker or to its next process.\n"
        "With --no-answers, and without --out, a message is given back when the worker has read it.\n"
        "Passes over, says and counts messages that --frame lines cannot carry, that workers end with again\n"
        "and again, and whose answers are too large for --out.\n"
        "Ends as its workers do when they are not started again, with 128+N for signal N, and with 126 or 127\n"
        "when COMMAND cannot be run; with 0 after --count or --timeout, and on SIGINT or SIGTERM, when the\n"
        "workers have ended at the end of their input; with 1 when they had to be killed, or on any failure.\n"
        "\n"
        "Examples:\n"
        "  shmbus exec --in news --out results --from oldest -t 0 -- sed -u s/1/one/\n"
        "  shmbus exec lab --in jobs --out results --workers 4 --durable -- worker --slowly\n"
        "  shmbus exec --in news --frame length -- worker\n"
        "  shmbus exec --in news --out results --no-answers -- grep --line-buffered 7\n",
    .run = run_exec,
};
