/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "error.h"

#include <limits.h>
#include <shmbus/shmbus.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static __thread struct {
    int code;
    char text[400];
} last;

int error_set(int err, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    last.code = err;
    (void)vsnprintf(last.text, sizeof last.text, format, arguments);
    va_end(arguments);
    return err;
}

const char *shmbus_strerror(int err)
{
    if (err == 0) {
        return "success";
    }
    if (err == last.code) {
        return last.text;
    }
    const char *text = strerrordesc_np(err < 0 && err != INT_MIN ? -err : err);
    return text ? text : "unknown error";
}
