/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segment files: POSIX shared memory named /shmbus.NAME, reserved before it is touched so that a full
 * /dev/shm is an error and never a SIGBUS.
 *
 * concurrency   any thread; callers serialise growth with the directory lock
 * killed        a reservation stays with the file; a file without a name, fds and mappings go with the process
 */
#ifndef SHMBUS_BUS_OS_SEGMENT_H
#define SHMBUS_BUS_OS_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct os_segment_status {
    uint64_t size;
    uint64_t resident; /* bytes in memory */
    uint64_t device;
    uint64_t inode;
    uint32_t mode;
    uint32_t uid;
    uint32_t gid;
    uint32_t links; /* 0 once the name was removed */
};

/* Opens the segment of the bus `name`: an fd or -errno. -EBADMSG: what is there is no regular file, but a link, say. */
int os_segment_open(const char *name, bool writable);

/* Opens a copy of a segment, at any path, for reading: an fd or -errno, as above. */
int os_segment_open_copy(const char *path);

/* A file without a name, mode 0600, which goes with its last descriptor: an fd or -errno. */
int os_segment_create(void);

/* Write and read the beginning of the file. */
int os_segment_write(int fd, const void *data, size_t size);
int os_segment_read(int fd, void *data, size_t size);

/*
 * Names the file, which makes it the segment of the bus `name`. -EEXIST when there is one; -EOPNOTSUPP: the kernel
 * wants to see it under /proc for that, and there is none.
 */
int os_segment_publish(int fd, const char *name);

/* Removes the name. */
int os_segment_unlink(const char *name);

int os_segment_status(int fd, struct os_segment_status *status);

/* Reserves [offset, offset + size) with zeroed memory, growing the file. -ENOSPC changes nothing. */
int os_segment_reserve(int fd, uint64_t offset, uint64_t size);

/* Gives the memory of [offset, offset + size) back; it reads as zero afterwards. */
int os_segment_punch(int fd, uint64_t offset, uint64_t size);

/* Free bytes in the file system of `fd`. */
uint64_t os_segment_free(int fd);

/* Maps [offset, offset + size). */
int os_segment_map(int fd, uint64_t offset, uint64_t size, bool writable, void **address);

void os_segment_unmap(void *address, uint64_t size);

void os_segment_close(int fd);

/* Calls `each` with the bus name of every segment file; stops when it returns non-0. */
int os_segment_list(int (*each)(void *context, const char *name), void *context);

#endif
