/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and finishing what is opened through a bus, publishers and subscribers alike.
 *
 * concurrency   child_open: any thread; the rest is called by handle.h
 * killed        the attachment's liveness lock goes: recovery.h frees the entries
 */
#ifndef SHMBUS_BUS_API_CHILD_H
#define SHMBUS_BUS_API_CHILD_H

#include "bus.h"
#include "channel.h"

/* What a kind of child does its own way. `open` and `close` are called under the directory lock. */
struct child_kind {
    enum handle_kind handle;
    size_t size; /* of what starts with a struct bus_child */
    void (*wake)(struct handle *handle);
    /* Takes the reference to `channel` over, if it returns 0; `options` are those of child_open(). */
    int (*open)(struct bus_child *child, struct channel *channel, const void *options);
    void (*close)(struct bus_child *child);
};

/* Opens `channel`, created or checked by `geometry` (NULL: it must be there), and a child on it. Errors as `open`. */
int child_open(shmbus_bus *bus, const struct child_kind *kind, const char *channel,
               const shmbus_channel_options *geometry, const void *options, void **key);

#endif
