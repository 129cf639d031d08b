/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "unit_waitset.h"

#include <linux/futex.h>
#include <sys/syscall.h>

const shmbus_channel_options unit_small = {
    .slots = 8, .arena = 8192, .largest = 4096, .publishers = 4, .groups = 4, .members = 8};

/* ------------------------------------------------------------------------------------------- channels */

shmbus_publisher *unit_publisher_of(shmbus_bus *bus, const char *channel)
{
    shmbus_publisher *publisher = NULL;
    const shmbus_publisher_options options = {.channel = &unit_small, .wait = SHMBUS_WAIT_BLOCK};
    check_eq(shmbus_publisher_open(bus, channel, &options, &publisher), 0);
    return publisher;
}

shmbus_subscriber *unit_subscriber_of(shmbus_bus *bus, const char *channel)
{
    shmbus_subscriber *subscriber = NULL;
    const shmbus_subscriber_options options = {
        .channel = &unit_small, .wait = SHMBUS_WAIT_BLOCK, .from = SHMBUS_FROM_OLDEST};
    check_eq(shmbus_subscriber_open(bus, channel, &options, &subscriber), 0);
    return subscriber;
}

struct unit_line unit_line(shmbus_bus *bus, const char *name)
{
    struct unit_line line = {.publisher = unit_publisher_of(bus, name),
                             .subscriber = unit_subscriber_of(bus, name)};
    (void)snprintf(line.name, sizeof line.name, "%s", name);
    return line;
}

void unit_line_send(const struct unit_line *line, uint64_t number)
{
    check_eq(shmbus_send(line->publisher, &number, sizeof number, SHMBUS_NOWAIT), 0);
}

uint64_t unit_line_receive(const struct unit_line *line)
{
    uint64_t number = 0;
    check_eq(shmbus_recv(line->subscriber, &number, sizeof number, NULL, SHMBUS_NOWAIT), sizeof number);
    return number;
}

unsigned unit_line_fill(const struct unit_line *line)
{
    unsigned sent = 0;
    while (shmbus_send(line->publisher, &sent, sizeof sent, SHMBUS_NOWAIT) == 0) {
        sent++;
    }
    return sent;
}

/* --------------------------------------------------------------------------------------------- sets */

shmbus_waitset *unit_waitset(enum shmbus_wait wait)
{
    shmbus_waitset *set = NULL;
    const shmbus_waitset_options options = {.wait = wait};
    check_eq(shmbus_waitset_open(&options, &set), 0);
    return set;
}

shmbus_waitset *unit_waitset_of(struct unit_line *lines, unsigned count)
{
    shmbus_waitset *set = unit_waitset(SHMBUS_WAIT_BLOCK);
    for (unsigned i = 0; i < count; i++) {
        check_eq(shmbus_waitset_add_subscriber(set, lines[i].subscriber, &lines[i]), 0);
    }
    return set;
}

void unit_only_ready(shmbus_waitset *set, const struct unit_line *line)
{
    shmbus_event events[3];
    check_eq(shmbus_waitset_wait(set, events, 3, SHMBUS_NOWAIT), 1);
    check(events[0].tag == line);
    check(events[0].subscriber == line->subscriber);
    check(events[0].publisher == NULL);
}

void unit_none_ready(shmbus_waitset *set)
{
    shmbus_event events[3];
    check_eq(shmbus_waitset_wait(set, events, 3, SHMBUS_NOWAIT), -EAGAIN);
}

/* ------------------------------------------------------------------------------------------- threads */

static void *call_once(void *context)
{
    struct unit_call *call = context;
    atomic_store(&call->tid, gettid());
    call->result = call->body(call);
    return NULL;
}

void unit_call_start(struct unit_call *call)
{
    atomic_store(&call->tid, 0);
    check_eq(pthread_create(&call->thread, NULL, call_once, call), 0);
}

void unit_call_start_asleep(struct unit_call *call)
{
    unit_call_start(call);
    check_soon(atomic_load(&call->tid) != 0);
    check_soon(unit_thread_waits(atomic_load(&call->tid)));
}

int64_t unit_call_finish(struct unit_call *call)
{
    check_eq(pthread_join(call->thread, NULL), 0);
    return call->result;
}

int64_t unit_call_wait(struct unit_call *call)
{
    return shmbus_waitset_wait(call->set, &call->event, 1, call->deadline);
}

int64_t unit_call_receive(struct unit_call *call)
{
    uint64_t number;
    return shmbus_recv(call->line->subscriber, &number, sizeof number, NULL, call->deadline);
}

int64_t unit_call_send(struct unit_call *call)
{
    return shmbus_send(call->line->publisher, "message", 8, call->deadline);
}

bool unit_thread_asleep(pid_t tid)
{
    char path[40];
    char text[200] = "";
    (void)snprintf(path, sizeof path, "/proc/%d/stat", tid);
    FILE *file = fopen(path, "re");
    check(file != NULL);
    const size_t size = fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    text[size] = 0;
    const char *end = strrchr(text, ')'); /* of the program's name; the state follows */
    check(end != NULL && size > (size_t)(end - text) + 2);
    return end[2] == 'S';
}

/* The call that a thread is in: its number and second argument. 0: it runs; negative: not for us to see. */
static int thread_call(pid_t tid, long *number, unsigned long *argument)
{
    char path[40];
    char text[200] = "";
    (void)snprintf(path, sizeof path, "/proc/%d/syscall", tid);
    FILE *file = fopen(path, "re");
    const bool shown = file && fgets(text, sizeof text, file);
    if (file) {
        (void)fclose(file);
    }
    return shown ? sscanf(text, "%ld %*x %lx", number, argument) == 2 : -1;
}

/* What /proc calls SYS_futex. Under qemu-user those are the numbers of the host, which the call that reads them tells. */
static long futex_number(void)
{
    static const long x86_64_read = 0, x86_64_futex = 202;
    long reads = SYS_read;
    unsigned long argument;
    (void)thread_call(gettid(), &reads, &argument);
    return reads == x86_64_read ? x86_64_futex : SYS_futex;
}

bool unit_thread_waits(pid_t tid)
{
    long number;
    unsigned long operation;
    const int shown = thread_call(tid, &number, &operation);
    if (shown <= 0) {
        return shown < 0 && unit_thread_asleep(tid);
    }
    return number == SYS_futex_waitv || (number == futex_number() && operation == FUTEX_WAIT_BITSET);
}
