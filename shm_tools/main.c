/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <shmbus/inspect.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "report.h"

static const struct command *const commands[] = {
    &command_create, &command_pub,    &command_sub,    &command_exec, &command_ls,
    &command_stat,   &command_top,    &command_hz,     &command_hist, &command_peek,
    &command_tap,    &command_record, &command_replay, &command_dump, &command_metrics,
    &command_doctor, &command_gc,     &command_rm,     NULL,
};

static const struct command *find_command(const char *name)
{
    for (const struct command *const *command = commands; *command; command++) {
        if (strcmp((*command)->name, name) == 0) {
            return *command;
        }
    }
    return NULL;
}

static int unknown_command(const char *name)
{
    fprintf(stderr, "shmbus: unknown command \"%s\"\nTry: shmbus help\n", name);
    return EXIT_USAGE;
}

static int show_overview(FILE *file)
{
    fputs("shmbus: a lock-free message bus in shared memory, for the processes of one host\n"
          "\n"
          "Usage: shmbus COMMAND [OPTION...] [ARGUMENT...]\n"
          "\n",
          file);
    for (const struct command *const *command = commands; *command; command++) {
        fprintf(file, "  %-8s %s\n", (*command)->name, (*command)->summary);
    }
    fputs("  help     shows this, or with COMMAND the help of one command\n"
          "\n"
          "Examples:\n"
          "  shmbus sub news                 in one terminal: prints what comes\n"
          "  shmbus pub news < /etc/services in another: sends a file line by line\n"
          "  shmbus stat                     who publishes, who reads, who lags\n"
          "\n"
          "Exit codes: 0 done, 1 failed, 2 wrong usage, 128+N ended by signal N before all was sent.\n",
          file);
    return EXIT_OK;
}

static int show_help(int argc, char **argv)
{
    if (argc < 2) {
        return show_overview(stdout);
    }
    const struct command *command = find_command(argv[1]);
    if (!command) {
        return unknown_command(argv[1]);
    }
    char option[] = "--help";
    char *arguments[] = {argv[1], option, NULL};
    return command->run(command, 2, arguments);
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        (void)show_overview(stderr);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0) {
        printf("shmbus %s\n", shmbus_version());
        return EXIT_OK;
    }
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        return show_help(argc - 1, argv + 1);
    }
    const struct command *command = find_command(name);
    if (!command) {
        return unknown_command(name);
    }
    (void)shmbus_view_guard(); /* a bus that is truncated under our feet is an error, not a crash */
    return command->run(command, argc - 1, argv + 1);
}

/*
 * A missing standard descriptor would be given to the next file that is opened, which may be the bus, and
 * output would go into it. One that can only fail takes its place.
 */
static void fill_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF) {
            (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
        }
    }
}

/* A reader that left early is no failure. */
static int finish_output(int result)
{
    errno = 0;
    if ((fflush(stdout) != 0 || ferror(stdout)) && errno != EPIPE && result == EXIT_OK) {
        return fail("cannot write to standard output: %s", errno ? strerror(errno) : "write error");
    }
    return result;
}

int main(int argc, char **argv)
{
    fill_standard_descriptors();
    (void)signal(SIGPIPE, SIG_IGN);
    return finish_output(run(argc, argv));
}
