/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A read-only view of a bus, as the parts of inspect.h share it. Every value is loaded once and bounded; nothing is
 * written, nothing taken.
 *
 * concurrency   a view is used by one thread at a time; everybody may change the bus meanwhile
 * killed        nothing is held
 */
#ifndef SHMBUS_BUS_INSPECT_VIEW_H
#define SHMBUS_BUS_INSPECT_VIEW_H

#include "layout_check.h"
#include "participant.h"

#include <shmbus/inspect.h>

/* A channel once looked at stays mapped: looking again costs no system call. */
struct view_channel {
    uint32_t generation;
    void *base;      /* NULL: not mapped */
    uint64_t offset; /* of it in the file */
    struct channel_geometry geometry;
    struct ring ring;
};

struct shmbus_view {
    char name[NAME_SIZE]; /* of the bus; of a copy as its header says */
    bool copy;
    int fd;
    const struct shm_header *header;
    const struct shm_entry *entries;
    struct bus_geometry geometry;
    struct participant observer; /* table and fd only: nobody's owner */
    struct view_channel *channels;
};

/* -EINVAL when one of them is NULL; -EFAULT when the segment was taken away. */
int view_check(const shmbus_view *view, const void *out);

/* Channel `index`, mapped. NULL: `*err` is -ENOENT when there is none, or -EBADMSG. */
struct view_channel *view_channel(struct shmbus_view *view, uint32_t index, int *err);

bool view_channel_is_live(const struct shmbus_view *view, uint32_t index);

/*
 * After a look at channel `index`: 0 if it was of the channel that is mapped. Else -ENOENT: it was removed meanwhile, and
 * what was read may be another's.
 */
int view_channel_stays(const struct shmbus_view *view, uint32_t index);

/* 1, 0, or SHMBUS_UNKNOWN. */
int view_alive(const struct shmbus_view *view, uint64_t owner);

/* Who owns participant entry `index` now. */
uint64_t view_owner(const struct shmbus_view *view, uint32_t index);

/* Copies a name out of the segment, ended by a 0 whatever it is there. */
static inline void view_name(char name[NAME_SIZE], const char *shared)
{
    memcpy(name, shared, NAME_SIZE - 1);
    name[NAME_SIZE - 1] = '\0';
}

#endif
