/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/idle.h"

#include <shmbus/shmbus.h>

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHANNEL "idle"

struct idle_process {
    pid_t pid;
    int to;   /* closing it ends the process */
    int from; /* a byte comes when it is ready */
};

/* The programs lie beside this one. */
static int beside_path(char *path, size_t size, const char *program)
{
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    if (length < 0)
        return -1;
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    size_t room = size - (size_t)(slash + 1 - path);
    return (size_t)snprintf(slash + 1, room, "%s", program) < room ? 0 : -1;
}

static int idle_spawn(struct idle_process *process, char *const arguments[])
{
    int in[2];
    int out[2];
    posix_spawn_file_actions_t actions;
    if (pipe2(in, O_CLOEXEC) != 0)
        return -1;
    if (pipe2(out, O_CLOEXEC) != 0) {
        close(in[0]);
        close(in[1]);
        return -1;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    process->to = in[1];
    process->from = out[0];
    int error = posix_spawn(&process->pid, arguments[0], &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    if (error == 0)
        return 0;
    fprintf(stderr, "%s: %s\n", arguments[0], strerror(error));
    process->pid = -1;
    return -1;
}

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
    char path[4096];
    char segment[128];
    char byte;
    struct stat status;
    struct idle_process process = {.pid = -1, .to = -1, .from = -1};
    double pss = -1;
    if (beside_path(path, sizeof path, program) != 0)
        return -1;
    char *arguments[] = {path, (char *)(uintptr_t)name, (char *)(uintptr_t)channel, NULL};
    if (idle_spawn(&process, arguments) == 0) {
        if (read(process.from, &byte, 1) == 1)
            pss = smaps_pss(process.pid);
        snprintf(segment, sizeof segment, "/dev/shm/shmbus.%s", name != NULL ? name : "");
        if (bus != NULL && stat(segment, &status) == 0)
            *bus = (double)status.st_blocks * 512;
    }
    if (process.to >= 0)
        close(process.to);
    if (process.from >= 0)
        close(process.from);
    if (process.pid > 0)
        waitpid(process.pid, NULL, 0);
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
