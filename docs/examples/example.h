/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the examples share: errors end the program, a bus of its own for every run, and child processes.
 * One thread per process. Killed: the bus stays, see `shmbus ls` and `shmbus rm`.
 */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <shmbus/shmbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

/* Passes a result that is not an error on. */
static inline int64_t must(int64_t result)
{
    if (result >= 0)
        return result;
    fprintf(stderr, "%s\n", shmbus_strerror((int)result));
    exit(1);
}

/* Ends the program unless `good`. */
static inline void expect(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "wrong: %s\n", what);
    exit(1);
}

/* A name that no other run uses. Call before forking. */
static inline const char *example_bus_name(const char *example)
{
    static char name[SHMBUS_NAME_MAX + 1];
    snprintf(name, sizeof name, "%s-%d", example, (int)getpid());
    return name;
}

/* Runs `work` in `count` child processes. Each opens the bus for itself: a forked child has no attachment. */
static inline void example_start(int count, int (*work)(const char *bus_name, int number),
                                 const char *bus_name)
{
    for (int i = 0; i < count; i++) {
        pid_t pid = fork();
        expect(pid >= 0, "fork()");
        if (pid == 0)
            exit(work(bus_name, i));
    }
}

/* Waits for the children, all of which must succeed. */
static inline void example_finish(int count)
{
    for (int i = 0; i < count; i++) {
        int status;
        expect(wait(&status) > 0 && status == 0, "a child process failed");
    }
}

#endif
