/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bus's segment, created or opened, with this process attached to it.
 *
 *   call                    who                          may overlap with
 *   segment_open            any thread, any process      everything
 *   segment_lock/unlock     any thread                   everything: they serialise
 *   segment_close           the last user of the struct  others' segments
 *
 * killed        everything that changes the header, the directory or a table happens under the directory
 *               lock, which the kernel releases. A segment without its magic is finished by the next
 *               opener that may create it.
 */
#ifndef SHMBUS_BUS_SEGMENT_H
#define SHMBUS_BUS_SEGMENT_H

#include "layout_check.h"
#include "participant.h"

#include <pthread.h>

struct channel;

struct segment {
    char name[NAME_SIZE];
    int fd; /* mapped */
    struct shm_header *header;
    struct shm_entry *entries;
    struct bus_geometry geometry;
    struct participant self;
    pthread_mutex_t mutex;    /* beside the directory lock, which does not exclude threads */
    struct channel *channels; /* those this attachment has mapped; under the lock */
};

/* Opens or creates, attaches. Errors: those of shmbus_open(). */
int segment_open(struct segment *segment, const char *name, const shmbus_bus_options *options);

/* Detaches and unmaps. */
void segment_close(struct segment *segment);

/* In a forked child: lets go of the parent's locks without releasing them. */
void segment_forget(struct segment *segment);

/* The directory lock: creation, joining, leaving, recovery. */
int segment_lock(struct segment *segment);

/* -EAGAIN when another thread or process has it. */
int segment_try_lock(struct segment *segment);

void segment_unlock(struct segment *segment);

#endif
