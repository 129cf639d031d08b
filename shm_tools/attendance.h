/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is attached to a bus: its participants, each with what is visible of its process.
 *
 * concurrency   one thread
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_ATTENDANCE_H
#define SHMBUS_TOOLS_ATTENDANCE_H

#include "process.h"
#include "snapshot.h"

struct attendant {
    shmbus_participant_info info;
    struct process process;
};

struct attendance {
    struct attendant *all; /* by rising index */
    size_t count;
};

/* Those of `snapshot`, as their processes are now. Ended by attendance_free(). */
void attendance_take(struct attendance *attendance, const struct snapshot *snapshot,
                     struct processes *processes);
void attendance_free(struct attendance *attendance);

/* NULL: that entry is free. */
const struct attendant *attendance_find(const struct attendance *attendance, uint32_t index);

#endif
