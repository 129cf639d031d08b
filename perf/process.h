/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small programs that lie beside the bench: started, told to end, and what they cost as /proc tells it.
 *
 * concurrency   one thread
 * killed        a program ends with its standard input, or with its parent
 */
#ifndef SHMBUS_PERF_PROCESS_H
#define SHMBUS_PERF_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESS_ARGUMENTS_MAX 4u

struct process {
    pid_t pid; /* -1: none */
    int to;    /* its standard input */
    int from;  /* its standard output: a byte comes when it is ready */
};

/*
 * Starts `program` with up to PROCESS_ARGUMENTS_MAX arguments, a NULL behind the last. False with the reason on
 * stderr; process_end() is due in either case.
 */
bool process_start(struct process *process, const char *program, const char *const arguments[]);

/* Waits until it is ready. False: it ended, or is not ready within 20 s. */
bool process_ready(const struct process *process);

/* Closes its standard input and waits for its end. */
void process_end(struct process *process);

/* The same for one that does not look at its standard input. */
void process_kill(struct process *process);

/* What all threads of a process have had since they began. */
struct process_cost {
    uint64_t switches; /* of context, voluntary and not */
    uint64_t cpu_ns;
};

/* False when /proc does not tell. */
bool process_cost(pid_t pid, struct process_cost *cost);

#endif
