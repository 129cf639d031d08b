/* SPDX-License-Identifier: Apache-2.0 */
/* inspect.h: read-only views. Every value is loaded once and bounded; nothing is written, nothing taken. */
#define _GNU_SOURCE
#include <shmbus/inspect.h>

#include "cursor.h"
#include "error.h"
#include "layout_check.h"
#include "os_guard.h"
#include "os_lock.h"
#include "os_segment.h"
#include "participant.h"
#include "ring_producer.h"
#include "segment.h"

#include <stdlib.h>
#include <string.h>

struct shmbus_view {
    char name[NAME_SIZE];
    int fd;
    const struct shm_header *header;
    const struct shm_entry *entries;
    struct bus_geometry geometry;
    struct participant observer; /* table and fd only: nobody's owner */
    /* The channel looked at last. */
    uint32_t channel; /* index, or UINT32_MAX */
    uint32_t generation;
    void *base;
    struct channel_geometry channel_geometry;
    struct ring ring;
};

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

/* A read-only mapping with write protection: the cast in layout_ring() never leads to a store from here. */
static int map_view(struct shmbus_view *view)
{
    struct os_segment_status status;
    void *page;
    int err = os_segment_status(view->fd, &status);
    if (err == 0 && status.size < sizeof(struct shm_header)) {
        return error_set(-EBADMSG, "not a shmbus segment: %llu bytes, the header alone has %zu",
                         (unsigned long long)status.size, sizeof(struct shm_header));
    }
    err = err ? err : os_segment_map(view->fd, 0, PAGE_SIZE_SHARED, false, &page);
    if (err != 0) {
        return error_set(err, "cannot map bus \"%s\": %s", view->name, strerrordesc_np(-err));
    }
    uint64_t size;
    do { /* a header that says more than the file had may be of a channel that was added meanwhile */
        size = status.size;
        err = layout_check_bus(page, size, &view->geometry);
    } while (err != 0 && os_segment_status(view->fd, &status) == 0 && status.size != size);
    os_segment_unmap(page, PAGE_SIZE_SHARED);
    if (err != 0) {
        return err;
    }
    err = os_segment_map(view->fd, 0, view->geometry.header_size, false, &page);
    if (err != 0) {
        return error_set(err, "cannot map bus \"%s\": %s", view->name, strerrordesc_np(-err));
    }
    unsigned char *base = page;
    view->header = page;
    view->entries = (void *)(base + view->geometry.entries_offset);
    view->observer.table = (void *)(base + view->geometry.participants_offset);
    view->observer.count = view->geometry.participants;
    view->observer.lock_fd = view->fd;
    return 0;
}

int shmbus_view_open(const char *name, shmbus_view **out)
{
    int err =
        out ? layout_check_name("bus", name) : error_set(-EINVAL, "no place for the view: `view` is NULL");
    if (err != 0) {
        return err;
    }
    struct shmbus_view *view = calloc(1, sizeof *view);
    if (!view) {
        return error_set(-ENOMEM, "no memory for a view");
    }
    memcpy(view->name, name, strlen(name));
    view->channel = UINT32_MAX;
    view->fd = os_segment_open(name, false);
    if (view->fd < 0) {
        err = segment_open_error(view->fd, name, false);
        free(view);
        return err;
    }
    err = map_view(view);
    if (err != 0) {
        os_segment_close(view->fd);
        free(view);
        return err;
    }
    *out = view;
    return 0;
}

static void drop_channel(struct shmbus_view *view)
{
    if (view->base) {
        os_segment_unmap(view->base, view->channel_geometry.size);
        view->base = NULL;
        view->channel = UINT32_MAX;
    }
}

void shmbus_view_close(shmbus_view *view)
{
    if (view) {
        drop_channel(view);
        os_segment_unmap((void *)view->header, view->geometry.header_size);
        os_segment_close(view->fd);
        free(view);
    }
}

static bool is_attached(const struct shm_participant *entry)
{
    return (uint32_t)load64_acquire(&entry->state) == PARTICIPANT_ATTACHED; /* [acq:participant] */
}

static uint64_t owner_of(const struct shmbus_view *view, uint32_t index)
{
    const uint64_t state = load64_acquire(&view->observer.table[index].state); /* [acq:participant] */
    return (state >> 32 << 32) | (index + 1);
}

static bool is_live_channel(const struct shmbus_view *view, uint32_t index)
{
    return load32_acquire(&view->entries[index].state) == ENTRY_LIVE; /* [acq:entry] */
}

static int check_arguments(const shmbus_view *view, const void *out)
{
    if (!view || !out) {
        return error_set(-EINVAL, "the view, cursor or place for the answer is NULL");
    }
    return os_guard_lost(view->header) ? segment_lost_error(view->name) : 0;
}

int shmbus_view_bus(shmbus_view *view, shmbus_bus_info *info)
{
    struct os_segment_status status;
    int err = check_arguments(view, info);
    err = err ? err : os_segment_status(view->fd, &status);
    if (err != 0) {
        return err;
    }
    *info = (shmbus_bus_info){
        .size = status.size,
        .resident = status.resident,
        .mode = status.mode,
        .uid = status.uid,
        .gid = status.gid,
        .participants_max = view->geometry.participants,
        .channels_max = view->geometry.channels,
        .fingerprint = LAYOUT_FINGERPRINT,
    };
    memcpy(info->name, view->name, sizeof info->name);
    for (uint32_t i = 0; i < view->geometry.participants; i++) {
        if (is_attached(&view->observer.table[i])) {
            const bool alive = participant_alive(&view->observer, owner_of(view, i));
            info->participants += alive;
            info->dead += !alive;
        }
    }
    for (uint32_t i = 0; i < view->geometry.channels; i++) {
        info->channels += is_live_channel(view, i);
    }
    return 0;
}

int shmbus_view_participant(shmbus_view *view, uint32_t *cursor, shmbus_participant_info *info)
{
    const int err = check_arguments(view, cursor && info ? info : NULL);
    if (err != 0) {
        return err;
    }
    for (; *cursor < view->geometry.participants; ++*cursor) {
        const struct shm_participant *entry = &view->observer.table[*cursor];
        if (!is_attached(entry)) {
            continue;
        }
        *info = (shmbus_participant_info){
            .index = *cursor,
            .generation = (uint32_t)(owner_of(view, *cursor) >> 32),
            .pid = load32_relaxed(&entry->pid),
            .alive = participant_alive(&view->observer, owner_of(view, *cursor)),
            .registered = (load32_relaxed(&entry->flags) & PARTICIPANT_REGISTERED) != 0,
            .timed = (load32_relaxed(&entry->flags) & PARTICIPANT_TIMED) != 0,
        };
        memcpy(info->name, entry->name, SHMBUS_NAME_MAX);
        ++*cursor;
        return 1;
    }
    return 0;
}

static int map_channel(struct shmbus_view *view, uint32_t index, uint32_t generation)
{
    struct os_segment_status status;
    void *base;
    const uint64_t offset = load64_relaxed(&view->entries[index].offset);
    const uint64_t size = load64_relaxed(&view->entries[index].size);
    int err = os_segment_status(view->fd, &status);
    if (err == 0 && (offset % PAGE_SIZE_SHARED != 0 || size < PAGE_SIZE_SHARED || size > status.size ||
                     offset > status.size - size)) {
        return error_set(-EBADMSG, "damaged directory: channel %u lies outside the file", index);
    }
    err = err ? err : os_segment_map(view->fd, offset, size, false, &base);
    if (err != 0) {
        return error_set(err, "cannot map channel %u: %s", index, strerrordesc_np(-err));
    }
    err = layout_check_channel(base, size, &view->channel_geometry);
    if (err != 0) {
        os_segment_unmap(base, size);
        return err;
    }
    layout_ring(&view->channel_geometry, base, &view->ring);
    view->base = base;
    view->channel = index;
    view->generation = generation;
    return 0;
}

/* Maps channel `index` unless it is the one mapped already. */
static int use_channel(struct shmbus_view *view, uint32_t index)
{
    if (index >= view->geometry.channels || !is_live_channel(view, index)) {
        return error_set(-ENOENT, "bus \"%s\" has no channel number %u", view->name, index);
    }
    const uint32_t generation = load32_relaxed(&view->entries[index].generation);
    if (view->base && view->channel == index && view->generation == generation) {
        return 0;
    }
    drop_channel(view);
    const int err = map_channel(view, index, generation);
    /* What looked damaged may have been given to another channel, or back, meanwhile. */
    if (err != 0 &&
        (!is_live_channel(view, index) || load32_relaxed(&view->entries[index].generation) != generation)) {
        return error_set(-ENOENT, "bus \"%s\" has no channel number %u any more", view->name, index);
    }
    return err;
}

static void count_users(const struct ring *ring, shmbus_channel_info *info)
{
    for (uint32_t i = 0; i < ring->publisher_max; i++) {
        info->publishers += load64_acquire(&ring->publishers[i].owner) != OWNER_NONE; /* [acq:owner] */
    }
    for (uint32_t i = 0; i < ring->group_max; i++) {
        info->groups += (load64_acquire(&ring->groups[i].state) & GROUP_ACTIVE) != 0; /* [acq:group-state] */
    }
    for (uint32_t i = 0; i < ring->member_max; i++) {
        info->members += member_joined(load64_acquire(&ring->members[i].owner)); /* [acq:owner] */
    }
}

int shmbus_view_channel(shmbus_view *view, uint32_t *cursor, shmbus_channel_info *info)
{
    int err = check_arguments(view, cursor && info ? info : NULL);
    if (err != 0) {
        return err;
    }
    err = -ENOENT;
    while (err == -ENOENT && *cursor < view->geometry.channels) {
        err = use_channel(view, (*cursor)++);
    }
    if (err != 0) {
        return err == -ENOENT ? 0 : err;
    }
    const uint32_t index = *cursor - 1;
    position tail;
    *info = (shmbus_channel_info){
        .index = index,
        .options = view->channel_geometry.options,
        .size = view->channel_geometry.size,
        .published = ring_tail(&view->ring, &tail),
    };
    memcpy(info->name, view->entries[index].name, SHMBUS_NAME_MAX);
    count_users(&view->ring, info);
    return 1;
}

int shmbus_view_publisher(shmbus_view *view, uint32_t channel, uint32_t *cursor, shmbus_publisher_info *info)
{
    int err = check_arguments(view, cursor && info ? info : NULL);
    err = err ? err : use_channel(view, channel);
    if (err != 0) {
        return err;
    }
    for (; *cursor < view->ring.publisher_max; ++*cursor) {
        const struct shm_publisher *entry = &view->ring.publishers[*cursor];
        const uint64_t owner = load64_acquire(&entry->owner); /* [acq:owner] */
        if (owner == OWNER_NONE) {
            continue;
        }
        *info = (shmbus_publisher_info){
            .index = (*cursor)++,
            .participant = participant_index(owner),
            .alive = participant_alive(&view->observer, owner),
            .stats =
                {
                    .messages = producer_messages(&view->ring, entry),
                    .bytes = load64_relaxed(&entry->bytes),
                    .aborted = load64_relaxed(&entry->aborted),
                    .blocked = load64_relaxed(&entry->blocked),
                    .sleeps = load64_relaxed(&entry->sleeps),
                    .wakes = load64_relaxed(&entry->wakes),
                },
        };
        return 1;
    }
    return 0;
}

static void add_counters(const struct shm_member *member, shmbus_group_info *info)
{
    info->messages += load64_relaxed(&member->messages);
    info->bytes += load64_relaxed(&member->bytes);
    info->missed += load64_relaxed(&member->missed);
    info->aborted += load64_relaxed(&member->aborted);
    info->redelivered += load64_relaxed(&member->redelivered);
}

/*
 * The group's position: the least that it holds, whether published by now or not. Member number `settled` - 1 is in
 * the group's totals already.
 */
static void add_members(const struct ring *ring, uint32_t group, uint32_t settled, uint64_t *sequence,
                        shmbus_group_info *info)
{
    const bool shared = info->shared;
    const uint64_t cursor = *sequence;
    for (uint32_t i = 0; i < ring->member_max; i++) {
        const struct shm_member *member = &ring->members[i];
        const uint64_t owner = load64_acquire(&member->owner);                /* [acq:owner] */
        if (owner == OWNER_NONE || load32_acquire(&member->group) != group) { /* [acq:member-group] */
            continue;
        }
        if (i + 1 != settled) {
            add_counters(member, info);
        }
        info->members += member_joined(owner);
        if (!member_in_use(owner)) {
            continue;
        }
        const uint64_t held =
            sequence_near(cursor, position_sequence(load64_acquire(&member->held))); /* [acq:held] */
        if (!shared && held > *sequence) {
            *sequence = held;
        }
        if (shared && load32_relaxed(&member->busy) && held < cursor) {
            const uint64_t end = sequence_near(cursor, load32_relaxed(&member->held_end));
            *sequence = held < *sequence ? held : *sequence;
            info->pending += (end < cursor ? end : cursor) - held;
        }
    }
}

static void fill_group(struct shmbus_view *view, uint32_t index, shmbus_group_info *info)
{
    const struct ring *ring = &view->ring;
    const struct shm_group *group = &ring->groups[index];
    const uint64_t state = load64_relaxed(&group->state);
    const uint32_t settled = load32_acquire(&group->settled); /* [acq:settled] */
    const struct shm_totals *totals = &group->totals[settled & 1];
    *info = (shmbus_group_info){
        .index = index,
        .shared = (state & GROUP_SHARED) != 0,
        .durable = (state & GROUP_DURABLE) != 0,
        .joined = load64_relaxed(&group->joined),
        .messages = load64_relaxed(&totals->messages),
        .bytes = load64_relaxed(&totals->bytes),
        .missed = load64_relaxed(&totals->missed),
        .aborted = load64_relaxed(&totals->aborted),
        .redelivered = load64_relaxed(&totals->redelivered),
    };
    memcpy(info->name, group->name, SHMBUS_NAME_MAX);
    const uint64_t cursor = cursor_sequence(ring, load64_acquire(&group->cursor)); /* [acq:cursor] */
    uint64_t sequence = cursor;
    add_members(ring, index, settled >> 1, &sequence, info);
    position tail;
    info->pending += ring_tail(ring, &tail) - (info->shared ? cursor : sequence);
    info->position = sequence;
}

int shmbus_view_group(shmbus_view *view, uint32_t channel, uint32_t *cursor, shmbus_group_info *info)
{
    int err = check_arguments(view, cursor && info ? info : NULL);
    err = err ? err : use_channel(view, channel);
    if (err != 0) {
        return err;
    }
    for (; *cursor < view->ring.group_max; ++*cursor) {
        if (load64_acquire(&view->ring.groups[*cursor].state) & GROUP_ACTIVE) { /* [acq:group-state] */
            fill_group(view, (*cursor)++, info);
            return 1;
        }
    }
    return 0;
}

int shmbus_view_member(shmbus_view *view, uint32_t channel, uint32_t *cursor, shmbus_member_info *info)
{
    int err = check_arguments(view, cursor && info ? info : NULL);
    err = err ? err : use_channel(view, channel);
    if (err != 0) {
        return err;
    }
    for (; *cursor < view->ring.member_max; ++*cursor) {
        const struct shm_member *member = &view->ring.members[*cursor];
        const uint64_t owner = load64_acquire(&member->owner); /* [acq:owner] */
        if (!member_in_use(owner)) {
            continue;
        }
        const uint64_t held = cursor_sequence(&view->ring, load64_acquire(&member->held)); /* [acq:held] */
        *info = (shmbus_member_info){
            .index = (*cursor)++,
            .group = load32_relaxed(&member->group),
            .participant = member_joined(owner) ? participant_index(owner) : UINT32_MAX,
            .alive = member_joined(owner) && participant_alive(&view->observer, owner),
            .held = load32_relaxed(&member->busy) ? load32_relaxed(&member->held_end) - (uint32_t)held : 0,
            .stats =
                {
                    .messages = load64_relaxed(&member->messages),
                    .bytes = load64_relaxed(&member->bytes),
                    .missed = load64_relaxed(&member->missed),
                    .aborted = load64_relaxed(&member->aborted),
                    .redelivered = load64_relaxed(&member->redelivered),
                    .sleeps = load64_relaxed(&member->sleeps),
                    .position = held,
                },
        };
        return 1;
    }
    return 0;
}
