/* SPDX-License-Identifier: Apache-2.0 */
#include "verdict.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <shmbus/shmbus.h>

#define PROMPT_NS INT64_C(1000000000) /* a call costs microseconds; endless ones cost for ever */

void fuzz_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fputs("fuzz: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
    abort();
}

static const int documented[] = {
    EACCES, EAGAIN, EBADF,  EBADMSG,    EBUSY,    ECANCELED,    EEXIST,    EFAULT,
    EIDRM,  EINTR,  EINVAL, EMFILE,     EMSGSIZE, ENAMETOOLONG, ENFILE,    ENODATA,
    ENOENT, ENOMEM, ENOSPC, EOPNOTSUPP, EPERM,    EPROTO,       ETIMEDOUT, EUSERS,
};

static void check_documented(const char *call, int err)
{
    for (size_t i = 0; i < sizeof documented / sizeof *documented; i++) {
        if (documented[i] == err) {
            return;
        }
    }
    fuzz_fail("%s: -%d, which is in no header (%s)", call, err, shmbus_strerror(-err));
}

int64_t verdict_of(const char *call, int64_t result)
{
    if (result >= 0) {
        return result;
    }
    check_documented(call, (int)-result);
    if (result == -EBADMSG && strcmp(shmbus_strerror(-EBADMSG), strerror(EBADMSG)) == 0) {
        fuzz_fail("%s: -EBADMSG without saying what is damaged", call);
    }
    return result;
}

void verdict_readable(const void *data, size_t size)
{
    const volatile unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) {
        (void)bytes[i];
    }
}

int64_t verdict_cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void verdict_prompt(const char *call, int64_t start)
{
    const int64_t used = verdict_cpu_ns() - start;
    if (used > PROMPT_NS) {
        fuzz_fail("%s went round for %lld ms", call, (long long)(used / 1000000));
    }
}
