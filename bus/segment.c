/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "segment.h"

#include "error.h"
#include "os_clock.h"
#include "os_lock.h"
#include "os_process.h"
#include "os_segment.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define OPEN_ATTEMPTS 100

int segment_lock(struct segment *segment)
{
    (void)pthread_mutex_lock(&segment->mutex);
    const int err = os_lock_wait(segment->self.lock_fd, LOCK_DIRECTORY);
    if (err != 0) {
        (void)pthread_mutex_unlock(&segment->mutex);
        return error_set(err, "cannot lock the directory of bus \"%s\": %s", segment->name,
                         strerrordesc_np(-err));
    }
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
    return 0;
}

void segment_unlock(struct segment *segment)
{
    (void)os_lock_release(segment->self.lock_fd, LOCK_DIRECTORY);
    (void)pthread_mutex_unlock(&segment->mutex);
}

static bool same_file(int a, int b)
{
    struct os_segment_status first, second;
    return os_segment_status(a, &first) == 0 && os_segment_status(b, &second) == 0 &&
           first.device == second.device && first.inode == second.inode;
}

static int open_error(int err, const char *name)
{
    switch (err) {
    case -ENOENT:
        return error_set(err, "there is no bus \"%s\"", name);
    case -EEXIST:
        return error_set(err, "there is a bus \"%s\" already", name);
    case -EACCES:
        return error_set(err,
                         "no permission to read and write /dev/shm/shmbus.%s: ask its owner for another mode "
                         "or group",
                         name);
    default:
        return error_set(err, "cannot open /dev/shm/shmbus.%s: %s", name, strerrordesc_np(-err));
    }
}

/* The file, twice: one description is mapped, the other holds the locks. -EAGAIN: it changed meanwhile. */
static int open_files(struct segment *segment, const shmbus_bus_options *options, bool *created)
{
    int fd =
        options->open == SHMBUS_OPEN_EXISTING ? -ENOENT : os_segment_create(segment->name, options->mode);
    *created = fd >= 0;
    if (fd < 0 && (fd == -EEXIST || options->open == SHMBUS_OPEN_EXISTING)) {
        fd = os_segment_open(segment->name, true);
    }
    if (fd < 0) {
        return fd == -ENOENT && options->open != SHMBUS_OPEN_EXISTING ? -EAGAIN : fd;
    }
    const int lock_fd = os_segment_open(segment->name, true);
    if (lock_fd < 0 || !same_file(fd, lock_fd)) {
        os_segment_close(fd);
        if (lock_fd >= 0) {
            os_segment_close(lock_fd);
        }
        return lock_fd >= 0 || lock_fd == -ENOENT ? -EAGAIN : lock_fd;
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

/* Fills a segment that has no magic yet: reserved first, the magic last. */
static int initialise(struct segment *segment, const shmbus_bus_options *options)
{
    struct bus_geometry *geometry = &segment->geometry;
    layout_bus(options->participants, options->channels, geometry);
    int err = os_segment_reserve(segment->fd, 0, geometry->header_size);
    if (err != 0) {
        return error_set(err,
                         "bus \"%s\" needs %" PRIu64 " bytes, /dev/shm has %" PRIu64
                         " free: enlarge it (mount "
                         "-o remount,size=..., docker --shm-size) or ask for fewer participants and channels",
                         segment->name, geometry->header_size, os_segment_free(segment->fd));
    }
    err = map_header(segment, geometry->header_size);
    if (err != 0) {
        return err;
    }
    struct shm_header *header = segment->header;
    header->fingerprint = LAYOUT_FINGERPRINT;
    header->participants = geometry->participants;
    header->channels = geometry->channels;
    header->participants_offset = geometry->participants_offset;
    header->entries_offset = geometry->entries_offset;
    header->header_size = geometry->header_size;
    header->created_ns = os_clock_realtime();
    memcpy(header->name, segment->name, sizeof header->name);
    store64_relaxed(&header->size, geometry->header_size);
    store64_release(&header->magic, SEGMENT_MAGIC); /* [rel:magic] */
    return 0;
}

/* A file that a creator left before it published the magic: empty, or reserved and still without it. */
static bool unfinished(struct segment *segment, uint64_t size)
{
    if (size == 0) {
        return true;
    }
    void *address;
    if (size < sizeof(struct shm_header) ||
        os_segment_map(segment->fd, 0, PAGE_SIZE_SHARED, false, &address) != 0) {
        return false;
    }
    const struct shm_header *header = address;
    const uint64_t fingerprint = header->fingerprint;
    const bool is = load64_acquire(&header->magic) == 0 && /* [acq:magic] */
                    (fingerprint == 0 || fingerprint == LAYOUT_FINGERPRINT) && size % PAGE_SIZE_SHARED == 0;
    os_segment_unmap(address, PAGE_SIZE_SHARED);
    return is;
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

/* Under the directory lock: a usable header, made or found. */
static int prepare(struct segment *segment, const shmbus_bus_options *options, bool created)
{
    struct os_segment_status status;
    int err = os_segment_status(segment->fd, &status);
    if (err != 0) {
        return open_error(err, segment->name);
    }
    if (status.links == 0) {
        return -EAGAIN; /* removed between the open and the lock */
    }
    if (unfinished(segment, status.size)) {
        if (options->open == SHMBUS_OPEN_EXISTING) {
            return error_set(
                -ENODATA,
                "the creator of bus \"%s\" has not finished, or died before it did: open it with "
                "leave to create, or remove it (shmbus rm %s)",
                segment->name, segment->name);
        }
        return initialise(segment, options);
    }
    if (options->open == SHMBUS_CREATE_NEW && !created) {
        return open_error(-EEXIST, segment->name);
    }
    return check(segment, status.size);
}

static int attach(struct segment *segment, const shmbus_bus_options *options)
{
    unsigned char *base = (unsigned char *)segment->header;
    segment->entries = (void *)(base + segment->geometry.entries_offset);
    segment->self.table = (void *)(base + segment->geometry.participants_offset);
    segment->self.count = segment->geometry.participants;
    segment->self.fenced = options->fenced != 0;
    return participant_attach(&segment->self, options->participant_name);
}

static int try_open(struct segment *segment, const shmbus_bus_options *options)
{
    bool created;
    int err = open_files(segment, options, &created);
    if (err != 0) {
        return err == -EAGAIN ? err : open_error(err, segment->name);
    }
    err = segment_lock(segment);
    if (err != 0) {
        close_files(segment);
        return err;
    }
    segment->header = NULL;
    err = prepare(segment, options, created);
    err = err ? err : attach(segment, options);
    if (err != 0 && err != -EAGAIN && created) {
        (void)os_segment_unlink(segment->name);
    }
    segment_unlock(segment);
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
    int err = -EAGAIN;
    for (int i = 0; i < OPEN_ATTEMPTS && (err == -EAGAIN || err == -ENODATA); i++) {
        err = try_open(segment, options); /* again: it is being created, or was replaced meanwhile */
        if (err == -EAGAIN || err == -ENODATA) {
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
