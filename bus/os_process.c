/* SPDX-License-Identifier: Apache-2.0 */
#include "os_process.h"

#include <sched.h>
#include <unistd.h>

uint32_t os_process_id(void)
{
    return (uint32_t)getpid();
}

void os_yield(void)
{
    (void)sched_yield();
}
