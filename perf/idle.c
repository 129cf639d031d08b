/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/idle.h"
#include "perf/process.h"

#include <shmbus/shmbus.h>

#include <stdio.h>
#include <sys/stat.h>

#define CHANNEL "idle"

static double smaps_pss(pid_t pid)
{
    char path[64];
    char line[256];
    double kilobytes = -1;
    snprintf(path, sizeof path, "/proc/%ld/smaps_rollup", (long)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return -1;
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "Pss: %lf kB", &kilobytes) == 1)
            break;
    fclose(file);
    return kilobytes < 0 ? -1 : kilobytes * 1024;
}

/* Proportional set size of a process that runs `program` and is idle; `*bus` too when it is not NULL. */
static double idle_pss(const char *program, const char *name, const char *channel, double *bus)
{
    const char *const arguments[] = {name, channel, NULL};
    char segment[128];
    struct stat status;
    struct process process;
    double pss = -1;
    if (process_start(&process, program, arguments) && process_ready(&process)) {
        pss = smaps_pss(process.pid);
        snprintf(segment, sizeof segment, "/dev/shm/shmbus.%s", name != NULL ? name : "");
        if (bus != NULL && stat(segment, &status) == 0)
            *bus = (double)status.st_blocks * 512;
    }
    process_end(&process);
    return pss;
}

void idle_measure(const char *name, struct idle_cost *cost)
{
    *cost = (struct idle_cost){-1, -1, -1, -1};
    cost->bare = idle_pss("shmbus-bench-bare", NULL, NULL, NULL);
    cost->attached = idle_pss("shmbus-bench-idle", name, NULL, NULL);
    cost->subscribed = idle_pss("shmbus-bench-idle", name, CHANNEL, &cost->bus);
    shmbus_remove(name);
}
