/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "os_lock.h"

#include <errno.h>
#include <fcntl.h>

static int lock_bytes(int fd, int command, int type, int64_t first, int64_t count, struct flock *lock)
{
    *lock = (struct flock){.l_type = (short)type, .l_whence = SEEK_SET, .l_start = first, .l_len = count};
    int result;
    do {
        result = fcntl(fd, command, lock);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : -errno;
}

static int lock_call(int fd, int command, int type, int64_t byte, struct flock *lock)
{
    return lock_bytes(fd, command, type, byte, 1, lock);
}

int os_lock_wait(int fd, int64_t byte)
{
    struct flock lock;
    return lock_call(fd, F_OFD_SETLKW, F_WRLCK, byte, &lock);
}

int os_lock_try(int fd, int64_t byte)
{
    struct flock lock;
    return lock_call(fd, F_OFD_SETLK, F_WRLCK, byte, &lock);
}

int os_lock_shared(int fd, int64_t byte)
{
    struct flock lock;
    return lock_call(fd, F_OFD_SETLK, F_RDLCK, byte, &lock);
}

int os_lock_release(int fd, int64_t byte)
{
    struct flock lock;
    return lock_call(fd, F_OFD_SETLK, F_UNLCK, byte, &lock);
}

/* Would a lock of this type meet another? When the kernel cannot answer, nobody is declared dead. */
static bool conflicts(int fd, int type, int64_t first, int64_t count)
{
    struct flock lock;
    return lock_bytes(fd, F_OFD_GETLK, type, first, count, &lock) != 0 || lock.l_type != F_UNLCK;
}

bool os_lock_is_held(int fd, int64_t byte)
{
    return conflicts(fd, F_WRLCK, byte, 1);
}

bool os_lock_is_owned(int fd, int64_t byte)
{
    return conflicts(fd, F_RDLCK, byte, 1);
}

bool os_lock_any_owned(int fd, int64_t first, int64_t count)
{
    return conflicts(fd, F_RDLCK, first, count);
}
