/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/harness.h"
#include "perf/floors.h"
#include "perf/timing.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static sigset_t handled; /* what the parent waits for */
static sigset_t before;
static bool interrupted;

struct bench_run *harness_create(void)
{
    sigemptyset(&handled);
    sigaddset(&handled, SIGCHLD);
    sigaddset(&handled, SIGINT);
    sigaddset(&handled, SIGTERM);
    sigprocmask(SIG_BLOCK, &handled, &before);
    void *run =
        mmap(NULL, sizeof(struct bench_run), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return run == MAP_FAILED ? NULL : run;
}

bool harness_interrupted(void)
{
    return interrupted;
}

int memory_prepare(struct bench_run *run, size_t size)
{
    char name[64];
    snprintf(name, sizeof name, "/shmbus-bench-%ld", (long)getpid());
    int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        fprintf(stderr, "shm_open %s: %s\n", name, strerror(errno));
        return -1;
    }
    shm_unlink(name);
    int error = posix_fallocate(fd, 0, (off_t)size);
    void *memory =
        error != 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    close(fd);
    if (memory == MAP_FAILED) {
        fprintf(stderr, "%zu bytes in /dev/shm: %s\n", size, strerror(error != 0 ? error : errno));
        return -1;
    }
    run->memory = memory;
    run->memory_size = size;
    return 0;
}

void memory_finish(struct bench_run *run, int variant)
{
    (void)variant;
    if (run->memory != NULL)
        munmap(run->memory, run->memory_size);
    run->memory = NULL;
}

void role_fail(struct bench_role *role, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(role->result->error, sizeof role->result->error, format, arguments);
    va_end(arguments);
    _exit(EXIT_FAILURE);
}

static unsigned role_count(const struct bench_shape *shape)
{
    return shape->senders + shape->readers;
}

void role_ready(struct bench_role *role)
{
    struct bench_run *run = role->run;
    unsigned spins = 0;
    add32_acq_rel(&run->arrived, 1);
    while (load32_acquire(&run->arrived) < role_count(&run->shape))
        spin_once(&spins, YIELD_AFTER);
    role->from = clock_ns();
    role->cpu_from = clock_cpu_ns();
}

static int role_place(const struct bench_run *run, unsigned index)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    for (unsigned i = 0; i < run->cpu_count; i++) {
        bool here = i == index;
        if (run->placement == PLACE_FREE)
            here = true;
        else if (run->placement == PLACE_TURNS)
            here = i == index % run->cpu_count;
        else if (run->placement == PLACE_APART)
            here = i == (index < run->shape.senders ? 0 : 1);
        else if (run->placement == PLACE_ONE)
            here = i == 0;
        if (here)
            CPU_SET((size_t)run->cpus[i], &cpus);
    }
    return sched_setaffinity(0, sizeof cpus, &cpus);
}

static __attribute__((noreturn)) void role_main(struct bench_run *run, const struct contestant *contestant,
                                                unsigned index, pid_t parent)
{
    const struct bench_shape *shape = &run->shape;
    struct bench_role role = {
        .run = run,
        .result = &run->results[index],
        .index = index,
        .reader = index < shape->senders ? -1 : (int)(index - shape->senders),
    };
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_FAILURE);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (role_place(run, index) != 0)
        role_fail(&role, "cannot run on CPU %d: %s", run->cpus[index % run->cpu_count], strerror(errno));
    contestant->body(&role, contestant->variant);
    role.result->cpu_share = (double)(clock_cpu_ns() - role.cpu_from) / (double)(clock_ns() - role.from);
    _exit(EXIT_SUCCESS);
}

static void roles_kill(const pid_t *pids, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (pids[i] > 0)
            kill(pids[i], SIGKILL);
}

/* Collects the roles that have ended. Returns how many still run; `*failed` when one did not end well. */
static unsigned roles_reap(pid_t *pids, unsigned count, bool *failed)
{
    unsigned running = 0;
    for (unsigned i = 0; i < count; i++) {
        int status;
        if (pids[i] <= 0)
            continue;
        if (waitpid(pids[i], &status, WNOHANG) != pids[i]) {
            running++;
            continue;
        }
        pids[i] = 0;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS)
            *failed = true;
    }
    return running;
}

/* Takes a signal within `ns`. */
static void take_signal(int64_t ns)
{
    struct timespec timeout = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    int sig = sigtimedwait(&handled, NULL, &timeout);
    if (sig == SIGINT || sig == SIGTERM)
        interrupted = true;
}

bool harness_rest(double seconds)
{
    int64_t end = clock_ns() + (int64_t)(seconds * 1e9);
    for (int64_t left; !interrupted && (left = end - clock_ns()) > 0;)
        take_signal(left);
    return !interrupted;
}

static enum outcome_state roles_wait(pid_t *pids, unsigned count, double limit)
{
    int64_t end = clock_ns() + (int64_t)(limit * 1e9);
    enum outcome_state state = OUTCOME_DONE;
    bool failed = false;
    while (roles_reap(pids, count, &failed) > 0) {
        int64_t left = end - clock_ns();
        if (failed || interrupted || left <= 0) {
            if (state == OUTCOME_DONE)
                state = failed || interrupted ? OUTCOME_FAILED : OUTCOME_STOPPED;
            roles_kill(pids, count);
            left = 1000000000; /* for them to be gone */
        }
        take_signal(left);
    }
    return failed && state == OUTCOME_DONE ? OUTCOME_FAILED : state;
}

static enum outcome_state roles_run(struct bench_run *run, const struct contestant *contestant)
{
    unsigned count = role_count(&run->shape);
    pid_t pids[ROLES_MAX] = {0};
    pid_t parent = getpid();
    memset(run->results, 0, sizeof run->results);
    store32_release(&run->arrived, 0);
    fflush(NULL);
    for (unsigned i = 0; i < count; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            role_main(run, contestant, i, parent);
        if (pids[i] < 0) {
            snprintf(run->results[i].error, sizeof run->results[i].error, "fork: %s", strerror(errno));
            roles_kill(pids, i);
            roles_wait(pids, i, 1);
            return OUTCOME_FAILED;
        }
    }
    return roles_wait(pids, count, run->shape.limit);
}

static void outcome_of_stream(const struct bench_run *run, struct outcome *outcome)
{
    const struct bench_shape *shape = &run->shape;
    const struct bench_result *readers = &run->results[shape->senders];
    uint64_t started = UINT64_MAX;
    uint64_t ended = 0;
    for (unsigned i = 0; i < shape->readers; i++) {
        started = readers[i].started < started ? readers[i].started : started;
        ended = readers[i].ended > ended ? readers[i].ended : ended;
    }
    outcome->messages = readers[0].messages;
    outcome->seconds = (double)(ended - started) / run->ticks_per_ns / 1e9;
}

static void outcome_of_round_trip(const struct bench_run *run, struct outcome *outcome)
{
    const struct bench_result *asker = &run->results[0];
    const struct bench_result *answerer = &run->results[1];
    outcome->samples = asker->samples;
    outcome->asker_cpu = (double)asker->cpu_ns / (double)asker->trips;
    outcome->answerer_cpu = (double)answerer->cpu_ns / (double)answerer->trips;
}

static void outcome_of_wake_up(const struct bench_run *run, struct outcome *outcome)
{
    const struct bench_result *sender = &run->results[0];
    uint64_t sleeps = 0;
    for (unsigned i = 0; i < run->shape.readers; i++)
        sleeps += sender[1 + i].sleeps;
    outcome->samples = sender->samples;
    outcome->messages = sender->messages;
    outcome->wakes = (double)sender->wakes / (double)sender->messages;
    outcome->sleeps = (double)sleeps / (double)sender->messages;
}

static void outcome_of(const struct bench_run *run, struct outcome *outcome)
{
    switch (run->shape.kind) {
    case STREAM:
        outcome_of_stream(run, outcome);
        break;
    case ROUND_TRIP:
        outcome_of_round_trip(run, outcome);
        break;
    case WAKE_UP:
        outcome_of_wake_up(run, outcome);
        break;
    }
    outcome->cpu_share = 1;
    for (unsigned i = 0; i < role_count(&run->shape); i++)
        if (run->results[i].cpu_share < outcome->cpu_share)
            outcome->cpu_share = run->results[i].cpu_share;
}

void harness_run(struct bench_run *run, const struct contestant *contestant, struct outcome *outcome)
{
    *outcome = (struct outcome){.state = OUTCOME_FAILED};
    if (contestant->prepare(run, contestant->variant) != 0) {
        snprintf(outcome->error, sizeof outcome->error, "could not be prepared (see above)");
        contestant->finish(run, contestant->variant);
        return;
    }
    outcome->state = roles_run(run, contestant);
    contestant->finish(run, contestant->variant);
    if (outcome->state == OUTCOME_FAILED) {
        snprintf(outcome->error, sizeof outcome->error, "a process was killed");
        for (unsigned i = 0; i < ROLES_MAX; i++)
            if (run->results[i].error[0] != '\0')
                memcpy(outcome->error, run->results[i].error, sizeof outcome->error);
        return;
    }
    if (outcome->state == OUTCOME_STOPPED) {
        outcome->messages = load64_relaxed(&run->results[run->shape.senders].progress);
        outcome->seconds = run->shape.limit;
        outcome->cpu_share = 1;
        return;
    }
    outcome_of(run, outcome);
}
