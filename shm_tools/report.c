/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <shmbus/shmbus.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("shmbus: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return EXIT_FAILED;
}

int fail_call(int err, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("shmbus: ", stderr);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, ": %s\n", shmbus_strerror(err));
    va_end(arguments);
    return EXIT_FAILED;
}

int fail_usage(const char *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "shmbus %s: ", command);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\nTry: shmbus %s --help\n", command);
    va_end(arguments);
    return EXIT_USAGE;
}

void note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("shmbus: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

void *need_more_memory(void *memory, size_t size)
{
    void *more = realloc(memory, size > 0 ? size : 1);
    if (!more) {
        exit(fail("out of memory: %zu bytes are not to be had", size));
    }
    return more;
}

void *need_memory(size_t size)
{
    return need_more_memory(NULL, size);
}
