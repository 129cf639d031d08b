/* SPDX-License-Identifier: Apache-2.0 */
/* Removing buses by name. */
#define _GNU_SOURCE
#include "error.h"
#include "os_lock.h"
#include "os_segment.h"
#include "segment.h"

#include <errno.h>
#include <string.h>

int shmbus_remove(const char *name)
{
    int err = layout_check_name("bus", name);
    if (err != 0) {
        return err;
    }
    err = os_segment_unlink(name);
    return err == 0 ? 0 : error_set(err, "cannot remove bus \"%s\": %s", name, strerrordesc_np(-err));
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
    err = err ? err : os_segment_unlink(name);
    return err == 0 ? 0 : error_set(err, "cannot remove bus \"%s\": %s", name, strerrordesc_np(-err));
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
    err = os_lock_try(fd, LOCK_DIRECTORY);
    err = err == 0 ? unlink_unused(fd, name)
                   : error_set(-EBUSY, "bus \"%s\" is in use: somebody is changing its directory", name);
    os_segment_close(fd); /* and with it the lock */
    return err;
}
