/* SPDX-License-Identifier: Apache-2.0 */
/* Facilities that are one system call, or a few. */
#define _GNU_SOURCE
#include "facilities.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static bool global_membarrier(void)
{
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0 &&
           syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) == 0;
}

static bool private_membarrier(void)
{
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0 &&
           syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}

/* Each of them returns at once: the word has another value. */
static bool futex(void)
{
    static uint32_t word = 1;
    const struct timespec forever = {.tv_sec = INT32_MAX};
    return syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 0, &forever, NULL, FUTEX_BITSET_MATCH_ANY) == -1 &&
           errno == EAGAIN;
}

static bool futex_waitv(void)
{
    static uint32_t word = 1;
    struct futex_waitv wait = {.uaddr = (uintptr_t)&word, .flags = FUTEX_32};
    return syscall(SYS_futex_waitv, &wait, 1, 0, NULL, CLOCK_MONOTONIC) == -1 && errno == EAGAIN;
}

static bool robust_list(void)
{
    static struct robust_list_head head;
    return syscall(SYS_set_robust_list, &head, sizeof head) == 0;
}

static bool io_uring(void)
{
    char params[120] = {0};
    const long fd = syscall(SYS_io_uring_setup, 4, params);
    return fd >= 0 && close((int)fd) == 0;
}

static bool seccomp(void)
{
    return prctl(PR_GET_SECCOMP) == 0;
}

static bool sub_reaper(void)
{
    return prctl(PR_SET_CHILD_SUBREAPER, 1) == 0;
}

static bool memory_file(void)
{
    const int fd = memfd_create("facility", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd >= 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0 && close(fd) == 0;
}

static bool named_late(void)
{
    char path[64], link[64];
    const int fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    (void)snprintf(path, sizeof path, "/dev/shm/facility.%d", (int)getpid());
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return fd >= 0 && linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0 && unlink(path) == 0 &&
           close(fd) == 0;
}

static bool named_by_descriptor(void)
{
    char path[64];
    const int fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    (void)snprintf(path, sizeof path, "/dev/shm/facility.%d", (int)getpid());
    return fd >= 0 && linkat(fd, "", AT_FDCWD, path, AT_EMPTY_PATH) == 0 && unlink(path) == 0 &&
           close(fd) == 0;
}

static bool allocation(void)
{
    const int fd = memfd_create("facility", MFD_CLOEXEC);
    return fd >= 0 && fallocate(fd, 0, 0, 1 << 20) == 0 &&
           fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 << 16) == 0 && close(fd) == 0;
}

static bool event_in_epoll(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    const int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK), poll = epoll_create1(EPOLL_CLOEXEC);
    return fd >= 0 && poll >= 0 && epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) == 0 &&
           epoll_wait(poll, &event, 1, 0) == 1;
}

static bool signal_descriptor(void)
{
    sigset_t set;
    struct signalfd_siginfo info;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR1);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    const int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd >= 0 && raise(SIGUSR1) == 0 && read(fd, &info, sizeof info) == sizeof info &&
           info.ssi_signo == SIGUSR1;
}

static bool own_program(void)
{
    char path[4096];
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    path[length > 0 ? length : 0] = 0;
    return strstr(path, "facilities") != NULL;
}

/* Our call is a read(): does /proc call it by our number? */
static bool call_numbers(void)
{
    long number = -1;
    FILE *file = fopen("/proc/thread-self/syscall", "re");
    const bool shown = file && fscanf(file, "%ld", &number) == 1;
    errno = 0;
    return shown && fclose(file) == 0 && number == SYS_read;
}

static bool pages_of_4_kib(void)
{
    errno = 0;
    return sysconf(_SC_PAGESIZE) == 4096;
}

const struct facility facilities_of_calls[] = {
    {"futex, shared, absolute time", futex},
    {"futex_waitv", futex_waitv},
    {"membarrier, global expedited", global_membarrier},
    {"membarrier, private expedited", private_membarrier},
    {"io_uring", io_uring},
    {"robust list", robust_list},
    {"seccomp filter", seccomp},
    {"sub-reaper", sub_reaper},
    {"memfd and seals", memory_file},
    {"O_TMPFILE, named through /proc", named_late},
    {"O_TMPFILE, named by descriptor", named_by_descriptor},
    {"fallocate, and holes", allocation},
    {"eventfd in epoll", event_in_epoll},
    {"signalfd", signal_descriptor},
    {"/proc/self/exe", own_program},
    {"own call numbers in /proc", call_numbers},
    {"pages of 4 KiB", pages_of_4_kib},
    {.name = NULL},
};
