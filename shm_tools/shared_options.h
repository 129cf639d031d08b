/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options that several commands have.
 *
 * concurrency   one thread
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_SHARED_OPTIONS_H
#define SHMBUS_TOOLS_SHARED_OPTIONS_H

#include <shmbus/shmbus.h>

#include "options.h"

/* -b, --bus */
struct which_bus {
    const char *name; /* NULL: not given */
    int any_owner;    /* of those who attach only */
};
extern const struct option_spec bus_specs[];
#define BUS_SECTION(which)                                                                                   \
    {                                                                                                        \
        "Bus:", bus_specs, (which)                                                                           \
    }

/* The same and --any-owner, for those who attach to the bus. */
extern const struct option_spec attach_specs[];
#define ATTACH_SECTION(which)                                                                                \
    {                                                                                                        \
        "Bus:", attach_specs, (which)                                                                        \
    }

/* The bus that the options or the environment choose. */
const char *chosen_bus(const struct which_bus *which);

/* The shape of a channel. */
extern const struct option_spec channel_specs[];
#define CHANNEL_SECTION(channel)                                                                             \
    {                                                                                                        \
        "Shape of the channel (checked when it is there):", channel_specs, (channel)                         \
    }

#endif
