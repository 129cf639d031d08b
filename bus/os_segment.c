/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "os_segment.h"

#include "limits.h"
#include "os_guard.h"

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
#define DESCRIPTORS "/proc/self/fd/"

/* Room for "/dev/shm/shmbus." and a name. */
struct segment_path {
    char text[NAME_SIZE + 32];
};

static struct segment_path segment_path(const char *name)
{
    struct segment_path path = {.text = SEGMENT_DIRECTORY "/" SEGMENT_PREFIX};
    /* Not by printf(): what an attached process touches of libc is memory that it may have to pay for. */
    memcpy(path.text + strlen(path.text), name, strnlen(name, NAME_SIZE));
    return path;
}

static bool is_regular(int fd)
{
    struct stat file;
    return fstat(fd, &file) == 0 && S_ISREG(file.st_mode);
}

/* The errors of an open() that has met something else than a regular file. */
static bool is_foreign(int err)
{
    return err == ELOOP || err == EISDIR || err == ENXIO || err == ENODEV;
}

/* Others may have put anything there: a FIFO to be waited at, a terminal. */
static int open_regular(const char *path, int flags)
{
    const int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return is_foreign(errno) ? -EBADMSG : -errno;
    }
    if (!is_regular(fd)) {
        (void)close(fd);
        return -EBADMSG;
    }
    return fd;
}

int os_segment_open(const char *name, bool writable)
{
    return open_regular(segment_path(name).text, (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW);
}

int os_segment_open_copy(const char *path)
{
    return open_regular(path, O_RDONLY);
}

int os_segment_create(void)
{
    const int fd = open(SEGMENT_DIRECTORY, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return fd >= 0 ? fd : -errno;
}

int os_segment_write(int fd, const void *data, size_t size)
{
    const ssize_t written = pwrite(fd, data, size, 0);
    return written == (ssize_t)size ? 0 : written < 0 ? -errno : -EIO;
}

int os_segment_read(int fd, void *data, size_t size)
{
    const ssize_t got = pread(fd, data, size, 0);
    return got == (ssize_t)size ? 0 : got < 0 ? -errno : -EIO;
}

static struct segment_path descriptor_path(int fd)
{
    struct segment_path path = {.text = DESCRIPTORS};
    char *digit = path.text + strlen(path.text);
    for (int rest = fd; rest >= 10; rest /= 10) {
        digit++;
    }
    for (int rest = fd; digit >= path.text + strlen(DESCRIPTORS); rest /= 10) {
        *digit-- = (char)('0' + rest % 10);
    }
    return path;
}

int os_segment_publish(int fd, const char *name)
{
    const struct segment_path path = segment_path(name);
    if (linkat(fd, "", AT_FDCWD, path.text, AT_EMPTY_PATH) == 0) {
        return 0;
    }
    if (errno == EEXIST) {
        return -EEXIST;
    }
    /* Before Linux 6.10 only with CAP_DAC_READ_SEARCH; this way anybody may. */
    if (linkat(AT_FDCWD, descriptor_path(fd).text, AT_FDCWD, path.text, AT_SYMLINK_FOLLOW) == 0) {
        return 0;
    }
    return errno == ENOENT ? -EOPNOTSUPP : -errno;
}

int os_segment_unlink(const char *name)
{
    return unlink(segment_path(name).text) == 0 ? 0 : -errno;
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
        .gid = file.st_gid,
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
    const int err = os_guard_watch(mapped, size, fd);
    if (err != 0) {
        (void)munmap(mapped, size);
        return err;
    }
    *address = mapped;
    return 0;
}

void os_segment_unmap(void *address, uint64_t size)
{
    os_guard_unwatch(address);
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
