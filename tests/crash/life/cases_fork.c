/* SPDX-License-Identifier: Apache-2.0 */
/* Children: they keep nobody alive, and have nothing of their parent's. */
#define _GNU_SOURCE
#include "life.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

/* Reports its end of the fork, then stays when its parent is gone. */
static void orphan_of(const struct strings *strings, struct subject *subject)
{
    subject_check_foreign(subject);
    strings_say(strings->report, 'c');
    life_idle(strings);
}

static void forks_body(const struct strings *strings)
{
    struct subject subject = subject_attach("subject");
    strings_say(strings->report, 'r');
    if (fork() == 0) {
        orphan_of(strings, &subject);
    }
    life_idle(strings);
}

static void forks(void)
{
    struct scene scene = scene_start(forks_body);
    require(strings_hear(scene.strings.report) == 'c');
    judge_alive(&scene.judge, "subject", scene.pid);
    (void)life_kill(scene.pid);
    judge_dead(&scene.judge, "subject");
}

/* The child attaches for itself: its parent's death is not its own, nor the other way round. */
static void attaches_body(const struct strings *strings)
{
    struct subject subject = subject_attach("subject");
    if (fork() == 0) {
        subject_check_foreign(&subject);
        (void)subject_attach("child");
        strings_say(strings->report, 'r');
    }
    life_idle(strings);
}

static void child_attaches(void)
{
    life_needs_orphans();
    struct scene scene = scene_start(attaches_body);
    (void)life_kill(scene.pid);
    pid_t pid = 0;
    judge_alive(&scene.judge, "child", 0);
    require(!judge_sees("subject", &pid) && judge_sees("child", &pid));
    require(kill(pid, SIGKILL) == 0);
    (void)life_wait(pid);
    judge_dead(&scene.judge, "child");
}

static void fork_exec_body(const struct strings *strings)
{
    (void)subject_attach("subject");
    strings_say(strings->report, 'r');
    if (fork() == 0) {
        life_exec_idle(strings);
    }
    life_idle(strings);
}

static void fork_exec(void)
{
    struct scene scene = scene_start(fork_exec_body);
    require(strings_hear(scene.strings.report) == 'x');
    judge_alive(&scene.judge, "subject", scene.pid);
    (void)life_kill(scene.pid);
    judge_dead(&scene.judge, "subject");
}

/* No handlers of pthread_atfork() run here: what must not be inherited has to be closed by the exec. */
static void spawn_body(const struct strings *strings)
{
    struct life_words words;
    pid_t child;
    life_idle_words(strings, &words);
    (void)subject_attach("subject");
    strings_say(strings->report, 'r');
    require(posix_spawn(&child, life_program, NULL, NULL, words.argv, environ) == 0);
    life_idle(strings);
}

static void spawn(void)
{
    struct scene scene = scene_start(spawn_body);
    require(strings_hear(scene.strings.report) == 'x');
    judge_alive(&scene.judge, "subject", scene.pid);
    (void)life_kill(scene.pid);
    judge_dead(&scene.judge, "subject");
}

/* The judge is who orphans are given to: it can wait for a daemon's end. */
static void daemon_after_body(const struct strings *strings)
{
    if (fork() != 0) {
        _exit(0);
    }
    require(setsid() > 0);
    if (fork() != 0) {
        _exit(0);
    }
    life_subject(strings);
}

static void daemon_attaches(void)
{
    life_needs_orphans();
    struct scene scene = scene_start(daemon_after_body);
    (void)life_wait(scene.pid);
    pid_t pid = 0;
    require(judge_sees("subject", &pid));
    judge_alive(&scene.judge, "subject", pid);
    require(kill(pid, SIGKILL) == 0);
    (void)life_wait(pid);
    judge_dead(&scene.judge, "subject");
}

static void daemon_before_body(const struct strings *strings)
{
    struct subject subject = subject_attach("subject");
    strings_say(strings->report, 'r');
    (void)strings_hear(strings->order);
    if (fork() != 0) {
        _exit(0);
    }
    require(setsid() > 0);
    if (fork() != 0) {
        _exit(0);
    }
    orphan_of(strings, &subject);
}

/* It attached before it went away: the attachment stays with the process that is gone. */
static void daemon_attached(void)
{
    struct scene scene = scene_start(daemon_before_body);
    judge_alive(&scene.judge, "subject", scene.pid);
    strings_say(scene.strings.order, 'd');
    require(strings_hear(scene.strings.report) == 'c');
    (void)life_wait(scene.pid);
    judge_dead(&scene.judge, "subject");
}

const struct life_case cases_fork[] = {
    {"forks", "killed while a forked child lives", forks},
    {"child-attaches", "killed while a forked child has an attachment of its own", child_attaches},
    {"fork-exec", "killed while a child lives that became another program", fork_exec},
    {"spawn", "killed while a child of posix_spawn() lives", spawn},
    {"daemon-attaches", "a daemon that attaches after it has gone into the background", daemon_attaches},
    {"daemon-attached", "a daemon that attached before", daemon_attached},
    {NULL, NULL, NULL},
};
