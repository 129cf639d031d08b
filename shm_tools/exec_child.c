/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "exec_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report.h"

void child_close(int *end)
{
    if (*end >= 0) {
        (void)close(*end);
    }
    *end = -1;
}

void child_forget(struct child *child)
{
    child_close(&child->in);
    child_close(&child->out);
    child_close(&child->err);
    child_close(&child->left);
    child_close(&child->watch);
}

void child_end_input(struct child *child)
{
    char path[32];
    if (child->in >= 0) {
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", child->in);
        child->left = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        child_close(&child->in);
    }
}

int64_t child_unread(const struct child *child)
{
    int bytes = 0;
    const int pipe = child->in >= 0 ? child->in : child->left;
    return pipe >= 0 && ioctl(pipe, FIONREAD, &bytes) == 0 ? bytes : -1;
}

/* Only our end never blocks: that is no business of a program that expects an ordinary pipe. */
static int make_pipe(int *ours, int *theirs, int we_write)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return -errno;
    }
    *ours = ends[we_write ? 1 : 0];
    *theirs = ends[we_write ? 0 : 1];
    return fcntl(*ours, F_SETFL, O_NONBLOCK) == 0 ? 0 : -errno;
}

static int make_pipes(struct child *child, unsigned pipes, int theirs[3])
{
    int err = make_pipe(&child->in, &theirs[0], 1);
    if (err == 0 && pipes & CHILD_OUT) {
        err = make_pipe(&child->out, &theirs[1], 0);
    }
    if (err == 0 && pipes & CHILD_ERR) {
        err = make_pipe(&child->err, &theirs[2], 0);
    }
    return err;
}

/* In the new process: only what is safe in the child of a process with threads. */
static __attribute__((noreturn)) void become(const char *const *command, const int theirs[3], int told,
                                             pid_t parent)
{
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) {
        _exit(EXIT_FAILED); /* it died before we asked */
    }
    (void)signal(SIGPIPE, SIG_DFL);
    for (int fd = 0; fd < 3; fd++) {
        if (theirs[fd] >= 0) {
            (void)dup2(theirs[fd], fd);
        }
    }
    (void)execvp(command[0], (char *const *)command);
    const int error = errno;
    (void)!write(told, &error, sizeof error);
    _exit(EXIT_FAILED);
}

/* Whether the exec has worked: the pipe that tells of its failure closes with it. */
static int exec_result(int told)
{
    int error = 0;
    ssize_t got;
    do {
        got = read(told, &error, sizeof error);
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof error ? -error : 0;
}

static int run(struct child *child, const char *const *command, const int theirs[3])
{
    int told[2];
    if (pipe2(told, O_CLOEXEC) != 0) {
        return -errno;
    }
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid == 0) {
        become(command, theirs, told[1], parent);
    }
    int err = pid < 0 ? -errno : 0;
    (void)close(told[1]);
    if (err == 0) {
        (void)setpgid(pid, pid); /* before anybody sends it a signal */
        err = exec_result(told[0]);
    }
    (void)close(told[0]);
    if (err == 0) {
        child->watch = pidfd_open(pid, 0);
        err = child->watch < 0 ? -errno : 0;
    }
    if (err == 0) {
        child->pid = pid;
    } else if (pid > 0) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    return err;
}

int child_start(struct child *child, const char *const *command, unsigned pipes)
{
    int theirs[] = {-1, -1, -1};
    *child = (struct child){.watch = -1, .in = -1, .out = -1, .err = -1, .left = -1};
    int err = make_pipes(child, pipes, theirs);
    if (err == 0) {
        err = run(child, command, theirs);
    }
    for (int fd = 0; fd < 3; fd++) {
        child_close(&theirs[fd]);
    }
    if (err != 0) {
        child_forget(child);
    }
    return err;
}

void child_signal(const struct child *child, int number)
{
    if (child->pid > 0) {
        (void)kill(-child->pid, number);
    }
}

int child_reap(struct child *child)
{
    int status = 0;
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR) {
    }
    child->pid = 0;
    child_close(&child->watch);
    return status;
}

void child_status_text(int status, char *text, size_t size)
{
    if (WIFSIGNALED(status)) {
        const int number = WTERMSIG(status);
        (void)snprintf(text, size, "was killed by signal %d (%s)", number, strsignal(number));
    } else {
        (void)snprintf(text, size, "ended with status %d", WEXITSTATUS(status));
    }
}

int child_status_code(int status)
{
    return WIFSIGNALED(status) ? EXIT_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}
