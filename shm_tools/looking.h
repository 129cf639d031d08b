/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which bus a looking command looks at: one of this host by name, or a copy of one in a file.
 *
 * concurrency   one thread
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_LOOKING_H
#define SHMBUS_TOOLS_LOOKING_H

#include <shmbus/inspect.h>

#include "options.h"

struct looking {
    const char *bus;  /* NULL: not given */
    const char *file; /* NULL: not a copy */
};

/* -b, --bus and -F, --file */
extern const struct option_spec looking_specs[];
#define LOOKING_SECTION(looking)                                                                             \
    {                                                                                                        \
        "Bus:", looking_specs, (looking)                                                                     \
    }

/*
 * Takes `argument`, unless it is NULL, as --bus. EXIT_OK, or an exit code when the options contradict each other,
 * which has been said.
 */
int looking_take(struct looking *looking, const struct command *command, const char *argument);

/* The name of the bus, when it is no copy. */
const char *looking_bus(const struct looking *looking);

/* The bus's name, or the file's path. */
const char *looking_subject(const struct looking *looking);

/* What to call it in messages: bus "lab", or file "copy". Valid until the next call. */
const char *looking_name(const struct looking *looking);

/* Opens the view. 0 or a negative errno; nothing is said. */
int looking_try(const struct looking *looking, shmbus_view **view);

/* The same. EXIT_OK, or EXIT_FAILED when it cannot, which has been said. */
int looking_open(const struct looking *looking, shmbus_view **view);

#endif
