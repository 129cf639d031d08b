/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides whether bytes may be used as a segment or a channel: every size and offset is read once, bounded,
 * and copied into private memory. Also the one place that lays a channel out.
 *
 * concurrency   any thread; hostile writers may change the bytes meanwhile: only the copies are used
 * killed        writes private memory only
 */
#ifndef SHMBUS_BUS_LAYOUT_CHECK_H
#define SHMBUS_BUS_LAYOUT_CHECK_H

#include "layout.h"
#include "ring.h"

/* Private copy of the header's geometry. */
struct bus_geometry {
    uint32_t participants;
    uint32_t channels;
    uint64_t participants_offset;
    uint64_t entries_offset;
    uint64_t header_size;
};

/* Private copy of a channel's geometry: what it was created with and where its parts are. */
struct channel_geometry {
    shmbus_channel_options options; /* no field is 0, but `type`, `first_sequence`, `reserved` */
    uint64_t publishers_offset;
    uint64_t groups_offset;
    uint64_t members_offset;
    uint64_t latencies_offset;
    uint64_t slots_offset;
    uint64_t arena_offset;
    uint64_t size;
};

/* 0, or an error that names the field: 1..SHMBUS_NAME_MAX bytes, no '/', no control characters, no leading '.'. */
int layout_check_name(const char *what, const char *name);

void layout_bus(uint32_t participants, uint32_t channels, struct bus_geometry *geometry);

/* Is this a finished segment of our layout, as large as it says? `file_size` bytes are there. */
int layout_check_bus(const struct shm_header *header, uint64_t file_size, struct bus_geometry *geometry);

/* Completes `options` with defaults and lays the channel out, or says which value is out of its bounds. */
int layout_channel(const shmbus_channel_options *options, struct channel_geometry *geometry);

/* Is this a channel of exactly `size` bytes? */
int layout_check_channel(const struct shm_channel *channel, uint64_t size, struct channel_geometry *geometry);

/* Fills `ring` for the channel at `base`. */
void layout_ring(const struct channel_geometry *geometry, void *base, struct ring *ring);

#endif
