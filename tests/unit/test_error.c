/* SPDX-License-Identifier: Apache-2.0 */
/* The explanation of a thread's last failure. */
#include "unit.h"

#include "error.h"

UNIT(error, explains_the_last_failure)
{
    cr_assert_eq(error_set(-EINVAL, "%s is %d", "colour", 7), -EINVAL);
    cr_assert_str_eq(shmbus_strerror(-EINVAL), "colour is 7");
    cr_assert_eq(error_set(-ENOENT, "other"), -ENOENT);
    cr_assert_str_eq(shmbus_strerror(-ENOENT), "other");
    cr_assert_str_eq(shmbus_strerror(-EINVAL), "Invalid argument", "the last failure was another");
}

UNIT(error, falls_back_to_the_plain_text)
{
    cr_assert_str_eq(shmbus_strerror(0), "success");
    cr_assert_str_eq(shmbus_strerror(-EAGAIN), "Resource temporarily unavailable");
    cr_assert_str_eq(shmbus_strerror(-ETIMEDOUT), "Connection timed out");
    cr_assert_str_eq(shmbus_strerror(EBUSY), "Device or resource busy",
                     "positive numbers are taken for errnos");
    cr_assert_str_eq(shmbus_strerror(-100000), "unknown error");
    cr_assert_not_null(shmbus_strerror(INT32_MIN));
    cr_assert_not_null(shmbus_strerror(INT32_MAX));
}

UNIT(error, keeps_within_its_buffer)
{
    char longest[5000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    (void)error_set(-EINVAL, "%s", longest);
    cr_assert_lt(strlen(shmbus_strerror(-EINVAL)), 1000);
    cr_assert_eq(strspn(shmbus_strerror(-EINVAL), "x"), strlen(shmbus_strerror(-EINVAL)));
}

static void *fail_elsewhere(void *unused)
{
    (void)error_set(-EINVAL, "elsewhere");
    return unused;
}

UNIT(error, belongs_to_its_thread)
{
    (void)error_set(-EINVAL, "here");
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_str_eq(shmbus_strerror(-EINVAL), "here");
}

UNIT(error, is_found_by_every_call_of_the_library)
{
    cr_assert_eq(shmbus_close(NULL), -EBADF);
    cr_assert_str_eq(shmbus_strerror(-EBADF), "the bus handle is NULL");
}

UNIT(version, is_that_of_the_header)
{
    char expected[40];
    (void)snprintf(expected, sizeof expected, "%d.%d.%d", SHMBUS_VERSION_MAJOR, SHMBUS_VERSION_MINOR,
                   SHMBUS_VERSION_PATCH);
    cr_assert_str_eq(shmbus_version(), expected);
}

UNIT(deadline, lies_ahead_and_saturates)
{
    const int64_t before = shmbus_now();
    const int64_t deadline = shmbus_deadline(1000000000);
    const int64_t after = shmbus_now();
    cr_assert_geq(deadline, before + 1000000000);
    cr_assert_leq(deadline, after + 1000000000);
    cr_assert_eq(shmbus_deadline(SHMBUS_FOREVER), SHMBUS_FOREVER);
    cr_assert_eq(shmbus_deadline(INT64_MAX - 1), SHMBUS_FOREVER);
    const int64_t none = shmbus_deadline(-5);
    cr_assert_geq(none, after);
    cr_assert_leq(none, shmbus_now());
    cr_assert_neq(shmbus_deadline(0), SHMBUS_NOWAIT, "a deadline of now is not the same as not to wait");
}
