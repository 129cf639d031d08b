/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "os_process.h"

#include <sched.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

uint32_t os_process_id(void)
{
    return (uint32_t)getpid();
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
