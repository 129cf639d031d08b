/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "unit.h"

#include <criterion/hooks.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define CHILDREN 64
#define SOON_NS (INT64_C(1000000000) * (UNIT_SECONDS - 10))

char unit_bus[SHMBUS_NAME_MAX + 1];

static pid_t test_process;
static pid_t children[CHILDREN];

/* ------------------------------------------------------------------------------------------- checks */

void unit_fail(const char *file, int line, const char *format, ...)
{
    char text[600];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const char *name = strrchr(file, '/');
    name = name ? name + 1 : file;
    if (getpid() != test_process || gettid() != test_process) {
        (void)fprintf(stderr, "%s:%d: in process %d, thread %d: %s\n", name, line, getpid(), gettid(), text);
        abort();
    }
    cr_assert_fail("%s:%d: %s", name, line, text);
    abort(); /* not reached */
}

void unit_check_eq(const char *file, int line, const char *what, int64_t a, int64_t b)
{
    if (a != b) {
        unit_fail(file, line, "%s: %lld, %lld (%s)", what, (long long)a, (long long)b,
                  a < 0 && a > -200 ? shmbus_strerror((int)a) : "");
    }
}

void unit_check_fails(const char *file, int line, const char *call, int64_t result, int err,
                      const char *const *words)
{
    if (result != err) {
        unit_fail(file, line, "%s: %lld, not %d (%s)", call, (long long)result, err,
                  result < 0 && result > -200 ? shmbus_strerror((int)result) : "");
    }
    const char *text = shmbus_strerror(err);
    for (; *words; words++) {
        if (!strstr(text, *words)) {
            unit_fail(file, line, "%s: its explanation, \"%s\", lacks \"%s\"", call, text, *words);
        }
    }
}

int64_t unit_soon(void)
{
    return shmbus_deadline(SOON_NS);
}

void unit_look_again(const char *file, int line, const char *what, int64_t until)
{
    if (shmbus_now() > until) {
        unit_fail(file, line, "still not: %s", what);
    }
    (void)sched_yield();
}

/* ------------------------------------------------------------------------------------- the test's bus */

#define NAME_FORMAT "unit.%d."

void unit_init(void)
{
    test_process = getpid();
    (void)snprintf(unit_bus, sizeof unit_bus, NAME_FORMAT "%d", getppid(), getpid());
}

void unit_fini(void)
{
    for (unsigned i = 0; i < CHILDREN; i++) {
        if (children[i] > 0) {
            unit_kill(children[i]);
        }
    }
    (void)shmbus_remove(unit_bus);
}

static int remove_own(void *context, const char *name)
{
    if (strncmp(name, context, strlen(context)) == 0) {
        (void)shmbus_remove(name);
    }
    return 0;
}

/* In the runner: what tests left that crashed or ran out of time. */
ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
    (void)stats;
    char prefix[32];
    (void)snprintf(prefix, sizeof prefix, NAME_FORMAT, getpid());
    (void)shmbus_list(remove_own, prefix);
}

shmbus_bus *unit_open(void)
{
    shmbus_bus *bus = NULL;
    check_eq(shmbus_open(unit_bus, NULL, &bus), 0);
    return bus;
}

shmbus_publisher *unit_publisher(shmbus_bus *bus, const shmbus_channel_options *options)
{
    shmbus_publisher *publisher = NULL;
    const shmbus_publisher_options asked = {.channel = options};
    check_eq(shmbus_publisher_open(bus, "c", &asked, &publisher), 0);
    return publisher;
}

static shmbus_subscriber *subscriber(shmbus_bus *bus, const char *group, int shared)
{
    shmbus_subscriber *opened = NULL;
    const shmbus_subscriber_options asked = {.group = group, .shared = shared, .from = SHMBUS_FROM_OLDEST};
    check_eq(shmbus_subscriber_open(bus, "c", &asked, &opened), 0);
    return opened;
}

shmbus_subscriber *unit_subscriber(shmbus_bus *bus, const char *group)
{
    return subscriber(bus, group, 0);
}

shmbus_subscriber *unit_worker(shmbus_bus *bus, const char *group)
{
    return subscriber(bus, group, 1);
}

const char *unit_path(void)
{
    static char path[sizeof unit_bus + 32];
    (void)snprintf(path, sizeof path, "/dev/shm/shmbus.%s", unit_bus);
    return path;
}

struct unit_file unit_file(void)
{
    struct stat status;
    check_eq(stat(unit_path(), &status), 0);
    return (struct unit_file){.size = status.st_size, .blocks = status.st_blocks};
}

static shmbus_view *view_channel(shmbus_channel_info *info)
{
    shmbus_view *view = NULL;
    check_eq(shmbus_view_open(unit_bus, &view), 0);
    uint32_t cursor = 0;
    check_eq(shmbus_view_channel(view, &cursor, info), 1);
    return view;
}

shmbus_channel_info unit_channel_info(void)
{
    shmbus_channel_info info;
    shmbus_view_close(view_channel(&info));
    return info;
}

shmbus_group_info unit_group_info(const char *group)
{
    shmbus_channel_info channel;
    shmbus_view *view = view_channel(&channel);
    shmbus_group_info info;
    int found;
    for (uint32_t cursor = 0; (found = shmbus_view_group(view, channel.index, &cursor, &info)) == 1;) {
        if (strcmp(info.name, group) == 0) {
            break;
        }
    }
    shmbus_view_close(view);
    check_eq(found, 1);
    return info;
}

shmbus_publisher_info unit_publisher_info(uint32_t index)
{
    shmbus_channel_info channel;
    shmbus_view *view = view_channel(&channel);
    shmbus_publisher_info info;
    uint32_t cursor = index;
    check_eq(shmbus_view_publisher(view, channel.index, &cursor, &info), 1);
    check_eq(info.index, index);
    shmbus_view_close(view);
    return info;
}

shmbus_member_info unit_member_info(uint32_t index)
{
    shmbus_channel_info channel;
    shmbus_view *view = view_channel(&channel);
    shmbus_member_info info;
    uint32_t cursor = index;
    check_eq(shmbus_view_member(view, channel.index, &cursor, &info), 1);
    check_eq(info.index, index);
    shmbus_view_close(view);
    return info;
}

void unit_check_ledger(void)
{
    shmbus_channel_info channel;
    shmbus_view *view = view_channel(&channel);
    shmbus_group_info group;
    for (uint32_t cursor = 0; shmbus_view_group(view, channel.index, &cursor, &group) == 1;) {
        const uint64_t accounted = group.messages + group.aborted + group.missed + group.pending;
        if (channel.published - group.joined != accounted) {
            unit_fail(__FILE__, __LINE__,
                      "group %s: %llu published since %llu, %llu + %llu + %llu + %llu accounted", group.name,
                      (unsigned long long)(channel.published - group.joined),
                      (unsigned long long)group.joined, (unsigned long long)group.messages,
                      (unsigned long long)group.aborted, (unsigned long long)group.missed,
                      (unsigned long long)group.pending);
        }
    }
    shmbus_view_close(view);
}

/* ------------------------------------------------------------------------------------------ messages */

/* Word `at` of a message: no two words, and no two messages, are alike. */
static uint64_t content(uint64_t seed, size_t at)
{
    const uint64_t x = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) + (at + 1) * UINT64_C(0xd1b54a32d192ed03);
    return x ^ (x >> 29);
}

void unit_fill(void *data, size_t size, uint64_t seed)
{
    unsigned char *bytes = data;
    for (size_t i = 0; i < size; i += 8) {
        const uint64_t word = content(seed, i);
        memcpy(bytes + i, &word, size - i < 8 ? size - i : 8);
    }
}

void unit_check_content(const void *data, size_t size, uint64_t seed)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i += 8) {
        const uint64_t word = content(seed, i);
        if (memcmp(bytes + i, &word, size - i < 8 ? size - i : 8) != 0) {
            unit_fail(__FILE__, __LINE__, "message %llu of %zu bytes: wrong from byte %zu on",
                      (unsigned long long)seed, size, i);
        }
    }
}

int unit_send(shmbus_publisher *publisher, size_t size, uint64_t seed, int64_t deadline)
{
    unsigned char *data = malloc(size + 1);
    check(data != NULL);
    unit_fill(data, size, seed);
    const int err = shmbus_send(publisher, data, size, deadline);
    free(data);
    return err;
}

void unit_receive(shmbus_subscriber *from, uint64_t sequence, size_t size, uint64_t seed)
{
    unsigned char *data = malloc(size + 1);
    check(data != NULL);
    shmbus_message message = {0};
    check_eq(shmbus_recv(from, data, size, &message, SHMBUS_NOWAIT), size);
    check_eq(message.size, size);
    check_eq(message.sequence, sequence);
    check(message.data == data);
    unit_check_content(data, size, seed);
    free(data);
}

/* ------------------------------------------------------------------------------------------ processes */

static pid_t *child_entry(pid_t pid)
{
    for (unsigned i = 0; i < CHILDREN; i++) {
        if (children[i] == pid) {
            return &children[i];
        }
    }
    unit_fail(__FILE__, __LINE__, "no entry for child %d", pid);
}

pid_t unit_fork(void (*body)(void *context), void *context)
{
    pid_t *entry = child_entry(0);
    const pid_t parent = getpid();
    (void)fflush(NULL);
    const pid_t child = fork();
    check(child >= 0);
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)signal(SIGABRT, SIG_DFL);
        (void)alarm(UNIT_SECONDS);
        if (getppid() == parent) {
            body(context);
        }
        _exit(0);
    }
    *entry = child;
    return child;
}

void unit_join(pid_t child)
{
    int status = -1;
    *child_entry(child) = 0;
    check_eq(waitpid(child, &status, 0), child);
    check_eq(status, 0);
}

void unit_kill(pid_t child)
{
    *child_entry(child) = 0;
    (void)kill(child, SIGKILL);
    int status;
    (void)waitpid(child, &status, 0);
}

struct unit_gate unit_gate(void)
{
    struct unit_gate gate;
    check_eq(pipe(gate.fds), 0);
    return gate;
}

void unit_gate_open(const struct unit_gate *gate)
{
    check_eq(write(gate->fds[1], "", 1), 1);
}

/* Fails as soon as a child has ended that nobody waited for: it would have opened the gate. */
static void check_children(void)
{
    siginfo_t info = {0};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
        unit_fail(__FILE__, __LINE__, "child %d ended with %d before it opened the gate", info.si_pid,
                  info.si_status);
    }
}

void unit_gate_wait(const struct unit_gate *gate)
{
    char byte;
    struct pollfd fd = {.fd = gate->fds[0], .events = POLLIN};
    while (poll(&fd, 1, 100) == 0) {
        check_children();
    }
    check_eq(read(gate->fds[0], &byte, 1), 1);
}

void unit_wait_to_be_killed(const struct unit_gate *gate)
{
    unit_gate_open(gate);
    for (;;) {
        (void)pause();
    }
}

/* ThreadSanitizer asks for this in its build: a forked child of the tests has threads of its own. */
const char *__tsan_default_options(void);

const char *__tsan_default_options(void)
{
    return "die_after_fork=0";
}
