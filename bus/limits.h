/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bounds of everything that is stored in a segment. Constants only: no concurrency, nothing to kill.
 */
#ifndef SHMBUS_BUS_LIMITS_H
#define SHMBUS_BUS_LIMITS_H

#include <shmbus/inspect.h>

#define LINE_SIZE 64u /* arena lines, and the unit of a cache transfer */
#define PAGE_SIZE_SHARED 4096u

#define NAME_SIZE (SHMBUS_NAME_MAX + 1)
#define HOST_SIZE SHMBUS_HOST_SIZE

#define PARTICIPANTS_MAX 4095u
#define PARTICIPANTS_DEFAULT 128u
#define CHANNELS_MAX 1024u
#define CHANNELS_DEFAULT 64u

#define SLOTS_MAX (1u << 24)
#define SLOTS_DEFAULT 4096u
#define SLOT_SIZE_MIN 64u
#define SLOT_SIZE_MAX 256u
#define SLOT_HEADER 8u /* the stamp */

#define ARENA_MIN (UINT64_C(4) << 10)
#define ARENA_MAX (UINT64_C(64) << 30)
#define ARENA_DEFAULT (UINT64_C(512) << 10)

#define PUBLISHERS_MAX 4095u /* the stamp has 12 bits */
#define PUBLISHERS_DEFAULT 32u
#define GROUPS_MAX 1024u
#define GROUPS_DEFAULT 16u
#define MEMBERS_MAX 4095u
#define MEMBERS_DEFAULT 64u

#define FIRST_SEQUENCE_MAX (UINT64_C(1) << 39)

/*
 * Longest sleep before looking again: a waker killed between its commit and its wake-up costs this much. A test
 * that looks for lost wake-ups makes it longer, to see them.
 */
#ifndef SLEEP_MAX_NS
#define SLEEP_MAX_NS INT64_C(250000000)
#endif
/* The same for a sleeper that cannot call membarrier: it may miss a flag that a sender did not see. */
#define SLEEP_UNFENCED_NS INT64_C(1000000)
/* The same while what it waits for is claimed, by somebody who may have died. */
#define SLEEP_HELD_UP_NS INT64_C(10000000)
/* Who waits asks this often whether those it waits for are alive. */
#define LIVENESS_CHECK_NS INT64_C(5000000)

#endif
