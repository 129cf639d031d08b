/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In front of the library (-Wl,--wrap): the flipper's own test. SHMBUS_PLANT names the mistake that it must find.
 *
 *   arena    the arena is taken for larger than it is
 *   hang     whoever meets a damaged entry tries for ever
 */
#include "channel.h"
#include "directory.h"
#include "layout_check.h"

#include <stdlib.h>
#include <string.h>

int __wrap_directory_extent(struct segment *segment, uint32_t index, uint64_t *offset, uint64_t *size);
int __real_directory_extent(struct segment *segment, uint32_t index, uint64_t *offset, uint64_t *size);
void __wrap_layout_ring(const struct channel_geometry *geometry, void *base, struct ring *ring);
void __real_layout_ring(const struct channel_geometry *geometry, void *base, struct ring *ring);

static bool is_planted(const char *mistake)
{
    const char *planted = getenv("SHMBUS_PLANT");
    return planted && strcmp(planted, mistake) == 0;
}

int __wrap_directory_extent(struct segment *segment, uint32_t index, uint64_t *offset, uint64_t *size)
{
    const int err = __real_directory_extent(segment, index, offset, size);
    for (volatile bool damaged = err != 0 && is_planted("hang"); damaged;) {
    }
    return err;
}

void __wrap_layout_ring(const struct channel_geometry *geometry, void *base, struct ring *ring)
{
    __real_layout_ring(geometry, base, ring);
    ring->arena_lines <<= is_planted("arena") ? 10 : 0;
}
