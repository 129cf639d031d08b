/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a SIGBUS that has nothing to do with a bus, in a process that has the guard. */
#define _GNU_SOURCE
#include "unit.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

static shmbus_bus *open_guarded(void)
{
    shmbus_bus *bus = NULL;
    check_eq(shmbus_open(unit_bus, &(shmbus_bus_options){.sigbus_guard = 1}, &bus), 0);
    return bus;
}

/* Memory of the program's own that is not there. */
static volatile char *own_hole(void)
{
    const int fd = memfd_create("unit", MFD_CLOEXEC);
    volatile char *hole = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    check(hole != MAP_FAILED);
    return hole;
}

static void touch(void)
{
    *own_hole() = 1;
}

static void send_bus_error(void)
{
    (void)kill(getpid(), SIGBUS);
}

struct chained {
    void (*before)(int);
    void (*cause)(void);
};

static void open_and_cause(void *context)
{
    const struct chained *chained = context;
    (void)signal(SIGBUS, chained->before);
    check_eq(shmbus_close(open_guarded()), 0);
    chained->cause();
}

/* How a child ends: 0, or the signal. */
static int end_of(void (*before)(int), void (*cause)(void))
{
    struct chained chained = {before, cause};
    const pid_t child = fork();
    if (child == 0) {
        open_and_cause(&chained);
        _exit(0);
    }
    int status = -1;
    check_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

UNIT(chaining, to_the_default)
{
    check_eq(end_of(SIG_DFL, touch), SIGBUS);
    check_eq(end_of(SIG_DFL, send_bus_error), SIGBUS);
}

UNIT(chaining, to_ignoring)
{
    check_eq(end_of(SIG_IGN, touch), SIGBUS);
    check_eq(end_of(SIG_IGN, send_bus_error), 0);
}

static void end_with_77(int number)
{
    _exit(number == SIGBUS ? 77 : 1);
}

UNIT(chaining, to_a_simple_handler)
{
    check_eq(end_of(end_with_77, touch), 77);
    check_eq(end_of(end_with_77, send_bus_error), 77);
}

static sigjmp_buf out;
static void *volatile fault_address;
static volatile sig_atomic_t usr1_was_blocked;

static void jump_out(int number, siginfo_t *info, void *context)
{
    sigset_t mask;
    (void)context;
    (void)pthread_sigmask(SIG_BLOCK, NULL, &mask);
    usr1_was_blocked = sigismember(&mask, SIGUSR1);
    fault_address = info->si_addr;
    siglongjmp(out, number);
}

/* The program's handler gets the address and its mask, may leave by a jump, and is asked again. */
UNIT(chaining, to_a_handler_with_information)
{
    struct sigaction action = {.sa_sigaction = jump_out, .sa_flags = SA_SIGINFO};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaddset(&action.sa_mask, SIGUSR1);
    check_eq(sigaction(SIGBUS, &action, NULL), 0);
    shmbus_bus *bus = open_guarded();
    shmbus_publisher *publisher = unit_publisher(bus, &(shmbus_channel_options){.slots = 16});
    for (unsigned i = 0; i < 2; i++) {
        volatile char *hole = own_hole();
        if (sigsetjmp(out, 1) == 0) {
            hole[100] = 1;
            check(false);
        }
        check(fault_address == &hole[100]);
        check_eq(usr1_was_blocked, 1);
    }
    fault_address = NULL;
    check_eq(truncate(unit_path(), 0), 0);
    (void)unit_send(publisher, 100, 1, SHMBUS_NOWAIT);
    check_eq(unit_send(publisher, 100, 1, SHMBUS_NOWAIT), -EFAULT);
    check(fault_address == NULL);
}

static void lose_unguarded(void)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &(shmbus_channel_options){.slots = 16});
    check_eq(truncate(unit_path(), 0), 0);
    (void)unit_send(publisher, 100, 1, SHMBUS_NOWAIT);
}

/* Without being asked for there is no guard, and no handler. */
UNIT(chaining, must_be_asked_for)
{
    const pid_t child = fork();
    if (child == 0) {
        (void)signal(SIGBUS, SIG_DFL);
        lose_unguarded();
        _exit(0);
    }
    int status = -1;
    check_eq(waitpid(child, &status, 0), child);
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}
