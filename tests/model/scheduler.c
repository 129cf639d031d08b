/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler.h"

#include "../sim/context.h"
#include "choices.h"
#include "fibers.h"
#include "runner.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>

#define THREADS 5u         /* main() is the first */
#define STACK_SIZE 131072u /* ThreadSanitizer's reports take much */
#define STEPS_MAX 20000u

enum state {
    RUNNING,
    WAITING, /* until another has written */
    JOINING, /* until thread `joined` is done */
    DONE,
};

struct thread {
    struct context context;
    void *fiber;
    enum state state;
    unsigned joined;
    unsigned steps_left;
    uint64_t writes; /* its own */
    uint64_t seen;   /* writes of others, when it last began to look */
    unsigned since;  /* the step at which it began to wait */
    void *(*function)(void *);
    void *argument;
};

static _Alignas(64) unsigned char stacks[THREADS][STACK_SIZE];
static struct thread threads[THREADS];
static unsigned thread_count;
static unsigned running;
static unsigned left; /* who ran before */
static uint64_t writes;
static unsigned steps;

static uint64_t writes_of_others(const struct thread *thread)
{
    return writes - thread->writes;
}

static bool can_go_on(const struct thread *thread)
{
    switch (thread->state) {
    case RUNNING:
        return true;
    case WAITING:
        return writes_of_others(thread) != thread->seen;
    case JOINING:
        return threads[thread->joined].state == DONE;
    default:
        return false;
    }
}

/* Who could go on but the running thread; or only those that do not wait. */
static unsigned list_others(unsigned others[THREADS], bool waiting_too)
{
    unsigned count = 0;
    for (unsigned i = 0; i < thread_count; i++) {
        if (i != running && can_go_on(&threads[i]) && (waiting_too || threads[i].state != WAITING)) {
            others[count++] = i;
        }
    }
    return count;
}

/* Who has waited longest, of those that could go on. */
static unsigned oldest_waiter(void)
{
    unsigned others[THREADS];
    const unsigned count = list_others(others, true);
    if (count == 0) {
        runner_fail("nobody can go on");
    }
    unsigned oldest = others[0];
    for (unsigned i = 1; i < count; i++) {
        oldest = threads[others[i]].since < threads[oldest].since ? others[i] : oldest;
    }
    return oldest;
}

static void switch_to(unsigned next)
{
    struct thread *from = &threads[running];
    left = running;
    running = next;
    fiber_switch(threads[next].fiber);
    context_switch(&from->context, &threads[next].context, from->state == DONE);
}

/*
 * The running thread cannot go on, or has no more to do. Those that wait come last, in turn: they write while they look
 * in vain, and would keep each other awake while somebody else has work to do.
 */
static void give_way(void)
{
    unsigned others[THREADS];
    const unsigned count = list_others(others, false);
    if (count > 0) {
        switch_to(others[count > 1 ? choose_one(count) : 0]);
    } else {
        switch_to(oldest_waiter());
    }
}

void model_step(bool write)
{
    if (++steps > STEPS_MAX) {
        runner_fail("it goes on for ever");
    }
    unsigned others[THREADS];
    const unsigned count = list_others(others, true);
    const unsigned chosen = count > 0 ? choose_preemption(count) : 0;
    if (chosen > 0) {
        switch_to(others[chosen - 1]);
    }
    writes += write;
    threads[running].writes += write;
}

void model_wait(void)
{
    struct thread *self = &threads[running];
    if (writes_of_others(self) == self->seen) {
        self->state = WAITING;
        self->since = steps;
        give_way();
        self->state = RUNNING;
    }
    self->seen = writes_of_others(self);
}

unsigned model_choose(unsigned n)
{
    return choose_one(n);
}

unsigned *model_steps_left(void)
{
    return &threads[running].steps_left;
}

static void begin(void)
{
    context_entered(&threads[left].context);
    struct thread *self = &threads[running];
    fiber_begun(&self->function);
    (void)self->function(self->argument);
    model_exit();
}

int model_create(pthread_t *thread, void *(*function)(void *), void *argument)
{
    if (thread_count == THREADS) {
        runner_fail("too many threads");
    }
    struct thread *new = &threads[thread_count];
    *new =
        (struct thread){.function = function, .argument = argument, .steps_left = UINT_MAX, .seen = writes};
    context_start(&new->context, stacks[thread_count], STACK_SIZE, begin);
    new->fiber = fiber_create(&new->function);
    *thread = thread_count++;
    return 0;
}

int model_join(pthread_t thread)
{
    struct thread *self = &threads[running];
    struct thread *other = &threads[thread];
    if (other->state != DONE) {
        self->joined = (unsigned)thread;
        self->state = JOINING;
        give_way();
        self->state = RUNNING;
    }
    fiber_joined(&other->argument);
    return 0;
}

_Noreturn void model_exit(void)
{
    struct thread *self = &threads[running];
    fiber_ended(&self->argument);
    self->state = DONE;
    give_way();
    __builtin_unreachable();
}

void scheduler_run(void)
{
    memset(threads, 0, sizeof threads);
    threads[0].steps_left = UINT_MAX;
    threads[0].fiber = fiber_current();
    thread_count = 1;
    running = 0;
    writes = 0;
    steps = 0;
    if (model_main() != 0) {
        runner_fail("main() failed");
    }
    for (unsigned i = 1; i < thread_count; i++) {
        if (threads[i].state != DONE) {
            runner_fail("a thread was not joined");
        }
        fiber_destroy(threads[i].fiber);
    }
}
