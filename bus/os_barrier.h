/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asymmetric barriers between processes: membarrier(GLOBAL_EXPEDITED). Senders register once and then pay
 * nothing; who is about to sleep makes every registered process's running threads pass a full barrier.
 *
 * concurrency   any thread
 * killed        the registration dies with the process
 */
#ifndef SHMBUS_BUS_OS_BARRIER_H
#define SHMBUS_BUS_OS_BARRIER_H

#include <stdbool.h>

/* Registers this process. False: it must fence its own sends. */
bool os_barrier_register(void);

/* A full barrier here and in all registered processes. False: only here. */
bool os_barrier_global(void);

#endif
