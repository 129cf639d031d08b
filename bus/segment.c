/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "segment.h"

#include "error.h"
#include "os_access.h"
#include "os_clock.h"
#include "os_guard.h"
#include "os_lock.h"
#include "os_process.h"
#include "os_segment.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define OPEN_ATTEMPTS 100

/* A label for people who find the bus stuck: nothing is decided by it. */
static void sign(const struct segment *segment)
{
    if (segment->header) { /* else it is not mapped yet */
        store32_relaxed(&segment->header->changer, os_process_id());
        store64_relaxed(&segment->header->changer_namespace, segment->self.pid_namespace);
    }
}

int segment_lock(struct segment *segment)
{
    (void)pthread_mutex_lock(&segment->mutex);
    const int err = os_lock_wait(segment->self.lock_fd, LOCK_DIRECTORY);
    if (err != 0) {
        (void)pthread_mutex_unlock(&segment->mutex);
        return error_set(err, "cannot lock the directory of bus \"%s\": %s", segment->name,
                         strerrordesc_np(-err));
    }
    sign(segment);
    return 0;
}

int segment_try_lock(struct segment *segment)
{
    if (pthread_mutex_trylock(&segment->mutex) != 0) {
        return -EAGAIN;
    }
    const int err = os_lock_try(segment->self.lock_fd, LOCK_DIRECTORY);
    if (err != 0) {
        (void)pthread_mutex_unlock(&segment->mutex);
        return -EAGAIN;
    }
    sign(segment);
    return 0;
}

void segment_unlock(struct segment *segment)
{
    (void)os_lock_release(segment->self.lock_fd, LOCK_DIRECTORY);
    (void)pthread_mutex_unlock(&segment->mutex);
}

int segment_lost_error(const char *name)
{
    return error_set(
        -EFAULT,
        "the memory of bus \"%s\" was taken away: its segment was truncated, or a hole in it could not "
        "be filled; close the bus, remove it, and look for who writes into it",
        name);
}

int segment_check(const struct segment *segment)
{
    /* This touches the header: if it has gone, we know now. */
    if (load64_relaxed(&segment->header->magic) == SEGMENT_MAGIC) {
        return 0;
    }
    return os_guard_lost(segment->header)
               ? segment_lost_error(segment->name)
               : error_set(-EBADMSG, "bus \"%s\" is damaged: its header was overwritten", segment->name);
}

static bool same_file(int a, int b)
{
    struct os_segment_status first, second;
    return os_segment_status(a, &first) == 0 && os_segment_status(b, &second) == 0 &&
           first.device == second.device && first.inode == second.inode;
}

int segment_open_error(int err, const char *name, bool writable)
{
    switch (err) {
    case -ENOENT:
        return error_set(err, "there is no bus \"%s\"", name);
    case -EEXIST:
        return error_set(err, "there is a bus \"%s\" already", name);
    case -EACCES:
        return error_set(
            err, "no permission to %s /dev/shm/shmbus.%s: ask its owner for another mode, group or ACL",
            writable ? "read and write" : "read", name);
    case -EBADMSG:
        return error_set(
            err,
            "not a shmbus segment: /dev/shm/shmbus.%s is no regular file, but a link, a directory, a "
            "FIFO or the like: ask its owner (ls -l) what it is for",
            name);
    default:
        return error_set(err, "cannot open /dev/shm/shmbus.%s: %s", name, strerrordesc_np(-err));
    }
}

static int create_error(int err, const struct segment *segment)
{
    if (err == -EOPNOTSUPP) {
        return error_set(
            err,
            "cannot create bus \"%s\": this needs a tmpfs at /dev/shm, and /proc or Linux 6.10 or "
            "CAP_DAC_READ_SEARCH",
            segment->name);
    }
    return error_set(err, "cannot create bus \"%s\" in /dev/shm: %s", segment->name, strerrordesc_np(-err));
}

static int give_to_group(const struct segment *segment, int fd, const char *group)
{
    uint32_t gid;
    int err = os_access_group(group, &gid);
    if (err != 0) {
        return error_set(-EINVAL, "group is \"%s\", but there is no such group: %s", group,
                         strerrordesc_np(-err));
    }
    err = os_access_set_group(fd, gid);
    return err == 0
               ? 0
               : error_set(
                     err, "cannot give bus \"%s\" to group \"%s\": %s: its creator must be a member, or root",
                     segment->name, group, strerrordesc_np(-err));
}

/* While the file has no name nobody else can open it: there is no moment in which the wrong ones could. */
static int grant(const struct segment *segment, const shmbus_bus_options *options, int fd)
{
    int err = options->group ? give_to_group(segment, fd, options->group) : 0;
    if (err != 0) {
        return err;
    }
    err = os_access_set_mode(fd, options->mode);
    if (err != 0 || !options->acl) {
        return err ? create_error(err, segment) : 0;
    }
    err = os_access_set_acl(fd, options->mode, options->acl);
    return err == 0
               ? 0
               : error_set(
                     err,
                     "cannot give bus \"%s\" the ACL \"%s\": %s: it needs entries like u:alice:rw,g:ops:r",
                     segment->name, options->acl, strerrordesc_np(-err));
}

/* Reserved first: a full /dev/shm is an error here, and never a SIGBUS. */
static int fill(const struct segment *segment, const shmbus_bus_options *options, int fd)
{
    struct bus_geometry geometry;
    layout_bus(options->participants, options->channels, &geometry);
    const int err = os_segment_reserve(fd, 0, geometry.header_size);
    if (err != 0) {
        return error_set(err,
                         "bus \"%s\" needs %" PRIu64 " bytes, /dev/shm has %" PRIu64
                         " free: enlarge it (mount "
                         "-o remount,size=..., docker --shm-size) or ask for fewer participants and channels",
                         segment->name, geometry.header_size, os_segment_free(fd));
    }
    struct shm_header header = {
        .magic = SEGMENT_MAGIC,
        .fingerprint = LAYOUT_FINGERPRINT,
        .participants = geometry.participants,
        .channels = geometry.channels,
        .participants_offset = geometry.participants_offset,
        .entries_offset = geometry.entries_offset,
        .header_size = geometry.header_size,
        .size = geometry.header_size,
        .created_ns = os_clock_realtime(),
    };
    memcpy(header.name, segment->name, sizeof header.name);
    const int written = os_segment_write(fd, &header, sizeof header);
    return written == 0 ? 0 : create_error(written, segment);
}

/* Makes the whole segment before it gets its name: who is killed here leaves nothing. An fd or an error. */
static int create(const struct segment *segment, const shmbus_bus_options *options)
{
    const int fd = os_segment_create();
    if (fd < 0) {
        return create_error(fd, segment);
    }
    int err = grant(segment, options, fd);
    err = err ? err : fill(segment, options, fd);
    if (err == 0) {
        err = os_segment_publish(fd, segment->name);
        err = err == 0 || err == -EEXIST ? err : create_error(err, segment);
    }
    if (err != 0) {
        os_segment_close(fd);
        return err;
    }
    return fd;
}

/* -EAGAIN: another one was first. */
static int open_or_create(const struct segment *segment, const shmbus_bus_options *options)
{
    int fd = os_segment_open(segment->name, true);
    if (fd == -ENOENT && options->open != SHMBUS_OPEN_EXISTING) {
        fd = create(segment, options);
        return fd == -EEXIST ? -EAGAIN : fd;
    }
    if (options->open == SHMBUS_CREATE_NEW) {
        if (fd >= 0) {
            os_segment_close(fd);
        }
        fd = -EEXIST;
    }
    return fd < 0 ? segment_open_error(fd, segment->name, true) : fd;
}

/* Who owns the file may have put anything into it, and may hold its locks for ever. */
static int check_owner(const struct segment *segment, const shmbus_bus_options *options)
{
    struct os_segment_status status;
    const int err = os_segment_status(segment->fd, &status);
    if (err != 0) {
        return segment_open_error(err, segment->name, true);
    }
    if (status.uid == os_access_user() || options->any_owner) {
        return 0;
    }
    return error_set(-EPERM,
                     "bus \"%s\" belongs to user %u, and this is user %u: who trusts that user opens it with "
                     "any_owner (shmbus --any-owner)",
                     segment->name, status.uid, os_access_user());
}

/* The file, twice: one description is mapped, the other holds the locks. -EAGAIN: it changed meanwhile. */
static int open_files(struct segment *segment, const shmbus_bus_options *options)
{
    const int fd = open_or_create(segment, options);
    if (fd < 0) {
        return fd;
    }
    const int lock_fd = os_segment_open(segment->name, true);
    if (lock_fd < 0 || !same_file(fd, lock_fd)) {
        os_segment_close(fd);
        if (lock_fd >= 0) {
            os_segment_close(lock_fd);
        }
        return lock_fd >= 0 || lock_fd == -ENOENT ? -EAGAIN
                                                  : segment_open_error(lock_fd, segment->name, true);
    }
    segment->fd = fd;
    segment->self.lock_fd = lock_fd;
    return 0;
}

static void close_files(struct segment *segment)
{
    os_segment_close(segment->fd);
    os_segment_close(segment->self.lock_fd);
}

static int map_header(struct segment *segment, uint64_t size)
{
    void *address;
    const int err = os_segment_map(segment->fd, 0, size, true, &address);
    if (err != 0) {
        return error_set(err, "cannot map %" PRIu64 " bytes of bus \"%s\": %s", size, segment->name,
                         strerrordesc_np(-err));
    }
    segment->header = address;
    return 0;
}

static int check(struct segment *segment, uint64_t size)
{
    if (size < sizeof(struct shm_header)) {
        return error_set(-EBADMSG,
                         "not a shmbus segment: /dev/shm/shmbus.%s has %" PRIu64 " bytes, the header alone "
                         "has %zu",
                         segment->name, size, sizeof(struct shm_header));
    }
    int err = map_header(segment, PAGE_SIZE_SHARED);
    if (err != 0) {
        return err;
    }
    err = layout_check_bus(segment->header, size, &segment->geometry);
    os_segment_unmap(segment->header, PAGE_SIZE_SHARED);
    segment->header = NULL;
    return err ? err : map_header(segment, segment->geometry.header_size);
}

/* Under the directory lock: a usable header. */
static int prepare(struct segment *segment)
{
    struct os_segment_status status;
    const int err = os_segment_status(segment->fd, &status);
    if (err != 0) {
        return segment_open_error(err, segment->name, true);
    }
    /* No name any more: it was removed between the open and the lock. */
    return status.links == 0 ? -EAGAIN : check(segment, status.size);
}

static int attach(struct segment *segment, const shmbus_bus_options *options)
{
    unsigned char *base = (unsigned char *)segment->header;
    segment->entries = (void *)(base + segment->geometry.entries_offset);
    segment->self.table = (void *)(base + segment->geometry.participants_offset);
    segment->self.count = segment->geometry.participants;
    return participant_attach(&segment->self, options->participant_name);
}

static int enter(struct segment *segment, const shmbus_bus_options *options)
{
    int err = check_owner(segment, options);
    err = err ? err : segment_lock(segment);
    if (err != 0) {
        return err;
    }
    err = prepare(segment);
    if (err == 0) {
        sign(segment);
        err = attach(segment, options);
    }
    segment_unlock(segment);
    return err;
}

static int try_open(struct segment *segment, const shmbus_bus_options *options)
{
    int err = open_files(segment, options);
    if (err != 0) {
        return err;
    }
    segment->header = NULL;
    err = enter(segment, options);
    if (err != 0) {
        if (segment->header) {
            os_segment_unmap(segment->header, segment->geometry.header_size);
        }
        close_files(segment);
    }
    return err;
}

int segment_open(struct segment *segment, const char *name, const shmbus_bus_options *options)
{
    memset(segment, 0, sizeof *segment);
    memcpy(segment->name, name, strlen(name) + 1);
    (void)pthread_mutex_init(&segment->mutex, NULL);
    segment->self.fenced = options->fenced != 0;
    participant_prepare(
        &segment->self); /* while there is nothing that a child of another thread could keep open */
    int err = -EAGAIN;
    for (int i = 0; i < OPEN_ATTEMPTS && err == -EAGAIN; i++) {
        err = try_open(segment, options); /* again: it was created, removed or replaced meanwhile */
        if (err == -EAGAIN) {
            os_yield();
        }
    }
    if (err != 0) {
        (void)pthread_mutex_destroy(&segment->mutex);
    }
    return err == -EAGAIN ? error_set(-EBUSY, "bus \"%s\" keeps being removed and created", name) : err;
}

void segment_close(struct segment *segment)
{
    participant_detach(&segment->self);
    os_segment_unmap(segment->header, segment->geometry.header_size);
    close_files(segment);
    (void)pthread_mutex_destroy(&segment->mutex);
}

void segment_forget(struct segment *segment)
{
    os_segment_close(segment->self.lock_fd);
    segment->self.lock_fd = -1;
}
