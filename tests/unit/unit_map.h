/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test's segment, mapped behind the library's back: to look at, and to damage.
 *
 * concurrency   as the words themselves; damage is done while no other process is attached
 * killed        the mapping goes with the test
 */
#ifndef SHMBUS_TESTS_UNIT_MAP_H
#define SHMBUS_TESTS_UNIT_MAP_H

#include "unit.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "layout_check.h"

static inline struct shm_header *unit_map(void)
{
    const int fd = open(unit_path(), O_RDWR | O_CLOEXEC);
    check(fd >= 0);
    void *address = mmap(NULL, (size_t)unit_file().size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    check(address != MAP_FAILED);
    check_eq(close(fd), 0);
    return address;
}

static inline struct shm_entry *unit_entries(struct shm_header *header)
{
    return (struct shm_entry *)(void *)((unsigned char *)header + header->entries_offset);
}

/* The first channel's ring; all of it lies in the mapping. */
static inline struct ring unit_ring(struct shm_header *header)
{
    struct shm_entry *entry = unit_entries(header);
    unsigned char *base = (unsigned char *)header + load64_relaxed(&entry->offset);
    struct channel_geometry geometry;
    check_eq(layout_check_channel((void *)base, load64_relaxed(&entry->size), &geometry), 0);
    struct ring ring;
    layout_ring(&geometry, base, &ring);
    return ring;
}

/* Does somebody sleep there, or is about to? */
static inline bool unit_asleep(const struct shm_wait *wait)
{
    return (load64_relaxed(&wait->sleepers) & WAIT_ASLEEP) != 0;
}

#endif
