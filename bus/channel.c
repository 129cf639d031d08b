/* SPDX-License-Identifier: Apache-2.0 */
#include "channel.h"

#include "directory.h"
#include "error.h"
#include "os_guard.h"
#include "os_lock.h"
#include "os_segment.h"
#include "waiter.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static struct channel *find_open(const struct segment *segment, uint32_t index)
{
    struct channel *channel = segment->channels;
    while (channel && channel->index != index) {
        channel = channel->next;
    }
    return channel;
}

bool channel_is_open(const struct segment *segment, uint32_t index)
{
    return find_open(segment, index) != NULL;
}

static int map(struct segment *segment, const char *name, uint32_t index, struct channel **out)
{
    struct channel *channel = calloc(1, sizeof *channel);
    if (!channel) {
        return error_set(-ENOMEM, "no memory for a channel");
    }
    uint64_t offset, size;
    void *base = NULL;
    int err = directory_extent(segment, index, &offset, &size);
    err = err ? err : os_segment_map(segment->fd, offset, size, true, &base);
    err = err ? err : layout_check_channel(base, size, &channel->geometry);
    err = err ? err : os_lock_shared(segment->self.lock_fd, LOCK_CHANNEL(index));
    if (err != 0) {
        if (base) {
            os_segment_unmap(base, size);
        }
        free(channel);
        return err;
    }
    layout_ring(&channel->geometry, base, &channel->ring);
    os_guard_tell(base, &channel->ring.shared->removed);
    channel->segment = segment;
    channel->index = index;
    memcpy(channel->name, name, strlen(name));
    channel->next = segment->channels;
    segment->channels = channel;
    *out = channel;
    return 0;
}

static int differs(const char *channel, const char *what, uint64_t asked, uint64_t there)
{
    if (asked == 0 || asked == there) {
        return 0;
    }
    return error_set(-EEXIST, "channel \"%s\" exists with %s %" PRIu64 ", not %" PRIu64, channel, what, there,
                     asked);
}

static int check_same(const char *name, const shmbus_channel_options *asked,
                      const shmbus_channel_options *there)
{
    int err = differs(name, "producers (1 single, 2 multi)", asked->producers, there->producers);
    err = err ? err : differs(name, "overflow (1 block, 2 overwrite)", asked->overflow, there->overflow);
    err = err ? err : differs(name, "slots", asked->slots, there->slots);
    err = err ? err : differs(name, "slot_size", asked->slot_size, there->slot_size);
    err = err ? err : differs(name, "arena", asked->arena, there->arena);
    err = err ? err : differs(name, "largest", asked->largest, there->largest);
    err = err ? err : differs(name, "publishers", asked->publishers, there->publishers);
    err = err ? err : differs(name, "groups", asked->groups, there->groups);
    err = err ? err : differs(name, "members", asked->members, there->members);
    err = err ? err : differs(name, "type", asked->type, there->type);
    return err ? err : differs(name, "first_sequence", asked->first_sequence, there->first_sequence);
}

static int create_missing(struct segment *segment, const char *name, const shmbus_channel_options *options)
{
    struct channel_geometry geometry;
    const int err = layout_channel(options, &geometry);
    return err ? err : directory_create(segment, name, &geometry);
}

/*
 * The geometry of a channel that is there, whether this attachment uses it or not. -EIDRM: it is being removed, and who
 * did that has died.
 */
static int geometry_of(struct segment *segment, uint32_t index, struct channel_geometry *geometry)
{
    uint64_t offset, size;
    void *base;
    int err = directory_extent(segment, index, &offset, &size);
    err = err ? err : os_segment_map(segment->fd, offset, PAGE_SIZE_SHARED, false, &base);
    if (err == 0) {
        const struct shm_channel *channel = base;
        const bool removed = load32_acquire(&channel->removed) != 0; /* [acq:removed] */
        err = removed ? -EIDRM : layout_check_channel(base, size, geometry);
        os_segment_unmap(base, PAGE_SIZE_SHARED);
    }
    return err;
}

/* The entry of `name`, with the channel's geometry. */
static int find(struct segment *segment, const char *name, struct channel_geometry *geometry)
{
    const int index = directory_find(segment, name);
    if (index < 0) {
        return index;
    }
    const int err = geometry_of(segment, (uint32_t)index, geometry);
    if (err == -EIDRM) {
        directory_remove(segment, (uint32_t)index);
        return -ENOENT;
    }
    return err ? err : index;
}

int channel_create(struct segment *segment, const char *name, const shmbus_channel_options *options)
{
    int err = layout_check_name("channel", name);
    if (err != 0) {
        return err;
    }
    struct channel_geometry geometry = {0};
    const int index = find(segment, name, &geometry);
    if (index == -ENOENT) {
        return create_missing(segment, name, options);
    }
    if (index >= 0 && options) {
        err = check_same(name, options, &geometry.options);
    }
    return err ? err : index;
}

int channel_open(struct segment *segment, const char *name, const shmbus_channel_options *options,
                 struct channel **channel)
{
    int index = layout_check_name("channel", name);
    if (index == 0) {
        struct channel_geometry geometry = {0};
        index = options ? channel_create(segment, name, options) : find(segment, name, &geometry);
    }
    if (index == -ENOENT) {
        return error_set(-ENOENT, "bus \"%s\" has no channel \"%s\"", segment->name, name);
    }
    if (index < 0) {
        return index;
    }
    *channel = find_open(segment, (uint32_t)index);
    if (!*channel) {
        const int err = map(segment, name, (uint32_t)index, channel);
        if (err != 0) {
            return err;
        }
    }
    (*channel)->references++;
    return 0;
}

void channel_close(struct channel *channel)
{
    if (--channel->references > 0) {
        return;
    }
    struct segment *segment = channel->segment;
    struct channel **link = &segment->channels;
    while (*link != channel) {
        link = &(*link)->next;
    }
    *link = channel->next;
    (void)os_lock_release(segment->self.lock_fd, LOCK_CHANNEL(channel->index));
    os_segment_unmap(channel->ring.shared, channel->geometry.size);
    free(channel);
    directory_reclaim(segment);
}

int channel_remove(struct segment *segment, const char *name)
{
    struct channel *channel = NULL;
    const int err = channel_open(segment, name, NULL, &channel);
    if (err != 0) {
        return err;
    }
    store32_release(&channel->ring.shared->removed, 1); /* [rel:removed] */
    waiter_tell(&channel->ring.shared->data, &segment->self);
    waiter_tell(&channel->ring.shared->space, &segment->self);
    directory_remove(segment, channel->index);
    channel_close(channel);
    return 0;
}

int channel_removed_error(const struct channel *channel)
{
    if (os_guard_lost(channel->ring.shared)) {
        return segment_lost_error(channel->segment->name);
    }
    return error_set(-EIDRM, "channel \"%s\" was removed", channel->name);
}
