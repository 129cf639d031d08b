/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting on futexes without a thread that waits: io_uring's FUTEX_WAITV (Linux 6.7). The end of a wait makes an
 * eventfd readable.
 *
 *   call          who                                            may overlap with
 *   open, close, is_mine   anybody                               nothing
 *   others        the thread that opened it; to any other it      nothing
 *                 refuses to wait
 *
 * killed        process-local
 */
#ifndef SHMBUS_BUS_OS_URING_H
#define SHMBUS_BUS_OS_URING_H

#include "os_futex.h"

struct os_uring;

/* Was it opened by the calling thread? */
bool os_uring_is_mine(const struct os_uring *uring);

/* For the calling thread; NULL where the kernel lacks it or does not allow it. */
struct os_uring *os_uring_open(int event_fd);

/* May end a system call in which the thread that opened it sleeps, with EINTR: the kernel's way of cleaning up. */
void os_uring_close(struct os_uring *uring);

/* Begins to wait until a word is not as expected, is woken, or the deadline comes. False: refused. */
bool os_uring_wait_any(struct os_uring *uring, const struct os_futex_word *words, unsigned count,
                       int64_t deadline);

/* Is no wait under way, as far as this thread can tell? */
bool os_uring_is_done(struct os_uring *uring);

#endif
