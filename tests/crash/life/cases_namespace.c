/* SPDX-License-Identifier: Apache-2.0 */
/* Peers in other PID, user and mount namespaces: process ids say nothing there. */
#define _GNU_SOURCE
#include "life.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static bool write_line(const char *path, const char *format, unsigned id)
{
    char line[40];
    const int length = snprintf(line, sizeof line, format, id);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool written = fd >= 0 && write(fd, line, (size_t)length) == length;
    (void)close(fd);
    return written;
}

/* Leaves the judge's namespaces, as `unshare -U -r -m -p` does. False: the machine forbids it. */
static bool unshare_all(bool user)
{
    const uid_t uid = geteuid();
    const gid_t gid = getegid();
    if (unshare(CLONE_NEWPID | CLONE_NEWNS | (user ? CLONE_NEWUSER : 0)) != 0) {
        return false;
    }
    if (user &&
        (!write_line("/proc/self/setgroups", "deny", 0) || !write_line("/proc/self/uid_map", "0 %u 1", uid) ||
         !write_line("/proc/self/gid_map", "0 %u 1", gid))) {
        return false;
    }
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* The process between: its child is the first one of the new namespace. It ends when that one has. */
static void between(const struct strings *strings, bool user, void (*body)(const struct strings *strings))
{
    if (!unshare_all(user)) {
        strings_say(strings->report, 'n');
        _exit(0);
    }
    const pid_t pid = fork();
    if (pid == 0) {
        require(getpid() == 1);
        body(strings);
        _exit(0);
    }
    atomic_store(&life_counts->inner, pid);
    int status = 0;
    (void)waitpid(pid, &status, 0);
    _exit(WIFSIGNALED(status) ? 0 : WEXITSTATUS(status));
}

static void between_user(const struct strings *strings)
{
    between(strings, true, life_subject);
}

static void between_plain(const struct strings *strings)
{
    between(strings, false, life_subject);
}

static void second_subject(const struct strings *strings)
{
    (void)subject_attach("second");
    strings_say(strings->report, 'r');
    life_idle(strings);
}

static void between_second(const struct strings *strings)
{
    between(strings, true, second_subject);
}

struct pair {
    pid_t outer; /* the process between */
    pid_t inner; /* the first of its namespace, as the judge numbers it */
};

static struct pair start(const struct strings *strings, void (*body)(const struct strings *strings))
{
    atomic_store(&life_counts->inner, 0);
    struct pair pair = {.outer = life_fork(strings, body)};
    if (strings_hear(strings->report) == 'n') {
        life_skip("no new namespaces here: %s", strerror(errno));
    }
    while (atomic_load(&life_counts->inner) == 0) {
        (void)sched_yield();
    }
    pair.inner = atomic_load(&life_counts->inner);
    return pair;
}

static void end(const struct pair *pair)
{
    require(kill(pair->inner, SIGKILL) == 0);
    require(life_wait(pair->outer) == 0);
}

static void one(void (*body)(const struct strings *strings))
{
    const struct strings strings = strings_make();
    struct judge judge = judge_open();
    const struct pair pair = start(&strings, body);
    judge_send(&judge);
    judge_alive(&judge, "subject", 1);
    end(&pair);
    judge_dead(&judge, "subject");
}

static void user_namespace(void)
{
    one(between_user);
}

static void pid_namespace(void)
{
    one(between_plain);
}

/* Two processes with the number 1 on the bus: one dies. */
static void equal_ids(void)
{
    const struct strings strings = strings_make();
    struct judge judge = judge_open();
    const struct pair first = start(&strings, between_user);
    const struct pair second = start(&strings, between_second);
    pid_t pid = 0;
    judge_send(&judge);
    judge_alive(&judge, "subject", 1);
    end(&first);
    judge_alive(&judge, "second", 1);
    require(!judge_sees("subject", &pid));
    end(&second);
    judge_dead(&judge, "second");
}

/* The other way round: the judge is in a namespace of its own, where the subject has no number at all. */
static void judge_inside(const struct strings *strings)
{
    struct judge judge = judge_open();
    strings_say(strings->report, 'r');
    (void)strings_hear(strings->order);
    judge_send(&judge);
    judge_alive(&judge, "subject", 0);
    strings_say(strings->report, 'a');
    (void)strings_hear(strings->order);
    judge_dead(&judge, "subject");
    judge_close(&judge);
}

static void between_judge(const struct strings *strings)
{
    between(strings, true, judge_inside);
}

static void seen_from_inside(void)
{
    const struct strings strings = strings_make();
    const struct strings subject_strings = strings_make();
    const struct pair judge = start(&strings, between_judge);
    const pid_t subject = life_fork(&subject_strings, life_subject);
    require(strings_hear(subject_strings.report) == 'r');
    strings_say(strings.order, 's');
    require(strings_hear(strings.report) == 'a');
    (void)life_kill(subject);
    strings_say(strings.order, 'k');
    require(life_wait(judge.outer) == 0);
}

const struct life_case cases_namespace[] = {
    {"user-namespace", "killed in user, PID and mount namespaces of its own", user_namespace},
    {"pid-namespace", "killed in PID and mount namespaces of its own", pid_namespace},
    {"equal-ids", "two peers with the same process id, of which one is killed", equal_ids},
    {"seen-from-inside", "killed, and who asks is in namespaces of its own", seen_from_inside},
    {NULL, NULL, NULL},
};
