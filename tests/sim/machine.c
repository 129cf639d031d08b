/* SPDX-License-Identifier: Apache-2.0 */
#include "machine.h"

#include "context.h"

#include <inttypes.h>
#include <string.h>

#define STACK_SIZE (256u << 10)
#define STEPS_MAX UINT64_C(3000000)  /* of a schedule: more is a hang */
#define STEPS_IN_A_ROW INT64_C(4000) /* whatever the policy says */
#define UNLIMITED (INT64_C(1) << 60)

enum state {
    FREE,
    READY,
    BLOCKED,
    UNBURIED
};

struct process {
    struct machine_process public;
    enum state state;
    struct context context;
    void (*life)(struct machine_process *self, void *argument);
    void *argument;
    const void *key; /* what it is blocked on */
    int64_t until;
    uint64_t kill_at; /* own steps */
    uint64_t stop_at;
    uint64_t bury_at; /* steps of all */
    uint64_t stopped_until;
    uint64_t priority;
    uint32_t swaps; /* compare-and-swaps won or lost, whichever is to be its end */
    bool woken;
    bool doomed;
    bool ended;
};

static struct {
    uint64_t seed;
    struct machine_plan plan;
    struct random random;
    struct process processes[MACHINE_PROCESSES];
    struct process *current;
    struct context scheduler;
    uint64_t steps;
    int64_t granted; /* to the current one */
    int64_t reserve; /* of these, not in sim_budget: the trace sees each step */
    int64_t time;
    uint64_t next_change;
    uint32_t changes;
    uint64_t lowest; /* priorities are given downwards */
    uint32_t spawned;
    uint32_t kills;
    uint32_t stops;
    bool calm;
} machine;

static unsigned char stacks[MACHINE_PROCESSES][STACK_SIZE] __attribute__((aligned(64)));

int64_t sim_budget = UNLIMITED;
void (*machine_buried)(uint32_t index, uint32_t life);
void (*machine_idle)(void);

/* ------------------------------------------------------------------------------------------------ */
/* What is so                                                                                         */
/* ------------------------------------------------------------------------------------------------ */

uint64_t machine_seed(void)
{
    return machine.seed;
}

struct machine_process *machine_self(void)
{
    return machine.current ? &machine.current->public : NULL;
}

uint64_t machine_steps(void)
{
    return machine.steps;
}

uint32_t machine_kills(void)
{
    return machine.kills;
}

uint32_t machine_stops(void)
{
    return machine.stops;
}

bool machine_settled(void)
{
    for (uint32_t i = 0; i < MACHINE_PROCESSES; i++) {
        const struct process *process = &machine.processes[i];
        if (process->state == UNBURIED || process->stopped_until > machine.steps) {
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------ */
/* Steps                                                                                              */
/* ------------------------------------------------------------------------------------------------ */

/* Counts what the current process has used of its steps. */
static void settle(void)
{
    const int64_t left = sim_budget + machine.reserve;
    const uint64_t used = (uint64_t)(machine.granted - left);
    machine.granted = left;
    machine.steps += used;
    machine.current->public.steps += used;
}

/* The steps that are granted: all at once, or one at a time for the trace. */
static void share_out(void)
{
    machine.reserve = machine_tracing ? machine.granted - 1 : 0;
    sim_budget = machine.granted - machine.reserve;
}

static void leave(void)
{
    struct process *self = machine.current;
    settle();
    context_switch(&self->context, &machine.scheduler, false);
    if (self->doomed) {
        context_switch(&self->context, &machine.scheduler, true);
    }
}

void sim_pause(const void *address)
{
    if (!machine.current) {
        sim_budget = UNLIMITED;
        return;
    }
    if (machine.reserve > 0) {
        machine.reserve--;
        sim_budget = 1;
    } else if (!machine.calm) {
        leave();
    }
    settle();
    machine_trace_step(address);
}

void sim_before_cas(void)
{
    if (machine.current && !machine.calm && random_one_in(&machine.random, machine.plan.before_cas)) {
        leave();
    }
}

void sim_after_cas(bool swapped)
{
    struct process *self = machine.current;
    if (self && !machine.calm && swapped == self->public.kill_winner &&
        ++self->swaps == self->public.kill_swap) {
        settle();
        self->kill_at = self->public.steps + random_between(&machine.random, 1, 12);
        leave();
    }
}

void machine_point(const char *what)
{
    sim_step(sim_memory);
    machine_trace("  %s", what);
}

void machine_relax(void)
{
    struct process *self = machine.current;
    weak_relax();
    if (self && !machine.calm) {
        self->priority = --machine.lowest;
        leave();
    }
}

void cpu_relax(void)
{
    machine_relax();
}

void machine_call(const char *what)
{
    struct process *self = machine.current;
    struct machine_process *public = &self->public;
    machine_trace("%s", what);
    settle();
    public->calls++;
    if (public->calls == public->kill_call) {
        self->kill_at = public->steps + public->kill_after;
    }
    if (public->calls == public->stop_call) {
        self->stop_at = public->steps + public->stop_after;
    }
    machine_relax();
}

void machine_calm(void)
{
    settle();
    machine.calm = true;
    weak_calm();
    machine.granted = UNLIMITED;
    share_out();
}

/* ------------------------------------------------------------------------------------------------ */
/* Blocking and time                                                                                  */
/* ------------------------------------------------------------------------------------------------ */

bool machine_block(const void *key, int64_t until)
{
    struct process *self = machine.current;
    if (machine.calm) {
        machine.time = until > machine.time ? until : machine.time;
        return false;
    }
    self->state = BLOCKED;
    self->key = key;
    self->until = until;
    self->woken = false;
    weak_relax();
    leave();
    return self->woken;
}

static void wake(struct process *process, bool woken)
{
    process->state = READY;
    process->key = NULL;
    process->woken = woken;
    process->priority = random_next(&machine.random) >> 1 | UINT64_C(1) << 62;
}

void machine_wake(const void *key)
{
    for (uint32_t i = 0; i < MACHINE_PROCESSES; i++) {
        struct process *process = &machine.processes[i];
        if (process->state == BLOCKED && process->key == key) {
            wake(process, true);
        }
    }
}

int64_t machine_time(void)
{
    machine.time += machine.plan.tick;
    for (uint32_t i = 0; i < MACHINE_PROCESSES; i++) {
        struct process *process = &machine.processes[i];
        if (process->state == BLOCKED && process->until <= machine.time) {
            wake(process, false);
        }
    }
    return machine.time;
}

/* ------------------------------------------------------------------------------------------------ */
/* Scheduling                                                                                         */
/* ------------------------------------------------------------------------------------------------ */

static bool may_run(const struct process *process)
{
    return process->state == READY && process->stopped_until <= machine.steps;
}

static struct process *pick(void)
{
    struct process *ready[MACHINE_PROCESSES];
    uint32_t count = 0;
    struct process *first = NULL;
    for (uint32_t i = 0; i < MACHINE_PROCESSES; i++) {
        struct process *process = &machine.processes[i];
        if (may_run(process)) {
            ready[count++] = process;
            first = !first || process->priority > first->priority ? process : first;
        }
    }
    const bool any = machine.plan.policy != MACHINE_PRIORITY;
    return any && count > 1 ? ready[random_below(&machine.random, count)] : first;
}

static int64_t steps_in_a_row(void)
{
    switch (machine.plan.policy) {
    case MACHINE_UNIFORM:
        return (int64_t)random_around(&machine.random, machine.plan.mean);
    case MACHINE_BURSTS:
        return (int64_t)random_between(&machine.random, 1, random_one_in(&machine.random, 8) ? 600 : 4);
    default:
        return STEPS_IN_A_ROW;
    }
}

static int64_t at_most(int64_t steps, uint64_t event, uint64_t now)
{
    const uint64_t left = event > now ? event - now : 1;
    return left < (uint64_t)steps ? (int64_t)left : steps;
}

/* How long the process may run before something is due. */
static int64_t grant(const struct process *process)
{
    int64_t steps = steps_in_a_row();
    steps = at_most(steps, process->kill_at, process->public.steps);
    steps = at_most(steps, process->stop_at, process->public.steps);
    return machine.plan.policy == MACHINE_PRIORITY ? at_most(steps, machine.next_change, machine.steps)
                                                   : steps;
}

static void plan_change(void)
{
    machine.next_change = MACHINE_NEVER;
    if (machine.changes > 0) {
        machine.changes--;
        const uint64_t within = machine.plan.change_span / (machine.changes + 1) + 1;
        machine.next_change = machine.steps + random_between(&machine.random, 1, within);
    }
}

static void resume(struct process *process)
{
    machine.current = process;
    machine.granted = grant(process);
    share_out();
    context_switch(&machine.scheduler, &process->context, false);
    machine.current = NULL;
    sim_budget = UNLIMITED;
}

static void end(struct process *process)
{
    process->state = FREE;
    process->public.life++;
}

static void kill_now(struct process *process)
{
    machine.current = process;
    machine_trace("killed");
    process->doomed = true;
    context_switch(&machine.scheduler, &process->context, false);
    machine.current = NULL;
    machine.kills++;
    process->state = UNBURIED;
    process->bury_at = machine.steps + random_below(&machine.random, machine.plan.burial + 1);
}

static void bury(struct process *process)
{
    machine_trace("p%u.%u: the kernel releases its locks", process->public.index, process->public.life);
    machine_buried(process->public.index, process->public.life);
    end(process);
}

static void stop(struct process *process)
{
    machine_trace("p%u.%u stopped", process->public.index, process->public.life);
    process->stop_at = MACHINE_NEVER;
    process->stopped_until = machine.steps + process->public.stop_for;
    machine.stops++;
}

/* What is due now. True while a process exists. */
static bool events(void)
{
    bool any = false;
    for (uint32_t i = 0; i < MACHINE_PROCESSES; i++) {
        struct process *process = &machine.processes[i];
        if (process->ended) {
            process->ended = false;
            end(process);
        } else if (process->state == UNBURIED && process->bury_at <= machine.steps) {
            bury(process);
        } else if (process->state == READY || process->state == BLOCKED) {
            if (process->public.steps >= process->kill_at) {
                kill_now(process);
            } else if (process->public.steps >= process->stop_at) {
                stop(process);
            }
        }
        any |= process->state != FREE;
    }
    return any;
}

/* Nobody can run: the earliest sleeper's time comes, or a burial, or the end of a stop. */
static void let_time_pass(void)
{
    struct process *next = NULL;
    struct process *held = NULL;
    for (uint32_t i = 0; i < MACHINE_PROCESSES; i++) {
        struct process *process = &machine.processes[i];
        if (process->state == BLOCKED && process->stopped_until <= machine.steps &&
            (!next || process->until < next->until)) {
            next = process;
        }
        if (process->state == UNBURIED || process->stopped_until > machine.steps) {
            held = process;
        }
    }
    if (held && (!next || next->until >= UNLIMITED || random_one_in(&machine.random, 4))) {
        held->bury_at = machine.steps;
        held->stopped_until = machine.steps;
    } else if (next && next->until < UNLIMITED) {
        machine_idle();
        machine.time = next->until > machine.time ? next->until : machine.time;
        wake(next, false);
    } else {
        machine_violation("deadlock: every process waits for another");
    }
}

void machine_run(void)
{
    while (events()) {
        struct process *next = pick();
        if (!next) {
            let_time_pass();
            continue;
        }
        if (machine.steps >= machine.next_change) {
            next->priority = --machine.lowest;
            plan_change();
        }
        const uint64_t before = next->public.steps;
        resume(next);
        if (next->public.steps - before >= (uint64_t)STEPS_IN_A_ROW) {
            next->priority = --machine.lowest;
        }
        if (machine.steps > STEPS_MAX) {
            machine_violation("livelock: %" PRIu64 " steps and no end", machine.steps);
        }
    }
}

static void start(void)
{
    struct process *self = machine.current;
    context_entered(&machine.scheduler);
    if (!self->doomed) {
        self->life(&self->public, self->argument);
        settle();
    }
    self->ended = !self->doomed;
    context_switch(&self->context, &machine.scheduler, true);
}

struct machine_process *machine_spawn(void (*life)(struct machine_process *self, void *context),
                                      void *context)
{
    for (uint32_t i = 0; i < MACHINE_PROCESSES; i++) {
        struct process *process = &machine.processes[i];
        if (process->state == FREE) {
            const uint32_t lives = process->public.life;
            *process = (struct process){
                .public = {.index = i, .thread = machine.spawned++, .life = lives},
                .state = READY,
                .life = life,
                .argument = context,
                .kill_at = MACHINE_NEVER,
                .stop_at = MACHINE_NEVER,
                .priority = random_next(&machine.random) >> 1 | UINT64_C(1) << 62,
            };
            context_start(&process->context, stacks[i], STACK_SIZE, start);
            return &process->public;
        }
    }
    return NULL;
}

void machine_reset(uint64_t seed, const struct machine_plan *plan, bool trace)
{
    struct context scheduler = machine.scheduler;
    memset(&machine, 0, sizeof machine);
    machine.scheduler = scheduler;
    machine.seed = seed;
    machine.plan = *plan;
    machine.random = random_seeded(seed, 1);
    machine.time = 1000000000;
    weak_reset(seed, plan->stale);
    machine.lowest = UINT64_C(1) << 62;
    machine.changes = plan->changes;
    machine_tracing = trace;
    sim_budget = UNLIMITED;
    plan_change();
}
