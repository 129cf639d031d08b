/* SPDX-License-Identifier: Apache-2.0 */
/* Facilities that take more than one process, or end one. */
#define _GNU_SOURCE
#include "facilities.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs `body` in a child; true when that returns true. */
static bool in_child(bool (*body)(int fd), int fd)
{
    int status;
    const pid_t child = fork();
    if (child == 0) {
        _exit(body(fd) ? 0 : errno != 0 ? errno : 255);
    }
    const bool ended = waitpid(child, &status, 0) == child && WIFEXITED(status);
    errno = ended ? WEXITSTATUS(status) : 0;
    return ended && errno == 0;
}

static struct flock first_byte(short type)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_len = 1};
}

static bool sees_lock(int fd)
{
    char path[64] = "/proc/self/fd/";
    path[sizeof "/proc/self/fd/" - 1] = (char)('0' + fd % 10);
    const int other = open(path, O_RDWR | O_CLOEXEC);
    struct flock lock = first_byte(F_WRLCK);
    if (other < 0 || fcntl(other, F_OFD_GETLK, &lock) != 0) {
        return false;
    }
    errno = 0;
    return lock.l_type == F_WRLCK && lock.l_pid == -1;
}

static bool file_locks(void)
{
    const int fd = memfd_create("facility", MFD_CLOEXEC);
    struct flock lock = first_byte(F_WRLCK);
    return fd >= 0 && fd < 10 && fcntl(fd, F_OFD_SETLK, &lock) == 0 && in_child(sees_lock, fd);
}

static bool process_descriptor(void)
{
    const pid_t child = fork();
    if (child == 0) {
        (void)pause();
        _exit(0);
    }
    const long fd = syscall(SYS_pidfd_open, child, 0);
    const int err = errno;
    (void)kill(child, SIGKILL);
    struct pollfd ended = {.fd = (int)fd, .events = POLLIN};
    const bool seen = fd >= 0 && poll(&ended, 1, 10000) == 1;
    (void)waitpid(child, NULL, 0);
    errno = err;
    return seen;
}

static bool is_traced(int unused)
{
    (void)unused;
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0;
}

static bool tracing(void)
{
    return in_child(is_traced, 0);
}

static bool in_namespaces(int flags)
{
    return unshare(flags) == 0;
}

static bool user_namespace(void)
{
    return in_child(in_namespaces, CLONE_NEWUSER);
}

static bool process_namespace(void)
{
    return in_child(in_namespaces, CLONE_NEWUSER | CLONE_NEWPID);
}

static sigjmp_buf back;

static void jump_back(int number)
{
    siglongjmp(back, number);
}

/* A file that is truncated under its mapping. */
static bool bus_error(void)
{
    const struct sigaction action = {.sa_handler = jump_back};
    const int fd = memfd_create("facility", MFD_CLOEXEC);
    if (fd < 0 || sigaction(SIGBUS, &action, NULL) != 0 || ftruncate(fd, 4096) != 0) {
        return false;
    }
    volatile char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED || ftruncate(fd, 0) != 0) {
        return false;
    }
    errno = 0;
    if (sigsetjmp(back, 1) == 0) {
        *page = 1;
        return false;
    }
    return true;
}

/* Each end of a process is the kernel's to tell: by a signal, and at the parent's death. */
static bool killed(void)
{
    const pid_t child = fork();
    if (child == 0) {
        (void)raise(SIGKILL);
    }
    int status;
    const bool ended = waitpid(child, &status, 0) == child;
    errno = 0;
    return ended && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static bool starts_itself(int unused)
{
    (void)unused;
    char *const words[] = {"facilities", "--nothing", NULL};
    (void)execv("/proc/self/exe", words);
    return false;
}

static bool starting(void)
{
    return in_child(starts_itself, 0);
}

const struct facility facilities_of_processes[] = {
    {"OFD locks between processes", file_locks},
    {"pidfd", process_descriptor},
    {"ptrace", tracing},
    {"user namespaces", user_namespace},
    {"process namespaces", process_namespace},
    {"SIGBUS behind a file's end", bus_error},
    {"SIGKILL seen by the parent", killed},
    {"exec of /proc/self/exe", starting},
    {.name = NULL},
};
