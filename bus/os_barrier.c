/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "os_barrier.h"

#include "atomics.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

bool os_barrier_register(void)
{
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0;
}

bool os_barrier_global(void)
{
    fence_seq_cst();
    return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) == 0;
}
