/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/peer_exec.h"
#include "perf/loops.h"
#include "perf/peer_bus.h"

#include <shmbus/inspect.h>
#include <shmbus/shmbus.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* From where this program lies. */
#define COMMAND "../shm_tools/shmbus"
#define ECHO "shmbus-bench-echo"

#define BATCH 64u /* lines of a write or a send */
#define BLOCK (256u << 10)
#define READY_NS INT64_C(20000000000)

static pid_t program = -1; /* the echo, or `exec` */
static int to_echo = -1;
static int from_echo = -1;

struct path {
    char text[4096];
};

static bool path_from_here(struct path *path, const char *name)
{
    ssize_t length = readlink("/proc/self/exe", path->text, sizeof path->text - 1);
    if (length < 0)
        return false;
    path->text[length] = '\0';
    char *own = strrchr(path->text, '/') + 1;
    size_t room = sizeof path->text - (size_t)(own - path->text);
    return (size_t)snprintf(own, room, "%s", name) < room && access(path->text, X_OK) == 0;
}

bool exec_available(void)
{
    struct path path;
    return path_from_here(&path, COMMAND) && path_from_here(&path, ECHO);
}

/* The bench blocks signals that a program must get. */
static int start(char *const words[], int in, int out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawn_file_actions_init(&actions);
    if (in >= 0)
        posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    if (out >= 0)
        posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    int error = posix_spawn(&program, words[0], &actions, &attributes, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error == 0)
        return 0;
    program = -1;
    fprintf(stderr, "%s: %s\n", words[0], strerror(error));
    return -1;
}

static void end_program(void)
{
    if (program > 0)
        waitpid(program, NULL, 0);
    program = -1;
}

/* ------------------------------------------------------------------------------------------- lines */

/* The number in hexadecimal, again and again. */
static inline void line_write(char *line, uint64_t number)
{
    char digits[16];
    for (unsigned i = 0; i < sizeof digits; i++)
        digits[i] = "0123456789abcdef"[number >> (60 - 4 * i) & 15];
    for (unsigned at = 0; at < ECHO_LINE; at += sizeof digits)
        memcpy(line + at, digits, ECHO_LINE - at < sizeof digits ? ECHO_LINE - at : sizeof digits);
}

/* True when it is the last one of all. */
static inline bool sink_line(struct sink *sink, const char *line, size_t size)
{
    char expected[ECHO_LINE];
    bool last = false;
    line_write(expected, sink->next);
    if (unlikely(size != ECHO_LINE || memcmp(line, expected, ECHO_LINE) != 0)) {
        line_write(expected, sink->next | PAYLOAD_LAST);
        last = size == ECHO_LINE && memcmp(line, expected, ECHO_LINE) == 0;
        if (!last)
            role_fail(sink->role, "line %" PRIu64 " has %zu bytes and begins with %.16s", sink->next, size,
                      line);
    }
    sink_clock(sink);
    return last;
}

struct link {
    struct bench_role *role;
    int fd;
    shmbus_bus *bus;
    shmbus_publisher *publisher;
    shmbus_subscriber *subscriber;
    struct iovec vectors[BATCH];
    unsigned filled;
    char lines[BATCH][ECHO_LINE + 1];
    struct sink *sink;
    bool ended;
    size_t kept; /* of `block`: the beginning of a line */
    char block[BLOCK];
};

static void link_begin(struct link *link, struct bench_role *role)
{
    memset(link, 0, sizeof *link);
    link->role = role;
    for (unsigned i = 0; i < BATCH; i++) {
        link->vectors[i] = (struct iovec){link->lines[i], ECHO_LINE};
        link->lines[i][ECHO_LINE] = '\n';
    }
}

/* ------------------------------------------------------------------------------------------- pipes */

int pipe_prepare(struct bench_run *run, int variant)
{
    struct path echo;
    int in[2];
    int out[2];
    (void)run;
    (void)variant;
    if (!path_from_here(&echo, ECHO) || pipe2(in, O_CLOEXEC) != 0)
        return -1;
    to_echo = in[1];
    if (pipe2(out, O_CLOEXEC) != 0) {
        close(in[0]);
        return -1;
    }
    from_echo = out[0];
    char *words[] = {echo.text, NULL};
    int result = start(words, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    return result;
}

void pipe_finish(struct bench_run *run, int variant)
{
    (void)run;
    (void)variant;
    if (to_echo >= 0)
        close(to_echo);
    if (from_echo >= 0)
        close(from_echo);
    to_echo = from_echo = -1;
    end_program();
}

static void pipe_flush(struct link *link)
{
    const char *at = link->lines[0];
    for (size_t left = link->filled * sizeof link->lines[0]; left > 0;) {
        ssize_t count = write(link->fd, at, left);
        if (count < 0)
            role_fail(link->role, "write: %s", strerror(errno));
        at += count;
        left -= (size_t)count;
    }
    link->filled = 0;
}

static inline void pipe_send(void *context, size_t size, uint64_t number)
{
    struct link *link = context;
    (void)size;
    line_write(link->lines[link->filled++], number);
    if (link->filled == BATCH || unlikely((number & PAYLOAD_LAST) != 0))
        pipe_flush(link);
}

static inline bool pipe_take(void *context, struct sink *sink, size_t size)
{
    struct link *link = context;
    bool ended = false;
    (void)size;
    ssize_t count = read(link->fd, link->block + link->kept, sizeof link->block - link->kept);
    if (count <= 0)
        role_fail(link->role, "read: %s", count == 0 ? "the echo has ended" : strerror(errno));
    char *line = link->block;
    char *end = link->block + link->kept + count;
    for (char *newline; (newline = memchr(line, '\n', (size_t)(end - line))) != NULL; line = newline + 1)
        ended = sink_line(sink, line, (size_t)(newline - line));
    link->kept = (size_t)(end - line);
    memmove(link->block, line, link->kept);
    return ended;
}

void pipe_body(struct bench_role *role, int variant)
{
    static struct link link;
    (void)variant;
    link_begin(&link, role);
    link.fd = role->reader < 0 ? to_echo : from_echo;
    role_ready(role);
    if (role->reader < 0)
        loop_produce(role, &link, pipe_send, ECHO_LINE);
    else
        loop_consume(role, &link, pipe_take, ECHO_LINE);
}

/* --------------------------------------------------------------------------------------------- bus */

/* Waits until `exec` reads: what is sent before is lost. */
static int await_group(const char *bus)
{
    shmbus_view *view;
    shmbus_channel_info info = {0};
    int64_t end = clock_ns() + READY_NS;
    if (shmbus_view_open(bus, &view) != 0)
        return -1;
    while (info.groups == 0 && clock_ns() < end) {
        uint32_t cursor = 0;
        while (shmbus_view_channel(view, &cursor, &info) == 1 && info.groups == 0)
            ;
        clock_pass(1000000, true);
    }
    shmbus_view_close(view);
    if (info.groups == 0)
        fprintf(stderr, "shmbus exec does not read\n");
    return info.groups == 0 ? -1 : 0;
}

int exec_prepare(struct bench_run *run, int variant)
{
    struct path command;
    struct path echo;
    (void)variant;
    if (bus_prepare(run, BUS_SINGLE) != 0)
        return -1;
    if (!path_from_here(&command, COMMAND) || !path_from_here(&echo, ECHO))
        return -1;
    char *words[] = {command.text,    (char *)"exec",  run->bus,       (char *)"--in",
                     (char *)"there", (char *)"--out", (char *)"back", (char *)"-G",
                     (char *)"0.5",   (char *)"--",    echo.text,      NULL};
    return start(words, -1, -1) != 0 ? -1 : await_group(run->bus);
}

void exec_finish(struct bench_run *run, int variant)
{
    if (program > 0)
        kill(program, SIGTERM);
    end_program();
    bus_finish(run, variant);
}

static void exec_fail(struct link *link, const char *call, int error)
{
    role_fail(link->role, "%s: %s", call, shmbus_strerror(error));
}

static void exec_join(struct link *link, struct bench_role *role)
{
    shmbus_bus_options bus_options = {.open = SHMBUS_OPEN_EXISTING};
    shmbus_publisher_options publisher_options = {.wait = SHMBUS_WAIT_BLOCK};
    shmbus_subscriber_options subscriber_options = {.wait = SHMBUS_WAIT_BLOCK};
    int error = shmbus_open(role->run->bus, &bus_options, &link->bus);
    if (error == 0 && role->reader < 0)
        error = shmbus_publisher_open(link->bus, "there", &publisher_options, &link->publisher);
    else if (error == 0)
        error = shmbus_subscriber_open(link->bus, "back", &subscriber_options, &link->subscriber);
    if (error != 0)
        exec_fail(link, "joining", error);
}

static void exec_flush(struct link *link)
{
    for (unsigned sent = 0; sent < link->filled;) {
        int count =
            shmbus_send_batch(link->publisher, link->vectors + sent, link->filled - sent, SHMBUS_FOREVER);
        if (count < 0)
            exec_fail(link, "shmbus_send_batch", count);
        sent += (unsigned)count;
    }
    link->filled = 0;
}

static inline void exec_send(void *context, size_t size, uint64_t number)
{
    struct link *link = context;
    (void)size;
    line_write(link->lines[link->filled++], number);
    if (link->filled == BATCH || unlikely((number & PAYLOAD_LAST) != 0))
        exec_flush(link);
}

static int on_line(void *context, const shmbus_message *message)
{
    struct link *link = context;
    link->ended = sink_line(link->sink, message->data, message->size);
    return link->ended;
}

static inline bool exec_take(void *context, struct sink *sink, size_t size)
{
    struct link *link = context;
    (void)size;
    link->sink = sink;
    int count = shmbus_poll(link->subscriber, BATCH, SHMBUS_FOREVER, on_line, link);
    if (count < 0)
        exec_fail(link, "shmbus_poll", count);
    return link->ended;
}

void exec_body(struct bench_role *role, int variant)
{
    static struct link link;
    (void)variant;
    link_begin(&link, role);
    exec_join(&link, role);
    role_ready(role);
    if (role->reader < 0)
        loop_produce(role, &link, exec_send, ECHO_LINE);
    else
        loop_consume(role, &link, exec_take, ECHO_LINE);
    shmbus_close(link.bus);
}
