/* SPDX-License-Identifier: Apache-2.0 */
#include "looking.h"

#include <stdio.h>

#include "report.h"
#include "shared_options.h"

const struct option_spec looking_specs[] = {
    {"bus", 'b', OPTION_TEXT, offsetof(struct looking, bus), 0, "NAME",
     "the bus (default: $SHMBUS_BUS, else \"default\")"},
    {"file", 'F', OPTION_TEXT, offsetof(struct looking, file), 0, "PATH",
     "a copy of a bus's segment instead, as of /dev/shm/shmbus.NAME"},
    {0},
};

int looking_take(struct looking *looking, const struct command *command, const char *argument)
{
    if (argument && looking->bus) {
        return fail_usage(command->name, "give the bus with --bus or as an argument, not both");
    }
    looking->bus = argument ? argument : looking->bus;
    if (looking->bus && looking->file) {
        return fail_usage(command->name, "give a bus or a --file, not both");
    }
    return EXIT_OK;
}

const char *looking_bus(const struct looking *looking)
{
    return chosen_bus(&(struct which_bus){.name = looking->bus});
}

const char *looking_subject(const struct looking *looking)
{
    return looking->file ? looking->file : looking_bus(looking);
}

const char *looking_name(const struct looking *looking)
{
    static char text[4200];
    (void)snprintf(text, sizeof text, "%s \"%s\"", looking->file ? "file" : "bus", looking_subject(looking));
    return text;
}

int looking_try(const struct looking *looking, shmbus_view **view)
{
    return looking->file ? shmbus_view_open_file(looking->file, view)
                         : shmbus_view_open(looking_subject(looking), view);
}

int looking_open(const struct looking *looking, shmbus_view **view)
{
    const int err = looking_try(looking, view);
    return err == 0 ? EXIT_OK : fail_call(err, "cannot look at %s", looking_name(looking));
}
