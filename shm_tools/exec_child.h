/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's process and the pipes to it. Our ends never block; no other process holds them.
 *
 * It leads a process group of its own: a Ctrl-C is ours to pass on, and a signal that we send reaches what it has
 * started. When we die, however we do, it gets SIGTERM besides the end of its input: what it was given goes to
 * others then, and whoever ignores an end of input would stay for ever.
 *
 * concurrency   the main thread: a process is told of the death of the thread that started it
 * killed        the process ends; see above
 */
#ifndef SHMBUS_TOOLS_EXEC_CHILD_H
#define SHMBUS_TOOLS_EXEC_CHILD_H

#include <stddef.h>
#include <sys/types.h>

struct child {
    pid_t pid; /* 0: none, or none any more */
    int watch; /* readable when it has ended */
    int in;    /* our ends; -1: none, or closed */
    int out;
    int err;
    int left; /* the reading end of its input, once ours is closed: tells what it has not read */
};

/* Which of its outputs are pipes to us; the others are our own. */
enum {
    CHILD_OUT = 1,
    CHILD_ERR = 2,
};

/* Runs `command`, which ends with NULL, from PATH. 0 or a negative errno, also of the exec. */
int child_start(struct child *child, const char *const *command, unsigned pipes);

/* Closes one of our ends, if it is open. */
void child_close(int *end);

/* Ends its input. */
void child_end_input(struct child *child);

/* How many bytes of its input it has not read; -1: nobody can tell. */
int64_t child_unread(const struct child *child);

/* Closes what is left of one that was reaped. */
void child_forget(struct child *child);

/* Sends the signal to its group. */
void child_signal(const struct child *child, int number);

/* Its status as of waitpid(), which is here by now: `watch` was readable. */
int child_reap(struct child *child);

/* "was killed by signal 9 (Killed)" or "ended with status 1". */
void child_status_text(int status, char *text, size_t size);

/* As a shell would tell it: 128+N for signal N. */
int child_status_code(int status);

#endif
