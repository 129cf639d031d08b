/* SPDX-License-Identifier: Apache-2.0 */
#include "attendance.h"

#include <stdlib.h>

#include "report.h"

void attendance_take(struct attendance *attendance, const struct snapshot *snapshot,
                     struct processes *processes)
{
    *attendance = (struct attendance){.count = snapshot->participants.count};
    attendance->all = need_memory(attendance->count * sizeof *attendance->all);
    for (size_t i = 0; i < attendance->count; i++) {
        struct attendant *attendant = &attendance->all[i];
        attendant->info = *snapshot_participant(snapshot, i);
        process_look(processes, &attendant->info, &attendant->process);
    }
}

void attendance_free(struct attendance *attendance)
{
    free(attendance->all);
    *attendance = (struct attendance){0};
}

static int compare_index(const void *key, const void *element)
{
    const uint32_t index = *(const uint32_t *)key;
    const uint32_t other = ((const struct attendant *)element)->info.index;
    return (index > other) - (index < other);
}

const struct attendant *attendance_find(const struct attendance *attendance, uint32_t index)
{
    return attendance->count == 0
               ? NULL
               : bsearch(&index, attendance->all, attendance->count, sizeof *attendance->all, compare_index);
}
