/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /proc says of the processes behind participants. That one is alive the kernel's lock has told already;
 * the number it wrote about itself only helps to find it: nothing is decided by it.
 *
 * concurrency   one thread
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_PROCESS_H
#define SHMBUS_TOOLS_PROCESS_H

#include <shmbus/inspect.h>
#include <stddef.h>

enum process_state {
    PROCESS_UNKNOWN, /* of a copied file: nobody can tell */
    PROCESS_DEAD,
    PROCESS_RUNNING, /* or alive and not visible from here: then `pid` is 0 */
    PROCESS_STOPPED, /* by a signal */
    PROCESS_TRACED,  /* by a debugger */
    PROCESS_FROZEN,  /* its cgroup is */
};

struct process {
    enum process_state state;
    uint32_t pid;  /* as it is numbered here; 0: it is dead, or not visible from here */
    int contained; /* its PID namespace is known, and not ours */
};

/* What was found out about this host so far. */
struct processes;

struct processes *processes_new(void);
void processes_free(struct processes *processes);

void process_look(struct processes *processes, const shmbus_participant_info *info, struct process *process);

int process_is_paused(const struct process *process);

/* The shell command that lets it run again, or an empty text: only its debugger can. */
void process_wake_command(const struct process *process, char *command, size_t size);

/* "alive", "paused", "dead", "unknown" */
const char *process_word(const struct process *process);

#endif
