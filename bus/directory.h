/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names to channels: the segment's table of entries and the extents they own.
 *
 *   call          who                            may overlap with
 *   all of them   holder of the directory lock   readers of live entries (they check what they read)
 *
 * killed        an entry is CREATING from before its extent is reserved until the channel is complete, and
 *               REMOVED from its removal until nobody uses it: the next change undoes both.
 */
#ifndef SHMBUS_BUS_DIRECTORY_H
#define SHMBUS_BUS_DIRECTORY_H

#include "segment.h"

/* The live entry of `name`: its index, or -ENOENT. */
int directory_find(struct segment *segment, const char *name);

/* The name of live entry `index`; false when it is not live. */
bool directory_name(const struct segment *segment, uint32_t index, char name[NAME_SIZE]);

/* Reserves and fills a new channel; there is none of that name. Its index, or an error. */
int directory_create(struct segment *segment, const char *name, const struct channel_geometry *geometry);

/* Where the channel lies, bounded by the file; -EBADMSG when the entry is damaged. */
int directory_extent(struct segment *segment, uint32_t index, uint64_t *offset, uint64_t *size);

/* Marks the channel as removed; its memory goes once no attachment holds LOCK_CHANNEL(index). */
void directory_remove(struct segment *segment, uint32_t index);

/* Frees extents of removed and half-created channels that nobody uses. */
void directory_reclaim(struct segment *segment);

#endif
