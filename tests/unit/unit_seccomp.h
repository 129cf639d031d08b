/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests that forbid themselves system calls.
 *
 * concurrency   the test's own thread
 * killed        nothing stays
 */
#ifndef SHMBUS_TESTS_UNIT_SECCOMP_H
#define SHMBUS_TESTS_UNIT_SECCOMP_H

#include "unit.h"

#include <seccomp.h>
#include <sys/prctl.h>

/* qemu-user has no filters, and says so. */
#define NEEDS_SECCOMP()                                                                                      \
    do {                                                                                                     \
        if (prctl(PR_GET_SECCOMP) != 0) {                                                                    \
            cr_skip_test("no seccomp here");                                                                 \
        }                                                                                                    \
    } while (0)

#endif
