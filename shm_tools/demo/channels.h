/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The demo's two channels: their names and shapes, which whoever comes first creates and the others check.
 * Constants only: any process may use them.
 */
#ifndef DEMO_CHANNELS_H
#define DEMO_CHANNELS_H

#include <string.h>

#include "plan.h"

#define CHANNEL_LINES "lines"
#define CHANNEL_BLOBS "blobs"

/* Lines: everything by default. Most lie in their 64-byte slot, the longer ones in the arena. */
static const shmbus_channel_options channel_lines = {.producers = SHMBUS_SINGLE};

/* Blobs: an arena of 8 MiB has room for seven messages of 1 MiB and a header, and stays in a cache. */
static const shmbus_channel_options channel_blobs = {
    .producers = SHMBUS_SINGLE,
    .slots = 64,
    .arena = UINT64_C(8) << 20,
    .largest = DEMO_BLOB_SIZE + sizeof(demo_header),
};

static inline const shmbus_channel_options *channel_shape(const char *name)
{
    return strcmp(name, CHANNEL_BLOBS) ? &channel_lines : &channel_blobs;
}

#endif
