/* SPDX-License-Identifier: Apache-2.0 */
/* inspect.h: opening a view; the bus and its participants. */
#define _GNU_SOURCE
#include "error.h"
#include "inspect_view.h"
#include "os_guard.h"
#include "os_lock.h"
#include "os_segment.h"
#include "segment.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct list_request {
    int (*each)(void *context, const char *name);
    void *context;
};

static int list_valid(void *context, const char *name)
{
    const struct list_request *request = context;
    return layout_check_name("bus", name) == 0 ? request->each(request->context, name) : 0;
}

int shmbus_list(int (*each)(void *context, const char *name), void *context)
{
    if (!each) {
        return error_set(-EINVAL, "no callback");
    }
    struct list_request request = {each, context};
    const int err = os_segment_list(list_valid, &request);
    return err == 0 ? 0 : error_set(err, "cannot list /dev/shm: %s", strerrordesc_np(-err));
}

int shmbus_view_guard(void)
{
    const int err = os_guard_install();
    return err == 0 ? 0 : error_set(err, "cannot install a handler of SIGBUS: %s", strerrordesc_np(-err));
}

/* ------------------------------------------------------------------------------------------ opening */

static int map_error(const struct shmbus_view *view, int err)
{
    return error_set(err, "cannot map bus \"%s\": %s", view->name, strerrordesc_np(-err));
}

/* Is it a bus, and how is it laid out? */
static int check_header(struct shmbus_view *view)
{
    struct os_segment_status status;
    void *page;
    int err = os_segment_status(view->fd, &status);
    if (err == 0 && status.size < sizeof(struct shm_header)) {
        return error_set(-EBADMSG, "not a shmbus segment: %" PRIu64 " bytes, the header alone has %zu",
                         status.size, sizeof(struct shm_header));
    }
    err = err ? err : os_segment_map(view->fd, 0, PAGE_SIZE_SHARED, false, &page);
    if (err != 0) {
        return map_error(view, err);
    }
    uint64_t size;
    do { /* a header that says more than the file had may be of a channel that was added meanwhile */
        size = status.size;
        err = layout_check_bus(page, size, &view->geometry);
    } while (err != 0 && os_segment_status(view->fd, &status) == 0 && status.size != size);
    os_segment_unmap(page, PAGE_SIZE_SHARED);
    return err;
}

/* A read-only mapping with write protection: the cast in layout_ring() never leads to a store from here. */
static int map_header(struct shmbus_view *view)
{
    void *base;
    int err = check_header(view);
    if (err != 0) {
        return err;
    }
    err = os_segment_map(view->fd, 0, view->geometry.header_size, false, &base);
    if (err != 0) {
        return map_error(view, err);
    }
    view->header = base;
    view->entries = (void *)((unsigned char *)base + view->geometry.entries_offset);
    view->observer.table = (void *)((unsigned char *)base + view->geometry.participants_offset);
    view->observer.count = view->geometry.participants;
    view->observer.lock_fd = view->fd;
    if (view->copy) {
        view_name(view->name, view->header->name);
    }
    view->channels = calloc(view->geometry.channels, sizeof *view->channels);
    if (!view->channels) {
        os_segment_unmap(base, view->geometry.header_size);
        return error_set(-ENOMEM, "no memory for a view of %u channels", view->geometry.channels);
    }
    return 0;
}

static int open_view(struct shmbus_view *view, int fd, shmbus_view **out)
{
    view->fd = fd;
    const int err = map_header(view);
    if (err != 0) {
        os_segment_close(fd);
        free(view);
        return err;
    }
    *out = view;
    return 0;
}

static struct shmbus_view *new_view(shmbus_view **out, int *err)
{
    struct shmbus_view *view = out ? calloc(1, sizeof *view) : NULL;
    if (!view) {
        *err = error_set(out ? -ENOMEM : -EINVAL,
                         out ? "no memory for a view" : "no place for the view: `view` is NULL");
    }
    return view;
}

int shmbus_view_open(const char *name, shmbus_view **out)
{
    int err = layout_check_name("bus", name);
    struct shmbus_view *view = err == 0 ? new_view(out, &err) : NULL;
    if (!view) {
        return err;
    }
    memcpy(view->name, name, strlen(name));
    const int fd = os_segment_open(name, false);
    if (fd < 0) {
        free(view);
        return segment_open_error(fd, name, false);
    }
    return open_view(view, fd, out);
}

int shmbus_view_open_file(const char *path, shmbus_view **out)
{
    int err = path ? 0 : error_set(-EINVAL, "no file: `path` is NULL");
    struct shmbus_view *view = err == 0 ? new_view(out, &err) : NULL;
    if (!view) {
        return err;
    }
    view->copy = true;
    const int fd = os_segment_open_copy(path);
    if (fd < 0) {
        free(view);
        return error_set(fd, "cannot open %s: %s", path,
                         fd == -EBADMSG ? "it is no regular file" : strerrordesc_np(-fd));
    }
    return open_view(view, fd, out);
}

static void unmap_channel(struct view_channel *channel)
{
    if (channel->base) {
        os_segment_unmap(channel->base, channel->geometry.size);
        channel->base = NULL;
    }
}

void shmbus_view_close(shmbus_view *view)
{
    if (!view) {
        return;
    }
    for (uint32_t i = 0; i < view->geometry.channels; i++) {
        unmap_channel(&view->channels[i]);
    }
    os_segment_unmap((void *)view->header, view->geometry.header_size);
    os_segment_close(view->fd);
    free(view->channels);
    free(view);
}

/* ---------------------------------------------------------------------------- what the parts share */

int view_check(const shmbus_view *view, const void *out)
{
    if (!view || !out) {
        return error_set(-EINVAL, "the view, cursor or place for the answer is NULL");
    }
    return os_guard_lost(view->header) ? segment_lost_error(view->name) : 0;
}

bool view_channel_is_live(const struct shmbus_view *view, uint32_t index)
{
    return load32_acquire(&view->entries[index].state) == ENTRY_LIVE; /* [acq:entry] */
}

uint64_t view_owner(const struct shmbus_view *view, uint32_t index)
{
    const uint64_t state = load64_acquire(&view->observer.table[index].state); /* [acq:participant] */
    return (state >> 32 << 32) | (index + 1);
}

int view_alive(const struct shmbus_view *view, uint64_t owner)
{
    return view->copy ? SHMBUS_UNKNOWN : participant_alive(&view->observer, owner);
}

static int map_channel(struct shmbus_view *view, uint32_t index, struct view_channel *channel)
{
    struct os_segment_status status;
    const uint64_t offset = load64_relaxed(&view->entries[index].offset);
    const uint64_t size = load64_relaxed(&view->entries[index].size);
    int err = os_segment_status(view->fd, &status);
    if (err == 0 && (offset % PAGE_SIZE_SHARED != 0 || size < PAGE_SIZE_SHARED || size > status.size ||
                     offset > status.size - size)) {
        return error_set(-EBADMSG, "damaged directory: channel %u lies outside the file", index);
    }
    void *base;
    err = err ? err : os_segment_map(view->fd, offset, size, false, &base);
    if (err != 0) {
        return error_set(err, "cannot map channel %u: %s", index, strerrordesc_np(-err));
    }
    err = layout_check_channel(base, size, &channel->geometry);
    if (err != 0) {
        os_segment_unmap(base, size);
        return err;
    }
    layout_ring(&channel->geometry, base, &channel->ring);
    channel->base = base;
    channel->offset = offset;
    return 0;
}

int view_channel_stays(const struct shmbus_view *view, uint32_t index)
{
    fence_acquire(); /* [acq:entry] what was read before the entry: a successor's bytes show that it has changed */
    if (view_channel_is_live(view, index) &&
        load32_relaxed(&view->entries[index].generation) == view->channels[index].generation) {
        return 0;
    }
    return error_set(-ENOENT, "bus \"%s\" has no channel number %u any more", view->name, index);
}

struct view_channel *view_channel(struct shmbus_view *view, uint32_t index, int *err)
{
    if (index >= view->geometry.channels || !view_channel_is_live(view, index)) {
        *err = error_set(-ENOENT, "bus \"%s\" has no channel number %u", view->name, index);
        return NULL;
    }
    struct view_channel *channel = &view->channels[index];
    const uint32_t generation = load32_acquire(&view->entries[index].generation); /* [acq:entry] */
    if (channel->base && channel->generation == generation) {
        return channel;
    }
    unmap_channel(channel);
    *err = map_channel(view, index, channel);
    channel->generation = generation;
    /* What looks damaged, or sound, may have been given to another channel, or back, meanwhile. */
    const int gone = view_channel_stays(view, index);
    if (gone != 0 && *err == 0) {
        unmap_channel(channel);
    }
    *err = gone != 0 ? gone : *err;
    return *err == 0 ? channel : NULL;
}

/* ---------------------------------------------------------------------------- bus and participants */

/* Does somebody use what the entry stands for, or will soon? */
static bool is_held(const struct shmbus_view *view, uint32_t index, bool changing)
{
    const uint32_t state = load32_acquire(&view->entries[index].state); /* [acq:entry] */
    return state == ENTRY_LIVE || (state == ENTRY_CREATING && changing) ||
           (state == ENTRY_REMOVED && !view->copy && os_lock_is_held(view->fd, LOCK_CHANNEL(index)));
}

/* Channels are allocated whole: what is in memory and not theirs, nor the header's, is nobody's. */
static void count_channels(const struct shmbus_view *view, shmbus_bus_info *info)
{
    uint64_t held = view->geometry.header_size;
    for (uint32_t i = 0; i < view->geometry.channels; i++) {
        const uint64_t size = load64_relaxed(&view->entries[i].size);
        if (is_held(view, i, info->changing) && size <= info->size) {
            held += size;
        }
        info->channels += view_channel_is_live(view, i);
        info->removed += load32_relaxed(&view->entries[i].state) == ENTRY_REMOVED && is_held(view, i, false);
    }
    info->unused = info->size > held ? info->size - held : 0;
    info->leaked = info->resident > held && !view->copy ? info->resident - held : 0;
}

static bool is_attached(const struct shm_participant *entry)
{
    return (uint32_t)load64_acquire(&entry->state) == PARTICIPANT_ATTACHED; /* [acq:participant] */
}

static void count_participants(const struct shmbus_view *view, shmbus_bus_info *info)
{
    for (uint32_t i = 0; i < view->geometry.participants; i++) {
        if (is_attached(&view->observer.table[i])) {
            const bool dead = view_alive(view, view_owner(view, i)) == 0;
            info->participants += !dead;
            info->dead += dead;
        }
    }
}

int shmbus_view_bus(shmbus_view *view, shmbus_bus_info *info)
{
    struct os_segment_status status;
    int err = view_check(view, info);
    err = err ? err : os_segment_status(view->fd, &status);
    if (err != 0) {
        return err;
    }
    *info = (shmbus_bus_info){
        .copy = view->copy,
        .size = status.size,
        .resident = status.resident,
        .mode = status.mode,
        .uid = status.uid,
        .gid = status.gid,
        .created_ns = view->header->created_ns,
        .participants_max = view->geometry.participants,
        .channels_max = view->geometry.channels,
        .fingerprint = LAYOUT_FINGERPRINT,
        .changing = !view->copy && os_lock_is_held(view->fd, LOCK_DIRECTORY),
        .changer_pid = load32_relaxed(&view->header->changer),
        .changer_namespace = load64_relaxed(&view->header->changer_namespace),
    };
    memcpy(info->name, view->name, sizeof info->name);
    count_participants(view, info);
    count_channels(view, info);
    return 0;
}

int shmbus_view_participant(shmbus_view *view, uint32_t *cursor, shmbus_participant_info *info)
{
    const int err = view_check(view, cursor && info ? info : NULL);
    if (err != 0) {
        return err;
    }
    for (; *cursor < view->geometry.participants; ++*cursor) {
        const struct shm_participant *entry = &view->observer.table[*cursor];
        if (!is_attached(entry)) {
            continue;
        }
        const uint64_t owner = view_owner(view, *cursor);
        const uint32_t flags = load32_relaxed(&entry->flags);
        *info = (shmbus_participant_info){
            .index = *cursor,
            .generation = (uint32_t)(owner >> 32),
            .pid = load32_relaxed(&entry->pid),
            .pid_namespace = entry->pid_namespace,
            .attached_ns = entry->attached_ns,
            .alive = view_alive(view, owner),
            .registered = (flags & PARTICIPANT_REGISTERED) != 0,
            .timed = (flags & PARTICIPANT_TIMED) != 0,
        };
        view_name(info->name, entry->name);
        memcpy(info->host, entry->host, sizeof info->host - 1);
        ++*cursor;
        return 1;
    }
    return 0;
}
