/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a subscriber's handle stands for: shared by api_subscribe.c (open, close, look), api_receive.c and waitset.c.
 *
 * concurrency   see handle.h
 * killed        process-local; see subscriber.h for the shared side
 */
#ifndef SHMBUS_BUS_API_SUBSCRIBER_H
#define SHMBUS_BUS_API_SUBSCRIBER_H

#include "bus.h"
#include "subscriber.h"

struct subscriber_handle {
    struct bus_child child;
    struct subscriber subscriber;
};

static inline struct subscriber_handle *subscriber_from_handle(struct handle *handle)
{
    return caa_container_of(handle, struct subscriber_handle, child.handle);
}

/* Enters the section with a subscriber that no other call is using; or NULL, and `err`. */
struct subscriber_handle *subscriber_enter(shmbus_subscriber *key, int *err);

#endif
