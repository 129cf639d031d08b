/* SPDX-License-Identifier: Apache-2.0 */
/*
 * This process and its CPU.
 *
 * concurrency   any thread
 * killed        nothing is shared
 */
#ifndef SHMBUS_BUS_OS_PROCESS_H
#define SHMBUS_BUS_OS_PROCESS_H

#include <stddef.h>
#include <stdint.h>

/* Its pid, in its own PID namespace: a label for people. */
uint32_t os_process_id(void);

/* The inode of the PID namespace that numbers it so, or 0 when /proc does not say. */
uint64_t os_process_namespace(void);

/* The host's name as this process sees it, cut to `size` - 1 bytes and padded with zeros. */
void os_process_host(char *host, size_t size);

/* Lets others run first. */
void os_yield(void);

/* Lets others run first, those of lower priority too: a real-time thread sleeps for a moment. */
void os_give_way(void);

#endif
