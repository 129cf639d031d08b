/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the simulation does to its host beyond what the library asks of it.
 *
 * concurrency   one thread
 * killed        os_process_gone() is what the kernel does
 */
#ifndef SHMBUS_TESTS_SIM_OS_H
#define SHMBUS_TESTS_SIM_OS_H

#include "hooks.h"

/* An empty host: no file, no locks, no private memory in use. */
void os_reset(void);

/* Releases the locks of a process that was killed. */
void os_process_gone(uint32_t index, uint32_t life);

#endif
