/* SPDX-License-Identifier: Apache-2.0 */
#include "children.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reader.h"

#define LOOK_EVERY INT64_C(100000000) /* ns: a signal between the look and the sleep waits no longer */

static volatile sig_atomic_t caught; /* the signal that asks us to stop */
static volatile sig_atomic_t child_ended;

static void on_signal(int number)
{
    if (number == SIGCHLD)
        child_ended = 1;
    else
        caught = number;
}

void children_catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};
    const struct sigaction action = {.sa_handler = on_signal};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaction(numbers[i], &action, NULL);
}

/* A Ctrl-C reaches the readers too: it is their parent's to act on. */
static void become_reader(pid_t parent)
{
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
}

int children_start(children *all, control *shared, const phase_plan *plans)
{
    const pid_t parent = getpid();
    memset(all, 0, sizeof *all);
    all->shared = shared;
    all->steps = 1;
    fflush(NULL);
    for (int i = 0; i < DEMO_READERS; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            become_reader(parent);
            _exit(reader_run(shared, plans, i));
        }
        if (pid < 0) {
            fprintf(stderr, "shmbus-demo: cannot start a process: %s\n", strerror(errno));
            return -1;
        }
        all->pids[i] = pid;
    }
    return 0;
}

static void print_end(const children *all, int reader, int status)
{
    const char *error = all->shared->readers[reader].error;
    if (WIFSIGNALED(status))
        fprintf(stderr, "shmbus-demo: %s was killed by signal %d (%s)\n", demo_reader_name(reader),
                WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status))
        fprintf(stderr, "shmbus-demo: %s failed: %s\n", demo_reader_name(reader),
                *error ? error : "no reason left");
    else
        fprintf(stderr, "shmbus-demo: %s ended too early\n", demo_reader_name(reader));
}

/* Takes notice of one ended reader. Returns 0 when it ended well at the end of its work. */
static int note_end(children *all, int reader, int status)
{
    all->pids[reader] = 0;
    if (status == 0 && control_steps(all->shared, reader) == DEMO_PHASES + 1)
        return 0;
    print_end(all, reader, status);
    return -1;
}

static int look_for_ended(children *all)
{
    int result = 0;
    child_ended = 0;
    for (int i = 0; i < DEMO_READERS; i++) {
        int status;
        if (all->pids[i] && waitpid(all->pids[i], &status, WNOHANG) == all->pids[i])
            result |= note_end(all, i, status);
    }
    return result;
}

int children_disturbed(void)
{
    return caught || child_ended;
}

int children_signal(void)
{
    return (int)caught;
}

static int behind(const children *all, int reader)
{
    return control_steps(all->shared, reader) < all->steps;
}

static void print_out_of_time(const children *all, const char *step)
{
    fprintf(stderr, "shmbus-demo: out of time at: %s\n", step);
    for (int i = 0; i < DEMO_READERS; i++)
        if (behind(all, i))
            fprintf(stderr, "shmbus-demo: still waiting for %s, which got %llu messages\n",
                    demo_reader_name(i), (unsigned long long)all->shared->readers[i].result.messages);
}

int children_check(children *all, const char *step)
{
    if (caught) {
        fprintf(stderr, "shmbus-demo: stopped by signal %d (%s) at: %s\n", (int)caught, strsignal(caught),
                step);
        return -1;
    }
    if (child_ended && look_for_ended(all))
        return -1;
    if (shmbus_now() < all->shared->deadline)
        return 0;
    print_out_of_time(all, step);
    return -1;
}

void children_go(children *all)
{
    all->steps++;
    for (int i = 0; i < DEMO_READERS; i++)
        sem_post(&all->shared->readers[i].go);
}

static int any_behind(const children *all)
{
    for (int i = 0; i < DEMO_READERS; i++)
        if (behind(all, i))
            return 1;
    return 0;
}

int children_await(children *all, const char *step)
{
    while (any_behind(all)) {
        if (children_check(all, step))
            return -1;
        control_wait(&all->shared->done, shmbus_deadline(LOOK_EVERY));
    }
    return 0;
}

/* SIGCHLD ends the sleep early; one that came just before it is noticed a moment later. */
static void nap(void)
{
    const struct timespec moment = {.tv_nsec = LOOK_EVERY / 10};
    nanosleep(&moment, NULL);
}

static int any_left(const children *all)
{
    for (int i = 0; i < DEMO_READERS; i++)
        if (all->pids[i])
            return 1;
    return 0;
}

int children_reap(children *all)
{
    int result = look_for_ended(all);
    while (!result && any_left(all)) {
        nap();
        child_ended = 1;
        result = children_check(all, "the end of the readers");
    }
    return result;
}

void children_kill(children *all)
{
    for (int i = 0; i < DEMO_READERS; i++) {
        if (!all->pids[i])
            continue;
        kill(all->pids[i], SIGKILL);
        while (waitpid(all->pids[i], NULL, 0) < 0 && errno == EINTR)
            ;
        all->pids[i] = 0;
    }
}
