/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bus's segment, created or opened, with this process attached to it.
 *
 *   call                    who                          may overlap with
 *   segment_open            any thread, any process      everything
 *   segment_lock/unlock     any thread                   everything: they serialise
 *   segment_close           the last user of the struct  others' segments
 *
 * killed        a segment is complete before it has a name: its creator leaves all of it or nothing. Whatever
 *               changes the header, the directory or a table later happens under the directory lock, which the
 *               kernel releases.
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

/* Explains why the file of the bus `name` could not be opened. Returns `err`. */
int segment_open_error(int err, const char *name, bool writable);

/* Detaches and unmaps. */
void segment_close(struct segment *segment);

/* In a forked child: lets go of the parent's locks without releasing them. */
void segment_forget(struct segment *segment);

/* The directory lock: creation, joining, leaving, recovery. */
int segment_lock(struct segment *segment);

/* -EAGAIN when another thread or process has it. */
int segment_try_lock(struct segment *segment);

void segment_unlock(struct segment *segment);

/* Is its memory there? -EFAULT: it was taken away, and the SIGBUS guard has noticed. -EBADMSG: it is damaged. */
int segment_check(const struct segment *segment);

/* The error for calls on a bus whose memory was taken away. */
int segment_lost_error(const char *name);

#endif
