/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is attached to a bus: its participants, each with what is visible of its process.
 *
 * concurrency   one thread
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_ATTENDANCE_H
#define SHMBUS_TOOLS_ATTENDANCE_H

#include <shmbus/inspect.h>
#include <stddef.h>

#include "process.h"

struct attendant {
    shmbus_participant_info info;
    struct process process;
};

struct attendance {
    struct attendant *all; /* by rising index */
    size_t count;
};

/* 0, or what the view gives. attendance_free() is due either way. */
int attendance_collect(struct attendance *attendance, shmbus_view *view, struct processes *processes);
void attendance_free(struct attendance *attendance);

/* NULL: that entry is free. */
const struct attendant *attendance_find(const struct attendance *attendance, uint32_t index);

#endif
