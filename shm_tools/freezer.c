/* SPDX-License-Identifier: Apache-2.0 */
#include "freezer.h"

#include <stdio.h>
#include <string.h>

#include "small_file.h"

/* One version of control groups at one of the places where it is mounted. */
struct hierarchy {
    const char *root;
    const char *state; /* file that tells whether it is frozen, by itself or from above */
    const char *frozen;
    const char *own; /* file that holds 1 when it is frozen by itself */
    const char *control;
    const char *thawed; /* what to write there */
};

static const struct hierarchy unified[] = {
    {"/sys/fs/cgroup", "cgroup.events", "frozen 1", "cgroup.freeze", "cgroup.freeze", "0"},
    {"/sys/fs/cgroup/unified", "cgroup.events", "frozen 1", "cgroup.freeze", "cgroup.freeze", "0"},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};

static const struct hierarchy legacy[] = {
    {"/sys/fs/cgroup/freezer", "freezer.state", "FROZEN", "freezer.self_freezing", "freezer.state", "THAWED"},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};

static int file_says(const struct hierarchy *hierarchy, const char *group, const char *file, const char *word)
{
    char path[SMALL_FILE + 128];
    char text[256];
    (void)snprintf(path, sizeof path, "%s%s/%s", hierarchy->root, group, file);
    return small_file_read(path, text, sizeof text) > 0 && strstr(text, word) != NULL;
}

/* A line is "NUMBER:CONTROLLERS:GROUP"; no controllers are named in the second version. */
static const struct hierarchy *hierarchies_of(const char *line, const char **group)
{
    const char *controllers = strchr(line, ':');
    const char *end = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!end) {
        return NULL;
    }
    *group = end + 1;
    if (end == controllers + 1) {
        return unified;
    }
    return strncmp(controllers, ":freezer:", 9) == 0 ? legacy : NULL;
}

/* The hierarchy that freezes it; `group` becomes its group there. */
static const struct hierarchy *find(const char *cgroups, char group[SMALL_FILE])
{
    char lines[SMALL_FILE];
    char *rest = lines;
    (void)snprintf(lines, sizeof lines, "%s", cgroups);
    for (char *line; (line = strsep(&rest, "\n"));) {
        const char *path = NULL;
        for (const struct hierarchy *at = hierarchies_of(line, &path); at && at->root; at++) {
            if (file_says(at, path, at->state, at->frozen)) {
                (void)snprintf(group, SMALL_FILE, "%s", path);
                return at;
            }
        }
    }
    return NULL;
}

int freezer_holds(const char *cgroups)
{
    char group[SMALL_FILE];
    return find(cgroups, group) != NULL;
}

void freezer_thaw_command(const char *cgroups, char *command, size_t size)
{
    char group[SMALL_FILE];
    const struct hierarchy *hierarchy = find(cgroups, group);
    *command = '\0';
    while (hierarchy && !file_says(hierarchy, group, hierarchy->own, "1")) {
        char *last = strrchr(group, '/');
        if (!last) {
            return;
        }
        *last = '\0'; /* then it is frozen from above */
    }
    if (hierarchy) {
        (void)snprintf(command, size, "echo %s > '%s%s/%s'", hierarchy->thawed, hierarchy->root, group,
                       hierarchy->control);
    }
}
