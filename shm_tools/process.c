/* SPDX-License-Identifier: Apache-2.0 */
#include "process.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "freezer.h"
#include "report.h"
#include "small_file.h"

/* A process of another PID namespace that is visible from here. */
struct relative {
    uint64_t pid_namespace;
    uint32_t inside; /* as its namespace numbers it */
    uint32_t here;
};

struct processes {
    uint64_t own_namespace; /* 0: /proc does not tell */
    int scanned;            /* `relatives` are there */
    struct relative *relatives;
    size_t relative_count;
    char cgroups[SMALL_FILE]; /* those of the process looked at last: many share them */
    int frozen;
};

/* "/proc/PID/NAME" */
struct proc_path {
    char text[64];
};

static struct proc_path proc_path(uint32_t pid, const char *name)
{
    struct proc_path path;
    (void)snprintf(path.text, sizeof path.text, "/proc/%" PRIu32 "/%s", pid, name);
    return path;
}

/* 0 when it cannot be seen. */
static uint64_t namespace_at(const char *path)
{
    struct stat file;
    return stat(path, &file) == 0 ? (uint64_t)file.st_ino : 0;
}

struct processes *processes_new(void)
{
    struct processes *processes = need_memory(sizeof *processes);
    *processes = (struct processes){.own_namespace = namespace_at("/proc/self/ns/pid")};
    return processes;
}

void processes_free(struct processes *processes)
{
    free(processes->relatives);
    free(processes);
}

/* -------------------------------------------------------------------------------- other namespaces */

/* The last number behind "NSpid:" is that of the innermost namespace. 0: there is none. */
static uint32_t innermost_pid(uint32_t pid)
{
    char text[SMALL_FILE];
    if (small_file_read(proc_path(pid, "status").text, text, sizeof text) <= 0) {
        return 0;
    }
    char *line = strstr(text, "\nNSpid:");
    uint32_t number = 0;
    line = line ? line + strlen("\nNSpid:") : text + strlen(text);
    while (*line == '\t' || *line == ' ') {
        number = (uint32_t)strtoul(line, &line, 10);
    }
    return number;
}

static void add_relative(struct processes *processes, uint32_t pid)
{
    const uint64_t pid_namespace = namespace_at(proc_path(pid, "ns/pid").text);
    if (pid_namespace == 0 || pid_namespace == processes->own_namespace) {
        return;
    }
    processes->relatives = need_more_memory(processes->relatives,
                                            (processes->relative_count + 1) * sizeof *processes->relatives);
    processes->relatives[processes->relative_count++] =
        (struct relative){.pid_namespace = pid_namespace, .inside = innermost_pid(pid), .here = pid};
}

static void scan(struct processes *processes)
{
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc && (entry = readdir(proc));) {
        if (isdigit((unsigned char)entry->d_name[0])) {
            add_relative(processes, (uint32_t)strtoul(entry->d_name, NULL, 10));
        }
    }
    if (proc) {
        (void)closedir(proc);
    }
    processes->scanned = 1;
}

/* 0: not visible from here. */
static uint32_t pid_here(struct processes *processes, const shmbus_participant_info *info)
{
    if (info->pid_namespace == 0 || processes->own_namespace == 0) {
        return 0;
    }
    if (info->pid_namespace == processes->own_namespace) {
        return info->pid;
    }
    if (!processes->scanned) {
        scan(processes);
    }
    for (size_t i = 0; i < processes->relative_count; i++) {
        const struct relative *relative = &processes->relatives[i];
        if (relative->pid_namespace == info->pid_namespace && relative->inside == info->pid) {
            return relative->here;
        }
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------- state */

static int is_frozen(struct processes *processes, uint32_t pid)
{
    char cgroups[SMALL_FILE];
    if (small_file_read(proc_path(pid, "cgroup").text, cgroups, sizeof cgroups) <= 0) {
        return 0;
    }
    if (strcmp(cgroups, processes->cgroups) != 0) {
        memcpy(processes->cgroups, cgroups, sizeof cgroups);
        processes->frozen = freezer_holds(cgroups);
    }
    return processes->frozen;
}

/* The letter behind the name, which is in brackets and may hold any others. 0: there is no such process. */
static char state_letter(uint32_t pid)
{
    char text[512];
    const char *end =
        small_file_read(proc_path(pid, "stat").text, text, sizeof text) > 0 ? strrchr(text, ')') : NULL;
    return end && end[1] == ' ' ? end[2] : '\0';
}

static void look_at_pid(struct processes *processes, struct process *process)
{
    switch (state_letter(process->pid)) {
    case '\0':
        process->pid = 0; /* /proc shows others' processes only in part: hidepid */
        return;
    case 'T':
        process->state = PROCESS_STOPPED;
        return;
    case 't':
        process->state = PROCESS_TRACED;
        return;
    default:
        process->state = is_frozen(processes, process->pid) ? PROCESS_FROZEN : PROCESS_RUNNING;
    }
}

void process_look(struct processes *processes, const shmbus_participant_info *info, struct process *process)
{
    *process = (struct process){
        .state = info->alive == SHMBUS_UNKNOWN ? PROCESS_UNKNOWN
                 : info->alive                 ? PROCESS_RUNNING
                                               : PROCESS_DEAD,
        .contained = info->pid_namespace != 0 && processes->own_namespace != 0 &&
                     info->pid_namespace != processes->own_namespace,
    };
    if (process->state == PROCESS_RUNNING) {
        process->pid = pid_here(processes, info);
    }
    if (process->pid != 0) {
        look_at_pid(processes, process);
    }
}

void process_wake_command(const struct process *process, char *command, size_t size)
{
    char cgroups[SMALL_FILE];
    *command = '\0';
    if (process->state == PROCESS_STOPPED) {
        (void)snprintf(command, size, "kill -CONT %" PRIu32, process->pid);
    } else if (process->state == PROCESS_FROZEN &&
               small_file_read(proc_path(process->pid, "cgroup").text, cgroups, sizeof cgroups) > 0) {
        freezer_thaw_command(cgroups, command, size);
    }
}

int process_is_paused(const struct process *process)
{
    return process->state >= PROCESS_STOPPED;
}

const char *process_word(const struct process *process)
{
    switch (process->state) {
    case PROCESS_UNKNOWN:
        return "unknown";
    case PROCESS_DEAD:
        return "dead";
    case PROCESS_RUNNING:
        return "alive";
    default:
        return "paused";
    }
}
