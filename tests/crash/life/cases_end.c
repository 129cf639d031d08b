/* SPDX-License-Identifier: Apache-2.0 */
/* Ends of all kinds. */
#define _GNU_SOURCE
#include "life.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define DUMPED_BYTES (64u << 20) /* so that writing the core takes a while */

static void killed(void)
{
    struct scene scene = scene_start(life_subject);
    judge_alive(&scene.judge, "subject", scene.pid);
    (void)life_kill(scene.pid);
    judge_dead(&scene.judge, "subject");
}

static void zombie(void)
{
    struct scene scene = scene_start(life_subject);
    siginfo_t info;
    require(kill(scene.pid, SIGKILL) == 0);
    require(waitid(P_PID, (id_t)scene.pid, &info, WEXITED | WNOWAIT) == 0);
    judge_dead(&scene.judge, "subject");
    require(kill(scene.pid, 0) == 0);
    (void)life_wait(scene.pid);
}

static void exits_body(const struct strings *strings)
{
    (void)subject_attach("subject");
    strings_say(strings->report, 'r');
    (void)strings_hear(strings->order);
    exit(0);
}

static void exits(void)
{
    struct scene scene = scene_start(exits_body);
    judge_alive(&scene.judge, "subject", scene.pid);
    strings_say(scene.strings.order, 'e');
    (void)life_wait(scene.pid);
    judge_dead(&scene.judge, "subject");
}

static void execs_body(const struct strings *strings)
{
    (void)subject_attach("subject");
    strings_say(strings->report, 'r');
    (void)strings_hear(strings->order);
    life_exec_idle(strings);
}

/* The process goes on, but it is another program: it has none of what it had. */
static void execs(void)
{
    struct scene scene = scene_start(execs_body);
    judge_alive(&scene.judge, "subject", scene.pid);
    strings_say(scene.strings.order, 'e');
    require(strings_hear(scene.strings.report) == 'x');
    judge_dead(&scene.judge, "subject");
    require(kill(scene.pid, 0) == 0);
    (void)life_kill(scene.pid);
}

/* A signal of which the process dies, with a core where the machine writes one. */
static void dumps_body(const struct strings *strings)
{
    const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
    (void)setrlimit(RLIMIT_CORE, &unlimited);
    void *memory = mmap(NULL, DUMPED_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    require(memory != MAP_FAILED);
    memset(memory, 1, DUMPED_BYTES);
    (void)subject_attach("subject");
    strings_say(strings->report, 'r');
    const int signal_number = strings_hear(strings->order) == 'a' ? SIGABRT : SIGSEGV;
    (void)signal(signal_number, SIG_DFL); /* a sanitizer would catch it */
    raise(signal_number);
}

/* Cores go to the working directory, if the machine's pattern names no other place. */
static void remove_cores(const char *directory, pid_t pid)
{
    char name[32];
    (void)snprintf(name, sizeof name, "core.%d", (int)pid);
    (void)unlink("core");
    (void)unlink(name);
    require(chdir("/") == 0);
    (void)rmdir(directory);
}

static void dumps(char order, int signal_number)
{
    char directory[] = "/tmp/shmbus-life-XXXXXX";
    require(mkdtemp(directory) && chdir(directory) == 0);
    struct scene scene = scene_start(dumps_body);
    judge_alive(&scene.judge, "subject", scene.pid);
    strings_say(scene.strings.order, order);
    const int status = life_wait(scene.pid);
    remove_cores(directory, scene.pid);
    require(WIFSIGNALED(status) && WTERMSIG(status) == signal_number);
    life_remark("%s", WCOREDUMP(status) ? "with a core" : "this machine writes no cores");
    judge_dead(&scene.judge, "subject");
}

static void dumps_abort(void)
{
    dumps('a', SIGABRT);
}

static void dumps_fault(void)
{
    dumps('s', SIGSEGV);
}

const struct life_case cases_end[] = {
    {"killed", "by SIGKILL", killed},
    {"zombie", "killed, and nobody has asked for its status", zombie},
    {"exits", "without closing anything", exits},
    {"execs", "becomes another program without closing anything", execs},
    {"aborts", "by SIGABRT, with a core", dumps_abort},
    {"faults", "by SIGSEGV, with a core", dumps_fault},
    {NULL, NULL, NULL},
};
