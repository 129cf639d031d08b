/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open bus and what is opened through it.
 *
 *   call               who          may overlap with
 *   all of them        any thread   everything
 *
 * killed        process-local; see segment.h for the shared side
 */
#ifndef SHMBUS_BUS_BUS_H
#define SHMBUS_BUS_BUS_H

#include "handle.h"
#include "segment.h"

struct bus_child;

struct bus {
    struct handle handle;
    struct segment segment;
    atomic_u32 references;      /* the table's, one per child, one per call in progress */
    struct bus_child *children; /* under the process-wide mutex of bus.c */
    struct bus *next;           /* all buses of the process: for fork */
};

struct child_kind;

/* What a publisher or subscriber handle starts with. */
struct bus_child {
    struct handle handle;
    struct bus *bus;
    struct bus_child *next;
    const struct child_kind *kind; /* api_child.h */
};

/* The bus of `key` with a reference, or NULL (-EBADF is set). */
struct bus *bus_get(shmbus_bus *key);

/* Drops a reference; the last one detaches the process. */
void bus_put(struct bus *bus);

/* Enters a child into the table and the bus's list. It takes a reference of its own. NULL: closed, or no memory. */
void *bus_adopt(struct bus_child *child);

/* Takes a finished child off its bus. */
void bus_release(struct bus_child *child);

#endif
