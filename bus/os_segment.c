/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "os_segment.h"

#include "limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SEGMENT_DIRECTORY "/dev/shm"
#define SEGMENT_PREFIX "shmbus."

/* Room for "/shmbus." and a name. */
struct segment_path {
    char text[NAME_SIZE + 16];
};

static struct segment_path segment_path(const char *name)
{
    struct segment_path path = {.text = "/" SEGMENT_PREFIX};
    /* Not by printf(): what an attached process touches of libc is memory that it may have to pay for. */
    memcpy(path.text + strlen(path.text), name, strnlen(name, NAME_SIZE));
    return path;
}

int os_segment_open(const char *name, bool writable)
{
    const int fd = shm_open(segment_path(name).text, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC, 0);
    return fd >= 0 ? fd : -errno;
}

int os_segment_create(const char *name, uint32_t mode)
{
    const int fd = shm_open(segment_path(name).text, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -errno;
    }
    if (fchmod(fd, mode) != 0) {
        const int err = -errno;
        (void)close(fd);
        (void)os_segment_unlink(name);
        return err;
    }
    return fd;
}

int os_segment_unlink(const char *name)
{
    return shm_unlink(segment_path(name).text) == 0 ? 0 : -errno;
}

int os_segment_status(int fd, struct os_segment_status *status)
{
    struct stat file;
    if (fstat(fd, &file) != 0) {
        return -errno;
    }
    *status = (struct os_segment_status){
        .size = (uint64_t)file.st_size,
        .resident = (uint64_t)file.st_blocks * 512,
        .device = (uint64_t)file.st_dev,
        .inode = (uint64_t)file.st_ino,
        .mode = file.st_mode & 07777,
        .uid = file.st_uid,
        .links = (uint32_t)file.st_nlink,
    };
    return 0;
}

int os_segment_reserve(int fd, uint64_t offset, uint64_t size)
{
    int err;
    do {
        err = posix_fallocate(fd, (off_t)offset, (off_t)size);
    } while (err == EINTR);
    return -err;
}

int os_segment_punch(int fd, uint64_t offset, uint64_t size)
{
    const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    return fallocate(fd, mode, (off_t)offset, (off_t)size) == 0 ? 0 : -errno;
}

uint64_t os_segment_free(int fd)
{
    struct statvfs fs;
    return fstatvfs(fd, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
}

int os_segment_map(int fd, uint64_t offset, uint64_t size, bool writable, void **address)
{
    const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void *mapped = mmap(NULL, size, protection, MAP_SHARED, fd, (off_t)offset);
    if (mapped == MAP_FAILED) {
        return -errno;
    }
    *address = mapped;
    return 0;
}

void os_segment_unmap(void *address, uint64_t size)
{
    (void)munmap(address, size);
}

void os_segment_close(int fd)
{
    (void)close(fd);
}

int os_segment_list(int (*each)(void *context, const char *name), void *context)
{
    DIR *directory = opendir(SEGMENT_DIRECTORY);
    if (!directory) {
        return -errno;
    }
    const size_t prefix = strlen(SEGMENT_PREFIX);
    int stop = 0;
    for (struct dirent *file; !stop && (file = readdir(directory));) {
        if (strncmp(file->d_name, SEGMENT_PREFIX, prefix) == 0) {
            stop = each(context, file->d_name + prefix);
        }
    }
    (void)closedir(directory);
    return 0;
}
