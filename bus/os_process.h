/* SPDX-License-Identifier: Apache-2.0 */
/*
 * This process and its CPU.
 *
 * concurrency   any thread
 * killed        nothing is shared
 */
#ifndef SHMBUS_BUS_OS_PROCESS_H
#define SHMBUS_BUS_OS_PROCESS_H

#include <stdint.h>

/* Its pid, in its own PID namespace: a label for people. */
uint32_t os_process_id(void);

/* Lets others run first. */
void os_yield(void);

/* Lets others run first, those of lower priority too: a real-time thread sleeps for a moment. */
void os_give_way(void);

#endif
