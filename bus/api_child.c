/* SPDX-License-Identifier: Apache-2.0 */
#include "api_child.h"

#include "error.h"

#include <stdlib.h>

static struct bus_child *from_handle(struct handle *handle)
{
    return caa_container_of(handle, struct bus_child, handle);
}

static void close_child(struct bus_child *child)
{
    struct segment *segment = &child->bus->segment;
    if (segment_lock(segment) == 0) {
        child->kind->close(child);
        segment_unlock(segment);
    }
}

static void finish(struct handle *handle)
{
    struct bus_child *child = from_handle(handle);
    close_child(child);
    bus_release(child);
    handle_free(handle);
}

static int open_locked(struct bus_child *child, const char *channel, const shmbus_channel_options *geometry,
                       const void *options)
{
    struct channel *opened;
    int err = channel_open(&child->bus->segment, channel, geometry, &opened);
    if (err != 0) {
        return err;
    }
    err = child->kind->open(child, opened, options);
    if (err != 0) {
        channel_close(opened);
    }
    return err;
}

static int open_child(struct bus_child *child, const char *channel, const shmbus_channel_options *geometry,
                      const void *options)
{
    struct segment *segment = &child->bus->segment;
    int err = segment_lock(segment);
    if (err == 0) {
        err = segment_check(segment);
        err = err ? err : open_locked(child, channel, geometry, options);
        segment_unlock(segment);
    }
    return err;
}

static struct bus_child *new_child(struct bus *bus, const struct child_kind *kind)
{
    struct bus_child *child = calloc(1, kind->size);
    if (child) {
        child->bus = bus;
        child->kind = kind;
        child->handle.wake = kind->wake;
        child->handle.finish = finish;
    }
    return child;
}

int child_open(shmbus_bus *key, const struct child_kind *kind, const char *channel,
               const shmbus_channel_options *geometry, const void *options, void **out)
{
    struct bus *bus = bus_get(key);
    if (!bus) {
        return -EBADF;
    }
    struct bus_child *child = new_child(bus, kind);
    int err = child ? open_child(child, channel, geometry, options)
                    : error_set(-ENOMEM, "no memory for a handle of %zu bytes", kind->size);
    if (err == 0) {
        *out = bus_adopt(child);
        if (!*out) {
            close_child(child);
            err = error_set(-EBADF, "the bus is being closed");
        }
    }
    if (err != 0) {
        free(child);
    }
    bus_put(bus);
    return err;
}
