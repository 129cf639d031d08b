/* SPDX-License-Identifier: Apache-2.0 */
#include "directory.h"

#include "channel.h"
#include "error.h"
#include "os_lock.h"
#include "os_segment.h"

#include <inttypes.h>
#include <string.h>

static uint32_t state_of(const struct shm_entry *entry)
{
    return load32_acquire(&entry->state); /* [acq:entry] */
}

int directory_find(struct segment *segment, const char *name)
{
    for (uint32_t i = 0; i < segment->geometry.channels; i++) {
        const struct shm_entry *entry = &segment->entries[i];
        if (state_of(entry) == ENTRY_LIVE && strncmp(entry->name, name, NAME_SIZE) == 0) {
            return (int)i;
        }
    }
    return -ENOENT;
}

bool directory_name(const struct segment *segment, uint32_t index, char name[NAME_SIZE])
{
    const struct shm_entry *entry = &segment->entries[index];
    memcpy(name, entry->name, NAME_SIZE);
    name[NAME_SIZE - 1] = '\0';
    return state_of(entry) == ENTRY_LIVE;
}

/* An extent that lies in the file, as every honest one does. */
static bool is_inside(const struct segment *segment, uint64_t offset, uint64_t size)
{
    struct os_segment_status status;
    return os_segment_status(segment->fd, &status) == 0 && offset % PAGE_SIZE_SHARED == 0 &&
           offset >= segment->geometry.header_size && size <= status.size && offset <= status.size - size;
}

int directory_extent(struct segment *segment, uint32_t index, uint64_t *offset, uint64_t *size)
{
    *offset = load64_relaxed(&segment->entries[index].offset);
    *size = load64_relaxed(&segment->entries[index].size);
    if (!is_inside(segment, *offset, *size) || *size < sizeof(struct shm_channel)) {
        return error_set(
            -EBADMSG, "damaged directory: channel %u lies at %" PRIu64 " + %" PRIu64 ", outside of the file",
            index, *offset, *size);
    }
    return 0;
}

/* First offset behind the header where `size` bytes touch no extent in use. */
static uint64_t free_offset(const struct segment *segment, uint64_t size)
{
    uint64_t offset = segment->geometry.header_size;
    for (uint32_t i = 0; i < segment->geometry.channels; i++) {
        const struct shm_entry *entry = &segment->entries[i];
        const uint64_t start = load64_relaxed(&entry->offset);
        const uint64_t length = load64_relaxed(&entry->size);
        const uint64_t end = start + length;
        if (state_of(entry) != ENTRY_FREE && is_inside(segment, start, length) && start < offset + size &&
            offset < end) {
            offset = (end + PAGE_SIZE_SHARED - 1) & ~(uint64_t)(PAGE_SIZE_SHARED - 1);
            i = UINT32_MAX; /* ends only rise: look at all again */
        }
    }
    return offset;
}

/* Slots start with the stamp of the lap before their first message; zeroed memory is that for sequence 0. */
static void fill_slots(const struct ring *ring)
{
    for (uint64_t i = 0; ring->first_sequence != 0 && i < ring->slot_count; i++) {
        const uint64_t sequence = ring->first_sequence + i;
        store64_relaxed(ring_slot(ring, sequence), stamp_make(ring_lap(ring, sequence) - 1, 0, 0, 0));
    }
}

static int fill_channel(struct segment *segment, uint64_t offset, const struct channel_geometry *geometry)
{
    void *base;
    const int err = os_segment_map(segment->fd, offset, geometry->size, true, &base);
    if (err != 0) {
        return error_set(err, "cannot map %" PRIu64 " bytes for a channel", geometry->size);
    }
    const shmbus_channel_options *o = &geometry->options;
    struct shm_channel *channel = base;
    channel->producers = o->producers;
    channel->overflow = o->overflow;
    channel->slots = o->slots;
    channel->slot_size = o->slot_size;
    channel->arena = o->arena;
    channel->largest = o->largest;
    channel->publishers = o->publishers;
    channel->groups = o->groups;
    channel->members = o->members;
    channel->type = o->type;
    channel->first_sequence = o->first_sequence;
    channel->publishers_offset = geometry->publishers_offset;
    channel->groups_offset = geometry->groups_offset;
    channel->members_offset = geometry->members_offset;
    channel->latencies_offset = geometry->latencies_offset;
    channel->slots_offset = geometry->slots_offset;
    channel->arena_offset = geometry->arena_offset;
    channel->size = geometry->size;
    channel->magic = CHANNEL_MAGIC;
    struct ring ring;
    layout_ring(geometry, base, &ring);
    fill_slots(&ring);
    store64_relaxed(&channel->tail, position_make(o->first_sequence, (uint32_t)o->first_sequence));
    os_segment_unmap(base, geometry->size);
    return 0;
}

static int reserve(struct segment *segment, const char *name, uint64_t offset, uint64_t size)
{
    const int err = os_segment_reserve(segment->fd, offset, size);
    if (err != 0) {
        return error_set(err,
                         "channel \"%s\" needs %" PRIu64 " bytes, /dev/shm has %" PRIu64
                         " free: enlarge it (mount "
                         "-o remount,size=..., docker --shm-size) or ask for a smaller arena or fewer slots",
                         name, size, os_segment_free(segment->fd));
    }
    if (offset + size > load64_relaxed(&segment->header->size)) {
        store64_relaxed(&segment->header->size, offset + size);
    }
    return 0;
}

static int free_entry(struct segment *segment)
{
    for (uint32_t i = 0; i < segment->geometry.channels; i++) {
        if (state_of(&segment->entries[i]) == ENTRY_FREE) {
            return (int)i;
        }
    }
    return error_set(-EUSERS, "all %u channel entries of bus \"%s\" are taken; create it with more channels",
                     segment->geometry.channels, segment->name);
}

static void free_extent(struct segment *segment, struct shm_entry *entry)
{
    const uint64_t offset = load64_relaxed(&entry->offset);
    const uint64_t size = load64_relaxed(&entry->size);
    if (size > 0 && is_inside(segment, offset, size)) {
        (void)os_segment_punch(segment->fd, offset, size);
    }
    store32_release(&entry->state, ENTRY_FREE); /* [rel:entry] */
}

int directory_create(struct segment *segment, const char *name, const struct channel_geometry *geometry)
{
    directory_reclaim(segment);
    const int index = free_entry(segment);
    if (index < 0) {
        return index;
    }
    struct shm_entry *entry = &segment->entries[index];
    const uint64_t offset = free_offset(segment, geometry->size);
    store64_relaxed(&entry->offset, offset);
    store64_relaxed(&entry->size, geometry->size);
    store32_release(&entry->state, ENTRY_CREATING); /* [rel:entry] */
    fence_release();                                /* [rel:entry] before anything is written there */
    int err = reserve(segment, name, offset, geometry->size);
    err = err ? err : fill_channel(segment, offset, geometry);
    if (err != 0) {
        free_extent(segment, entry);
        return err;
    }
    store32_release(&entry->generation,
                    load32_relaxed(&entry->generation) + 1); /* [rel:entry] the extent before it */
    memset(entry->name, 0, sizeof entry->name);
    memcpy(entry->name, name, strlen(name));
    store32_release(&entry->state, ENTRY_LIVE); /* [rel:entry] */
    return index;
}

void directory_remove(struct segment *segment, uint32_t index)
{
    store32_release(&segment->entries[index].state, ENTRY_REMOVED); /* [rel:entry] */
}

void directory_reclaim(struct segment *segment)
{
    for (uint32_t i = 0; i < segment->geometry.channels; i++) {
        struct shm_entry *entry = &segment->entries[i];
        const uint32_t state = state_of(entry);
        const bool unused = state == ENTRY_REMOVED || state == ENTRY_CREATING;
        if (unused && !channel_is_open(segment, i) &&
            !os_lock_is_held(segment->self.lock_fd, LOCK_CHANNEL(i))) {
            free_extent(segment, entry);
        }
    }
}
