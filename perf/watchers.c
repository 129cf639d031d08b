/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/watchers.h"

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMMAND "../shm_tools/shmbus" /* from where this program lies */

static pid_t lookers = -1; /* the leader of their process group */

static bool command_path(char *path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    if (length < 0)
        return false;
    path[length] = '\0';
    char *name = strrchr(path, '/') + 1;
    size_t room = size - (size_t)(name - path);
    return (size_t)snprintf(name, room, "%s", COMMAND) < room && access(path, X_OK) == 0;
}

bool watchers_available(void)
{
    char path[4096];
    return command_path(path, sizeof path);
}

/* $1 is the command, $2 the bus. */
static const char script[] = "exec >/dev/null 2>&1 </dev/null\n"
                             "\"$1\" top --batch --interval 0.5 \"$2\" &\n"
                             "while \"$1\" stat \"$2\"; do sleep 0.5; done\n"
                             "wait\n";

int watchers_prepare(struct bench_run *run, int variant)
{
    char path[4096];
    posix_spawnattr_t attributes;
    if (bus_prepare(run, variant) != 0)
        return -1;
    if (!command_path(path, sizeof path)) {
        fprintf(stderr, "%s is not there\n", COMMAND);
        return -1;
    }
    char *words[] = {(char *)"/bin/sh", (char *)"-c", (char *)(uintptr_t)script, (char *)"sh", path,
                     run->bus,          NULL};
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    int error = posix_spawn(&lookers, words[0], NULL, &attributes, words, environ);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) {
        lookers = -1;
        fprintf(stderr, "/bin/sh: %s\n", strerror(error));
        return -1;
    }
    return 0;
}

void watchers_finish(struct bench_run *run, int variant)
{
    if (lookers > 0) {
        kill(-lookers, SIGKILL);
        waitpid(lookers, NULL, 0);
        lookers = -1;
    }
    bus_finish(run, variant);
}
