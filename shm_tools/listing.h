/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the inspecting commands show of a bus: rows of tables, filled from read-only views. The keys that
 * the tables have in JSON are an interface: they may be added to, not changed.
 *
 * concurrency   one thread; the bus may change meanwhile: see <shmbus/inspect.h>
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_LISTING_H
#define SHMBUS_TOOLS_LISTING_H

#include <shmbus/inspect.h>

#include "table.h"

struct table *listing_buses(void);
void listing_add_bus(struct table *table, const shmbus_bus_info *info);
/* A row for a bus that cannot be looked at, with the reason. */
void listing_add_broken_bus(struct table *table, const char *name, const char *reason);

/* Nobody is attached to it. */
int listing_is_stale(const shmbus_bus_info *info);

struct table *listing_channels(void);
void listing_add_channel(struct table *table, const char *bus, const shmbus_channel_info *info);

/* The same with what goes on in it. */
struct listing_traffic {
    const shmbus_channel_info *info;
    uint64_t blocked; /* times that a publisher found no room */
    uint64_t rate;    /* messages a second */
    int has_rate;
};
struct table *listing_traffic(void);
void listing_add_traffic(struct table *table, const char *bus, const struct listing_traffic *traffic);

/* Fills `info` for the channel `name`. 0, -ENOENT, or what the view gives. */
int listing_find_channel(shmbus_view *view, const char *name, shmbus_channel_info *info);

/* Prints a bus, and a channel unless it is NULL, as JSON. Returns an exit code. */
int listing_print_created(const shmbus_bus_info *bus, const shmbus_channel_info *channel);

#endif
