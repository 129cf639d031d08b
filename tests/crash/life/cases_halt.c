/* SPDX-License-Identifier: Apache-2.0 */
/* Alive, though nothing moves, or though the thread that one would look at is gone. */
#define _GNU_SOURCE
#include "life.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOKS 3 /* so often the judge asks about who stands still */

/* Commits when it is told to: it was waited for, and nobody gave its claim up. */
static void commits_body(const struct strings *strings)
{
    struct subject subject = subject_attach("subject");
    strings_say(strings->report, 'r');
    (void)strings_hear(strings->order);
    subject_commit(&subject);
    life_idle(strings);
}

static void await_stop(pid_t pid)
{
    int status = 0;
    require(waitpid(pid, &status, WUNTRACED | __WALL) == pid);
    require(WIFSTOPPED(status));
}

static void look_and_go_on(struct scene *scene, void (*resume)(pid_t pid))
{
    for (unsigned i = 0; i < LOOKS; i++) {
        judge_alive(&scene->judge, "subject", scene->pid);
    }
    strings_say(scene->strings.order, 'c');
    resume(scene->pid);
    judge_receives(&scene->judge);
}

static void resume_stopped(pid_t pid)
{
    require(kill(pid, SIGCONT) == 0);
}

static void stopped(void)
{
    struct scene scene = scene_start(commits_body);
    require(kill(scene.pid, SIGSTOP) == 0);
    await_stop(scene.pid);
    look_and_go_on(&scene, resume_stopped);
}

static void stopped_killed(void)
{
    struct scene scene = scene_start(life_subject);
    require(kill(scene.pid, SIGSTOP) == 0);
    await_stop(scene.pid);
    judge_alive(&scene.judge, "subject", scene.pid);
    (void)life_kill(scene.pid);
    judge_dead(&scene.judge, "subject");
}

static void resume_traced(pid_t pid)
{
    require(ptrace(PTRACE_DETACH, pid, NULL, NULL) == 0);
}

static void trace(pid_t pid)
{
    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) != 0) {
        life_skip("this process may not trace another: %s", strerror(errno));
    }
    require(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == 0);
    await_stop(pid);
}

static void traced(void)
{
    struct scene scene = scene_start(commits_body);
    trace(scene.pid);
    look_and_go_on(&scene, resume_traced);
}

static void traced_killed(void)
{
    struct scene scene = scene_start(life_subject);
    trace(scene.pid);
    judge_alive(&scene.judge, "subject", scene.pid);
    (void)life_kill(scene.pid);
    judge_dead(&scene.judge, "subject");
}

/* ------------------------------------------------------------------------------------------ threads */

static void *attach_thread(void *context)
{
    *(struct subject *)context = subject_attach("subject");
    return NULL;
}

static void opener_body(const struct strings *strings)
{
    struct subject subject;
    pthread_t thread;
    require(pthread_create(&thread, NULL, attach_thread, &subject) == 0);
    require(pthread_join(thread, NULL) == 0);
    strings_say(strings->report, 'r');
    (void)strings_hear(strings->order);
    subject_commit(&subject);
    life_idle(strings);
}

static void resume_nobody(pid_t pid)
{
    (void)pid;
}

static void opener_leaves(void)
{
    struct scene scene = scene_start(opener_body);
    look_and_go_on(&scene, resume_nobody);
}

static void *other_thread(void *context)
{
    commits_body(context);
    return NULL;
}

static void leader_body(const struct strings *strings)
{
    static struct strings own;
    own = *strings; /* the main thread's stack is not to be counted on */
    pthread_t thread;
    require(pthread_create(&thread, NULL, other_thread, &own) == 0);
    pthread_exit(NULL);
}

/* The process shows as a zombie, but its other thread works. */
static void leader_leaves(void)
{
    struct scene scene = scene_start(leader_body);
    look_and_go_on(&scene, resume_nobody);
}

static void leader_leaves_killed(void)
{
    struct scene scene = scene_start(leader_body);
    judge_alive(&scene.judge, "subject", scene.pid);
    (void)life_kill(scene.pid);
    judge_dead(&scene.judge, "subject");
}

const struct life_case cases_halt[] = {
    {"stopped", "by SIGSTOP, then goes on", stopped},
    {"stopped-killed", "killed while it is stopped", stopped_killed},
    {"traced", "stopped by a debugger, then goes on", traced},
    {"traced-killed", "killed while a debugger holds it", traced_killed},
    {"opener-leaves", "the thread that attached has ended", opener_leaves},
    {"leader-leaves", "the main thread has ended, another works", leader_leaves},
    {"leader-leaves-killed", "the same, then killed", leader_leaves_killed},
    {NULL, NULL, NULL},
};
