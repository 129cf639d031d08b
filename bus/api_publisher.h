/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a publisher's handle stands for: shared by api_publish.c and waitset.c.
 *
 * concurrency   see handle.h
 * killed        process-local; see publisher.h for the shared side
 */
#ifndef SHMBUS_BUS_API_PUBLISHER_H
#define SHMBUS_BUS_API_PUBLISHER_H

#include "bus.h"
#include "publisher.h"

struct publisher_handle {
    struct bus_child child;
    struct publisher publisher;
};

static inline struct publisher_handle *publisher_from_handle(struct handle *handle)
{
    return caa_container_of(handle, struct publisher_handle, child.handle);
}

#endif
