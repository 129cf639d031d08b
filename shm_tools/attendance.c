/* SPDX-License-Identifier: Apache-2.0 */
#include "attendance.h"

#include <stdlib.h>

#include "report.h"

int attendance_collect(struct attendance *attendance, shmbus_view *view, struct processes *processes)
{
    struct attendant attendant;
    uint32_t cursor = 0;
    int result;
    *attendance = (struct attendance){0};
    while ((result = shmbus_view_participant(view, &cursor, &attendant.info)) > 0) {
        process_look(processes, &attendant.info, &attendant.process);
        attendance->all =
            need_more_memory(attendance->all, (attendance->count + 1) * sizeof *attendance->all);
        attendance->all[attendance->count++] = attendant;
    }
    return result;
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
