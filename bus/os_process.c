/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "os_process.h"

#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

uint32_t os_process_id(void)
{
    return (uint32_t)getpid();
}

uint64_t os_process_namespace(void)
{
    struct stat file;
    return stat("/proc/self/ns/pid", &file) == 0 ? (uint64_t)file.st_ino : 0;
}

void os_process_host(char *host, size_t size)
{
    struct utsname names;
    memset(host, 0, size);
    if (uname(&names) == 0) {
        memcpy(host, names.nodename, strnlen(names.nodename, size - 1));
    }
}

void os_yield(void)
{
    (void)sched_yield();
}

#define GIVE_WAY_NS 200000

void os_give_way(void)
{
    const int policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
    if (policy != SCHED_FIFO && policy != SCHED_RR && policy != SCHED_DEADLINE) {
        os_yield();
        return;
    }
    const struct timespec moment = {.tv_nsec = GIVE_WAY_NS};
    (void)nanosleep(&moment, NULL);
}
