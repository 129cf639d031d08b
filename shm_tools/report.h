/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the command says on standard error, and how it ends.
 *
 * The functions return the exit code that fits, so that a caller may write `return fail(...)`.
 *
 * concurrency   one thread
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_REPORT_H
#define SHMBUS_TOOLS_REPORT_H

#include <stddef.h>

enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_SIGNAL = 128, /* plus the signal's number */
};

/* "shmbus: TEXT". Returns EXIT_FAILED. */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2), cold));

/* "shmbus: TEXT: why", why being shmbus_strerror(err). Returns EXIT_FAILED. */
int fail_call(int err, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* "shmbus COMMAND: TEXT", and where to read more. Returns EXIT_USAGE. */
int fail_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* "shmbus: TEXT": something worth knowing that is not a failure. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2), cold));

/* malloc() and realloc() that end the command when there is no memory. */
void *need_memory(size_t size) __attribute__((malloc, returns_nonnull));
void *need_more_memory(void *memory, size_t size) __attribute__((returns_nonnull));

#endif
