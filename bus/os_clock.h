/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clocks. os_* files alone make system calls; each returns 0 or a value, or a negative errno.
 *
 * concurrency   any thread
 * killed        nothing is shared
 */
#ifndef SHMBUS_BUS_OS_CLOCK_H
#define SHMBUS_BUS_OS_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t os_clock_monotonic(void);

/* CLOCK_REALTIME in nanoseconds. */
uint64_t os_clock_realtime(void);

/* Sleeps for `nanoseconds`, less than a second, or until a signal comes. */
void os_clock_nap(int64_t nanoseconds);

#endif
