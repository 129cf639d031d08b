/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calling thread's last failure, explained.
 *
 * concurrency   any thread: the text is thread-local
 * killed        nothing is shared
 */
#ifndef SHMBUS_BUS_ERROR_H
#define SHMBUS_BUS_ERROR_H

#include <errno.h>

/* Stores the explanation and returns `err`, a negative errno. Not for -EAGAIN and -ETIMEDOUT: hot paths. */
int error_set(int err, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

#endif
