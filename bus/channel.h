/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A channel mapped by this attachment, shared by all its publishers and subscribers here.
 *
 *   call                       who                            may overlap with
 *   channel_create/open/close  holder of the directory lock   use of the ring by others
 *   channel_removed            anybody                        everything
 *
 * killed        the mapping and the shared lock on LOCK_CHANNEL(index), which says "in use", go with the
 *               process.
 */
#ifndef SHMBUS_BUS_CHANNEL_H
#define SHMBUS_BUS_CHANNEL_H

#include "segment.h"

struct channel {
    struct ring ring;
    struct segment *segment;
    struct channel *next; /* segment->channels */
    struct channel_geometry geometry;
    char name[NAME_SIZE];
    uint32_t index; /* of its directory entry */
    uint32_t references;
};

/* Creates the channel, or checks that the one there has the options that are not 0. Its index or an error. */
int channel_create(struct segment *segment, const char *name, const shmbus_channel_options *options);

/* Maps the channel and takes a reference. `options` NULL: it must be there. */
int channel_open(struct segment *segment, const char *name, const shmbus_channel_options *options,
                 struct channel **channel);

/* Drops a reference; the last one unmaps. */
void channel_close(struct channel *channel);

/*
 * Removes it from the directory and wakes everybody who waits on it. Its users are told first: killed between, the
 * next who opens the channel finishes the removal.
 */
int channel_remove(struct segment *segment, const char *name);

/* Has this attachment mapped the channel of entry `index`? */
bool channel_is_open(const struct segment *segment, uint32_t index);

static inline bool channel_removed(const struct channel *channel)
{
    return load32_acquire(&channel->ring.shared->removed) != 0; /* [acq:removed] */
}

/* The error for calls on a removed channel, or on one whose memory was taken away. */
int channel_removed_error(const struct channel *channel);

#endif
