/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "os_event.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int os_event_open(void)
{
    const int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

void os_event_signal(int fd)
{
    const uint64_t one = 1;
    /* It fails only where it would overflow, and is readable then. */
    const ssize_t written = write(fd, &one, sizeof one);
    (void)written;
}

void os_event_drain(int fd)
{
    uint64_t count;
    const ssize_t got = read(fd, &count, sizeof count); /* EAGAIN: it was not readable */
    (void)got;
}

void os_event_close(int fd)
{
    (void)close(fd);
}
