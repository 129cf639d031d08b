/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "trace.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

bool trace_begin(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 && raise(SIGSTOP) == 0;
}

static pid_t wait_for(pid_t pid, int *status)
{
    pid_t got;
    do {
        got = waitpid(pid, status, 0);
    } while (got < 0 && errno == EINTR);
    return got;
}

bool trace_wait(pid_t pid, int *status)
{
    return wait_for(pid, status) == pid && WIFSTOPPED(*status) && WSTOPSIG(*status) == SIGSTOP;
}

static bool registers_get(pid_t pid, struct user_regs_struct *registers)
{
    struct iovec vector = {.iov_base = registers, .iov_len = sizeof *registers};
    return ptrace(PTRACE_GETREGSET, pid, (void *)(long)NT_PRSTATUS, &vector) == 0; /* NOLINT */
}

static void registers_set(pid_t pid, struct user_regs_struct *registers)
{
    struct iovec vector = {.iov_base = registers, .iov_len = sizeof *registers};
    (void)ptrace(PTRACE_SETREGSET, pid, (void *)(long)NT_PRSTATUS, &vector); /* NOLINT */
}

#if defined(__x86_64__)
#define COUNTER rip
#define BREAKPOINT UINT32_C(0xcc)
#define BREAKPOINT_MASK UINT32_C(0xff)
#define BREAKPOINT_MOVES 1 /* the counter stands behind it */
#define SYSTEM_CALL UINT32_C(0x050f)
#define SYSTEM_CALL_MASK UINT32_C(0xffff)
#else
#define COUNTER pc
#define BREAKPOINT UINT32_C(0xd4200000)
#define BREAKPOINT_MASK UINT32_C(0xffffffff)
#define BREAKPOINT_MOVES 0
#define SYSTEM_CALL UINT32_C(0xd4000001)
#define SYSTEM_CALL_MASK UINT32_C(0xffffffff)
#endif

uintptr_t trace_at(pid_t pid)
{
    struct user_regs_struct registers;
    return registers_get(pid, &registers) ? (uintptr_t)registers.COUNTER : 0;
}

/* Lets the process go on until it stops by itself. False: it is gone, or has stopped for another reason. */
static bool go_on(pid_t pid, enum __ptrace_request how, int expected)
{
    for (long signal = 0;;) {
        int status;
        if (ptrace(how, pid, NULL, signal) != 0 || wait_for(pid, &status) != pid || !WIFSTOPPED(status)) {
            return false;
        }
        if (WSTOPSIG(status) == expected) {
            return true;
        }
        if (WSTOPSIG(status) == SIGSTOP) {
            return false; /* the operation has come to its end */
        }
        signal = WSTOPSIG(status);
    }
}

enum trace_stop trace_step(pid_t pid)
{
    uint32_t code = 0;
    const uintptr_t at = trace_at(pid);
    if (at != 0) {
        memcpy(&code, (const void *)at,
               SYSTEM_CALL_MASK > 0xffff ? 4 : 2); /* NOLINT(performance-no-int-to-ptr) */
    }
    if (!go_on(pid, PTRACE_SINGLESTEP, SIGTRAP)) {
        return TRACE_ENDED;
    }
    return (code & SYSTEM_CALL_MASK) == SYSTEM_CALL ? TRACE_ENTERED : TRACE_STEPPED;
}

/* Goes to the breakpoint at `address` and takes it away. */
static bool run_once(pid_t pid, uintptr_t address)
{
    void *at = (void *)address; /* NOLINT(performance-no-int-to-ptr) */
    errno = 0;
    const long code = ptrace(PTRACE_PEEKTEXT, pid, at, NULL);
    const long broken = (long)(((unsigned long)code & ~(unsigned long)BREAKPOINT_MASK) | BREAKPOINT);
    if (errno != 0 || ptrace(PTRACE_POKETEXT, pid, at, broken) != 0 || !go_on(pid, PTRACE_CONT, SIGTRAP)) {
        return false;
    }
    struct user_regs_struct registers;
    if (ptrace(PTRACE_POKETEXT, pid, at, code) != 0 || !registers_get(pid, &registers)) {
        return false;
    }
    registers.COUNTER -= BREAKPOINT_MOVES;
    registers_set(pid, &registers);
    return registers.COUNTER == address;
}

bool trace_run_to(pid_t pid, uintptr_t address, unsigned long times)
{
    for (unsigned long i = 0; i < times; i++) {
        const bool there = i == 0 && trace_at(pid) == address;
        /* On from where the last one came: behind a repeated instruction all its rounds. */
        while (i > 0 && trace_at(pid) == address) {
            if (trace_step(pid) == TRACE_ENDED) {
                return false;
            }
        }
        if (!there && !run_once(pid, address)) {
            return false;
        }
    }
    return true;
}

void trace_kill(pid_t pid)
{
    int status;
    (void)kill(pid, SIGKILL);
    while (wait_for(pid, &status) == pid && WIFSTOPPED(status)) {
    }
}

bool trace_sleeps(pid_t pid)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/syscall", (int)pid);
    FILE *file = fopen(path, "r");
    long number = -1;
    const bool read = file && fscanf(file, "%ld", &number) == 1;
    if (file) {
        (void)fclose(file);
    }
    return read && number == SYS_futex;
}
