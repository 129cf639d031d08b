/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes of other users, which only root can start.
 *
 * concurrency   a forked child becomes somebody else before it has threads
 * killed        nothing stays
 */
#ifndef SHMBUS_TESTS_UNIT_USERS_H
#define SHMBUS_TESTS_UNIT_USERS_H

#include "unit.h"

#include <grp.h>

#define ALICE 64001
#define BOB 64002
#define OPS 64100 /* a group */

#define NEEDS_ROOT()                                                                                         \
    do {                                                                                                     \
        if (geteuid() != 0) {                                                                                \
            cr_skip_test("only root can start processes of other users");                                    \
        }                                                                                                    \
    } while (0)

/* Becomes `user`, for good, with a group of its own and, unless it is 0, `group`. */
static inline void unit_become(uid_t user, gid_t group)
{
    check_eq(setgroups(group != 0, &group), 0);
    check_eq(setresgid(user, user, user), 0);
    check_eq(setresuid(user, user, user), 0);
}

#endif
