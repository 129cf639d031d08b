/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In front of the library's mappings (-Wl,--wrap): each lies between two ranges that nobody may touch, so that
 * an index that is out of bounds is a crash and not a stranger's byte.
 */
#define _GNU_SOURCE
#include "os_guard.h"
#include "os_segment.h"

#include <errno.h>
#include <sys/mman.h>

#define GUARD (UINT64_C(256) << 20)

int __wrap_os_segment_map(int fd, uint64_t offset, uint64_t size, bool writable, void **address);
void __wrap_os_segment_unmap(void *address, uint64_t size);

static uint64_t pages(uint64_t size)
{
    return (size + 4095) & ~UINT64_C(4095);
}

int __wrap_os_segment_map(int fd, uint64_t offset, uint64_t size, bool writable, void **address)
{
    const uint64_t whole = GUARD + pages(size) + GUARD;
    unsigned char *around = mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (around == MAP_FAILED) {
        return -errno;
    }
    const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void *mapped = mmap(around + GUARD, size, protection, MAP_SHARED | MAP_FIXED, fd, (off_t)offset);
    if (mapped == MAP_FAILED) {
        const int err = -errno;
        (void)munmap(around, whole);
        return err;
    }
    *address = mapped;
    return os_guard_watch(mapped, size, fd);
}

void __wrap_os_segment_unmap(void *address, uint64_t size)
{
    os_guard_unwatch(address);
    (void)munmap((unsigned char *)address - GUARD, GUARD + pages(size) + GUARD);
}
