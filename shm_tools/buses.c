/* SPDX-License-Identifier: Apache-2.0 */
#include "buses.h"

#include <shmbus/inspect.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

void bus_names_add(struct bus_names *names, const char *name)
{
    names->names = need_more_memory(names->names, (names->count + 1) * sizeof *names->names);
    const size_t size = strlen(name) + 1;
    names->names[names->count++] = memcpy(need_memory(size), name, size);
}

static int keep_name(void *context, const char *name)
{
    bus_names_add(context, name);
    return 0;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

int bus_names_list(struct bus_names *names)
{
    *names = (struct bus_names){0};
    const int result = shmbus_list(keep_name, names);
    if (result < 0) {
        return fail_call(result, "cannot list the buses of this host");
    }
    if (names->count > 0) {
        qsort(names->names, names->count, sizeof *names->names, compare_names);
    }
    return EXIT_OK;
}

void bus_names_free(struct bus_names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        free(names->names[i]);
    }
    free(names->names);
    *names = (struct bus_names){0};
}
