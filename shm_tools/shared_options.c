/* SPDX-License-Identifier: Apache-2.0 */
#include "shared_options.h"

#include <stdlib.h>

#define IN_CHANNEL(field) offsetof(shmbus_channel_options, field)

#define BUS_SPEC                                                                                             \
    {                                                                                                        \
        "bus", 'b', OPTION_TEXT, offsetof(struct which_bus, name), 0, "NAME",                                \
            "the bus (default: $SHMBUS_BUS, else \"default\")"                                               \
    }

const struct option_spec bus_specs[] = {BUS_SPEC, {0}};

const struct option_spec attach_specs[] = {
    BUS_SPEC,
    {"any-owner", 0, OPTION_FLAG, offsetof(struct which_bus, any_owner), 0, NULL,
     "use the bus of another user too, if the permissions allow it: who trusts that user"},
    {0},
};

const struct option_spec channel_specs[] = {
    {"single", 0, OPTION_SET, IN_CHANNEL(producers), SHMBUS_SINGLE, NULL,
     "one publisher at a time, which is faster"},
    {"multi", 0, OPTION_SET, IN_CHANNEL(producers), SHMBUS_MULTI, NULL, "many publishers (default)"},
    {"block", 0, OPTION_SET, IN_CHANNEL(overflow), SHMBUS_BLOCK, NULL,
     "publishers wait for the slowest group (default)"},
    {"overwrite", 0, OPTION_SET, IN_CHANNEL(overflow), SHMBUS_OVERWRITE, NULL,
     "publishers never wait; slow groups miss messages, counted"},
    {"slots", 0, OPTION_U32, IN_CHANNEL(slots), 1, "N",
     "messages that the ring holds: a power of two (4096)"},
    {"slot-size", 0, OPTION_U32, IN_CHANNEL(slot_size), 1, "N",
     "64, 128 or 256; messages of up to 8 less lie in the slot (64)"},
    {"arena", 0, OPTION_U64, IN_CHANNEL(arena), 1, "SIZE",
     "bytes for larger messages: a power of two from 4K (4 x largest, at least 512K)"},
    {"largest", 0, OPTION_U64, IN_CHANNEL(largest), 1, "SIZE",
     "the largest message, up to half the arena (a quarter)"},
    {"publishers", 0, OPTION_U32, IN_CHANNEL(publishers), 1, "N", "most publishers (32, or 1 with --single)"},
    {"groups", 0, OPTION_U32, IN_CHANNEL(groups), 1, "N", "most groups (16)"},
    {"members", 0, OPTION_U32, IN_CHANNEL(members), 1, "N", "most subscribers of all groups (64)"},
    {"type", 0, OPTION_U64, IN_CHANNEL(type), 0, "NUMBER",
     "tag that all who open the channel must agree on; 0x... is allowed (0: any)"},
    {0},
};

const char *chosen_bus(const struct which_bus *which)
{
    if (which->name) {
        return which->name;
    }
    const char *name = getenv("SHMBUS_BUS");
    return name && *name != '\0' ? name : "default";
}
