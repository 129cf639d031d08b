/* SPDX-License-Identifier: Apache-2.0 */
/* Removing buses by name. */
#define _GNU_SOURCE
#include "error.h"
#include "os_clock.h"
#include "os_lock.h"
#include "os_segment.h"
#include "segment.h"

#include <errno.h>
#include <string.h>

#define REMOVE_PATIENCE_NS INT64_C(100000000)
#define REMOVE_NAP_NS INT64_C(1000000)

static int unlink_bus(const char *name)
{
    const int err = os_segment_unlink(name);
    return err == 0 ? 0 : error_set(err, "cannot remove bus \"%s\": %s", name, strerrordesc_np(-err));
}

/* The lock is given back in so many words: a child that another thread forks meanwhile has the description too. */
static void let_go(int fd)
{
    (void)os_lock_release(fd, LOCK_DIRECTORY);
    os_segment_close(fd);
}

/* Is it the file that was opened first? */
static bool is_same(struct os_segment_status *first, const struct os_segment_status *now)
{
    if (first->inode == 0) {
        *first = *now;
    }
    return first->inode == now->inode && first->device == now->device;
}

/*
 * Waits until nobody holds the directory lock of the file that has the name, and takes it: whoever removes what nobody
 * uses must not find another bus under the name by the time it unlinks it. Not for long: a bus is removed because its
 * lock's holder is stopped, too. An fd to let go of behind the unlinking; or negative, -ESTALE if the file that had the
 * name has lost it.
 */
static int hold_directory(const char *name)
{
    const int64_t deadline = os_clock_monotonic() + REMOVE_PATIENCE_NS;
    struct os_segment_status first = {0};
    do {
        const int fd = os_segment_open(name, true);
        if (fd < 0) {
            return fd; /* it is gone, or may be unlinked by us and not opened */
        }
        struct os_segment_status status;
        const bool locked = os_lock_try(fd, LOCK_DIRECTORY) == 0;
        if (os_segment_status(fd, &status) == 0 && (status.links == 0 || !is_same(&first, &status))) {
            let_go(fd);
            return -ESTALE;
        }
        if (locked) {
            return fd;
        }
        os_segment_close(fd);
        os_clock_nap(REMOVE_NAP_NS);
    } while (os_clock_monotonic() < deadline);
    return -EBUSY;
}

int shmbus_remove(const char *name)
{
    int err = layout_check_name("bus", name);
    if (err != 0) {
        return err;
    }
    const int fd = hold_directory(name);
    err = fd == -ESTALE ? error_set(-ENOENT, "bus \"%s\" was removed meanwhile", name) : unlink_bus(name);
    if (fd >= 0) {
        let_go(fd);
    }
    return err;
}

/* Under the directory lock, without which nobody attaches: who opened the file before finds that its name is gone. */
static int unlink_unused(int fd, const char *name)
{
    struct os_segment_status status;
    uint64_t magic = 0;
    int err = os_segment_status(fd, &status);
    if (err == 0 && status.links == 0) {
        return segment_open_error(-ENOENT, name, true);
    }
    if (err == 0 && status.size >= sizeof magic) {
        err = os_segment_read(fd, &magic, sizeof magic);
    }
    if (err == 0 && magic != SEGMENT_MAGIC) {
        return error_set(-EBADMSG, "/dev/shm/shmbus.%s is not a shmbus segment: look what it is for", name);
    }
    if (err == 0 && os_lock_any_owned(fd, LOCK_PARTICIPANT(0), LOCK_PARTICIPANTS)) {
        return error_set(-EBUSY, "bus \"%s\" is in use: somebody is attached", name);
    }
    return err == 0 ? unlink_bus(name) : segment_open_error(err, name, true);
}

int shmbus_remove_unused(const char *name)
{
    int err = layout_check_name("bus", name);
    if (err != 0) {
        return err;
    }
    const int fd = os_segment_open(name, true);
    if (fd < 0) {
        return segment_open_error(fd, name, true);
    }
    if (os_lock_try(fd, LOCK_DIRECTORY) != 0) {
        os_segment_close(fd);
        return error_set(-EBUSY, "bus \"%s\" is in use: somebody is changing its directory", name);
    }
    err = unlink_unused(fd, name);
    let_go(fd);
    return err;
}
