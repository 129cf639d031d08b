/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subcommands of `shmbus`: one file each, named command_NAME.c.
 *
 * concurrency   one thread
 * killed        see the library: a command holds nothing that the bus does not take back
 */
#ifndef SHMBUS_TOOLS_COMMAND_H
#define SHMBUS_TOOLS_COMMAND_H

struct command {
    const char *name;
    const char *arguments; /* for the usage line, as "CHANNEL" */
    const char *summary;   /* one line */
    const char *details;   /* printed after the options: rules, then examples */
    /* Returns the exit code. argv[0] is the command's name. */
    int (*run)(const struct command *command, int argc, char **argv);
};

extern const struct command command_create;
extern const struct command command_pub;
extern const struct command command_sub;
extern const struct command command_exec;
extern const struct command command_ls;
extern const struct command command_stat;
extern const struct command command_top;
extern const struct command command_hz;
extern const struct command command_hist;
extern const struct command command_peek;
extern const struct command command_tap;
extern const struct command command_record;
extern const struct command command_replay;
extern const struct command command_dump;
extern const struct command command_metrics;
extern const struct command command_doctor;
extern const struct command command_gc;
extern const struct command command_rm;

#endif
