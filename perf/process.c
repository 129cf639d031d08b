/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_MS 20000

/* The programs lie beside this one. */
static bool path_beside(char *path, size_t size, const char *program)
{
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    if (length < 0)
        return false;
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    size_t room = size - (size_t)(slash + 1 - path);
    return (size_t)snprintf(slash + 1, room, "%s", program) < room;
}

static int spawn_between(pid_t *pid, char *const words[], int in, int out)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    int error = posix_spawn(pid, words[0], &actions, NULL, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

bool process_start(struct process *process, const char *program, const char *const arguments[])
{
    char path[4096];
    char *words[PROCESS_ARGUMENTS_MAX + 2] = {path};
    int in[2];
    int out[2];
    *process = (struct process){.pid = -1, .to = -1, .from = -1};
    if (!path_beside(path, sizeof path, program) || pipe2(in, O_CLOEXEC) != 0)
        return false;
    process->to = in[1];
    if (pipe2(out, O_CLOEXEC) != 0) {
        close(in[0]);
        return false;
    }
    process->from = out[0];
    for (unsigned i = 0; i < PROCESS_ARGUMENTS_MAX && arguments[i] != NULL; i++)
        words[i + 1] = (char *)(uintptr_t)arguments[i];
    int error = spawn_between(&process->pid, words, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    if (error == 0)
        return true;
    fprintf(stderr, "%s: %s\n", path, strerror(error));
    process->pid = -1;
    return false;
}

bool process_ready(const struct process *process)
{
    struct pollfd wanted = {.fd = process->from, .events = POLLIN};
    char byte;
    return poll(&wanted, 1, READY_MS) == 1 && read(process->from, &byte, 1) == 1;
}

void process_end(struct process *process)
{
    if (process->to >= 0)
        close(process->to);
    if (process->from >= 0)
        close(process->from);
    if (process->pid > 0)
        waitpid(process->pid, NULL, 0);
    *process = (struct process){.pid = -1, .to = -1, .from = -1};
}

void process_kill(struct process *process)
{
    if (process->pid > 0)
        kill(process->pid, SIGKILL);
    process_end(process);
}

/* Adds what the file says of one thread's switches. */
static bool add_switches(const char *path, struct process_cost *cost)
{
    char line[256];
    uint64_t switches;
    unsigned found = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "voluntary_ctxt_switches: %" SCNu64, &switches) == 1 ||
            sscanf(line, "nonvoluntary_ctxt_switches: %" SCNu64, &switches) == 1) {
            cost->switches += switches;
            found++;
        }
    }
    fclose(file);
    return found == 2;
}

static bool add_cpu(const char *path, struct process_cost *cost)
{
    uint64_t cpu_ns;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool found = fscanf(file, "%" SCNu64, &cpu_ns) == 1;
    fclose(file);
    if (found)
        cost->cpu_ns += cpu_ns;
    return found;
}

bool process_cost(pid_t pid, struct process_cost *cost)
{
    char path[320];
    struct dirent *thread;
    bool known = true;
    *cost = (struct process_cost){0};
    snprintf(path, sizeof path, "/proc/%ld/task", (long)pid);
    DIR *threads = opendir(path);
    if (threads == NULL)
        return false;
    while ((thread = readdir(threads)) != NULL) {
        if (thread->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%ld/task/%s/status", (long)pid, thread->d_name);
        known = known && add_switches(path, cost);
        snprintf(path, sizeof path, "/proc/%ld/task/%s/schedstat", (long)pid, thread->d_name);
        known = known && add_cpu(path, cost);
    }
    closedir(threads);
    return known;
}
