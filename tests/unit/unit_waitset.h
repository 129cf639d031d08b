/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of waiting share: channels by name, waitsets, threads that wait, and how to see that one sleeps.
 *
 * concurrency   unit_thread_*: any thread and any child process. The rest: the test's own thread
 * killed        the threads of a test die with it
 *
 * These tests are built twice: with the library as it is, and with a *patient* one whose sleeps have no bound
 * (UNIT_PATIENT is 1). There, who is not woken sleeps until the test's time is over.
 */
#ifndef SHMBUS_TESTS_UNIT_WAITSET_H
#define SHMBUS_TESTS_UNIT_WAITSET_H

#include "unit.h"

#include <stdatomic.h>

#ifndef UNIT_PATIENT
#define UNIT_PATIENT 0
#endif

#define MS INT64_C(1000000)

/* A channel with its publisher and its only reader. */
struct unit_line {
    char name[8];
    shmbus_publisher *publisher;
    shmbus_subscriber *subscriber;
};

extern const shmbus_channel_options unit_small; /* 8 slots; messages of up to 4096 bytes */

/* Opens channel `name`, creating it `unit_small`, with a publisher and a subscriber. */
struct unit_line unit_line(shmbus_bus *bus, const char *name);

shmbus_publisher *unit_publisher_of(shmbus_bus *bus, const char *channel);
shmbus_subscriber *unit_subscriber_of(shmbus_bus *bus, const char *channel);

/* Puts one message into the line, which must have room; takes one out, which must be there. */
void unit_line_send(const struct unit_line *line, uint64_t number);
uint64_t unit_line_receive(const struct unit_line *line);

/* Sends until there is no room; how many. */
unsigned unit_line_fill(const struct unit_line *line);

shmbus_waitset *unit_waitset(enum shmbus_wait wait);

/* A set of these subscribers, each with its line as the tag. */
shmbus_waitset *unit_waitset_of(struct unit_line *lines, unsigned count);

/* The set says, without waiting, that `line` is ready, and nothing else; or that nothing is. */
void unit_only_ready(shmbus_waitset *set, const struct unit_line *line);
void unit_none_ready(shmbus_waitset *set);

/* A thread that calls `body` once: a call that may wait. */
struct unit_call {
    int64_t (*body)(struct unit_call *call);
    shmbus_waitset *set;
    const struct unit_line *line;
    int64_t deadline;
    shmbus_event event; /* what unit_call_wait got */
    int64_t result;
    _Atomic pid_t tid;
    pthread_t thread;
};

void unit_call_start(struct unit_call *call);

/* The same, and returns when the thread sleeps. */
void unit_call_start_asleep(struct unit_call *call);

int64_t unit_call_finish(struct unit_call *call);

/* Bodies: wait on `set` for one event; receive from, or send to `line`. */
int64_t unit_call_wait(struct unit_call *call);
int64_t unit_call_receive(struct unit_call *call);
int64_t unit_call_send(struct unit_call *call);

/* Does the kernel have this thread, of any process, asleep? */
bool unit_thread_asleep(pid_t tid);

/* Does it sleep as the library does, and not for a lock on its way there? For threads of this process and children. */
bool unit_thread_waits(pid_t tid);

#endif
