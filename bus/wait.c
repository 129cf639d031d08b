/* SPDX-License-Identifier: Apache-2.0 */
#include "wait.h"

#include "os_clock.h"
#include "os_process.h"
#include "recovery.h"

#define STEP_FIRST_NS INT64_C(1000000)

#define ATTEMPTS_PER_CLOCK 4u
#define YIELD_CROWDED_NS INT64_C(2000) /* a yield that took longer let somebody else run */

struct progress {
    int64_t started;
    int64_t step; /* longest next sleep while held up */
};

void wait_memory_init(struct wait_memory *memory)
{
    *memory = (struct wait_memory){.interrupts = waiter_interrupts()};
}

/* Is it time to do it? */
static bool habit_try(struct wait_habit *habit)
{
    return habit->misses < WAIT_MISSES || ++habit->skipped % WAIT_RETRY == 0;
}

static void habit_learn(struct wait_habit *habit, bool paid)
{
    if (paid) {
        habit->misses = 0;
    } else if (habit->misses < WAIT_MISSES) {
        habit->misses++;
    }
}

static void calm_down(struct wait_memory *memory)
{
    memory->calm = memory->crowded || memory->spins.misses == WAIT_MISSES;
}

static void learn_to_spin(struct wait_memory *memory, bool paid)
{
    habit_learn(&memory->spins, paid);
    calm_down(memory);
}

static void look_after_the_dead(const struct wait_request *request, int64_t now)
{
    if (now - request->memory->looked >= LIVENESS_CHECK_NS && request->kind->held_up(request)) {
        request->memory->looked = now;
        os_give_way(); /* a spinner must not keep the dying from their CPU */
        request->kind->recover(request);
    }
}

static bool interrupted(const struct wait_request *request)
{
    const uint32_t interrupts = waiter_interrupts();
    if (!request->style.interruptible || interrupts == request->memory->interrupts) {
        return false;
    }
    request->memory->interrupts = interrupts;
    return true;
}

/* What ends a wait whatever the ring says; looks after the dead now and then. */
static int check(const struct wait_request *request, int64_t now)
{
    const int err = request->kind->ended(request);
    if (err != 0) {
        return err;
    }
    if (interrupted(request)) {
        return -EINTR;
    }
    look_after_the_dead(request, now);
    return now >= request->deadline ? -ETIMEDOUT : 0;
}

/* Lets others run, and remembers whether there were any. The time afterwards. */
static int64_t yield(const struct wait_request *request, int64_t now)
{
    os_yield();
    const int64_t after = os_clock_monotonic();
    request->memory->crowded = after - now > YIELD_CROWDED_NS;
    calm_down(request->memory);
    return after;
}

/* After how many looks `looks` of them have been at one source each. */
static unsigned every(const struct wait_request *request, unsigned looks)
{
    return request->breadth < looks ? looks / request->breadth : 1;
}

/* Spins until ready (true) or until the strategy wants sleep (false); or `*err` is set. */
static bool spin(const struct wait_request *request, int64_t until, int *err)
{
    const struct wait_memory *memory = request->memory;
    const unsigned tight = memory->crowded ? 0 : every(request, WAIT_SPINS_TIGHT);
    const unsigned thorough_every = every(request, WAIT_LOOKS_PER_CLOCK);
    for (unsigned look = 1;; look++) {
        const bool relaxed = look > tight;
        if (request->kind->ready(request, relaxed && look % thorough_every == 0)) {
            return true;
        }
        if (look % every(request, memory->crowded ? WAIT_LOOKS_CROWDED : WAIT_LOOKS_PER_CLOCK) == 0) {
            int64_t now = os_clock_monotonic();
            if (relaxed) {
                now = yield(request, now);
            }
            *err = check(request, now);
            if (*err != 0 || now >= until) {
                return false;
            }
        }
        if (relaxed) {
            cpu_relax();
        }
    }
}

static bool may_spin(const struct wait_request *request)
{
    switch (request->style.strategy) {
    case SHMBUS_WAIT_SPIN:
        return true;
    case SHMBUS_WAIT_BLOCK:
        return false;
    default:
        return habit_try(&request->memory->spins);
    }
}

/* A partner on the same CPU may need nothing but the CPU, and a yield costs less than a sleep and a wake-up. */
static bool yield_once(const struct wait_request *request, int64_t now)
{
    struct wait_habit *yields = &request->memory->yields;
    if (!habit_try(yields)) {
        return false;
    }
    const bool soon = yield(request, now) - now < WAIT_SPIN_NS; /* else a wake-up would have been as quick */
    const bool ready = request->kind->ready(request, false);
    habit_learn(yields, ready && soon);
    return ready;
}

/* One sleep; true when ready. */
static bool sleep_once(const struct wait_request *request, struct progress *progress, int *err)
{
    request->kind->raise(request);
    if (request->kind->ready(request, true)) {
        return true;
    }
    *err = check(request, os_clock_monotonic());
    if (*err != 0) {
        return false;
    }
    struct waiter_bounds bounds = {.deadline = request->deadline, .most = SLEEP_MAX_NS};
    if (request->kind->held_up(request)) {
        bounds.most = progress->step;
        progress->step = progress->step * 2 < SLEEP_HELD_UP_NS ? progress->step * 2 : SLEEP_HELD_UP_NS;
    }
    if (request->style.interruptible) {
        bounds.interrupts = &request->memory->interrupts;
    }
    count_relaxed(request->sleeps, 1);
    request->kind->sleep(request, &bounds);
    return request->kind->ready(request, false); /* before a flag is raised again for nothing */
}

static int sleep_until_ready(const struct wait_request *request, int64_t now)
{
    struct progress progress = {.started = now, .step = STEP_FIRST_NS};
    int err = 0;
    while (err == 0 && !sleep_once(request, &progress, &err)) {
    }
    learn_to_spin(request->memory, os_clock_monotonic() - progress.started < WAIT_SPIN_NS);
    return err;
}

int wait_until_ready(const struct wait_request *request)
{
    const int64_t now = os_clock_monotonic();
    /* First of all: who is ready again and again, and then finds nothing, must come to an end too. */
    int err = check(request, now);
    if (err != 0) {
        return err;
    }
    if (may_spin(request)) {
        const int64_t until = request->style.strategy == SHMBUS_WAIT_SPIN ? INT64_MAX : now + WAIT_SPIN_NS;
        if (spin(request, until, &err)) {
            learn_to_spin(request->memory, true);
            count_relaxed(request->spins, 1);
            return 0;
        }
    } else if (yield_once(request, now)) {
        count_relaxed(request->spins, 1);
        return 0;
    }
    return err != 0 ? err : sleep_until_ready(request, now);
}

void wait_not_at_all(const struct wait_request *request)
{
    if (++request->memory->attempts % ATTEMPTS_PER_CLOCK == 0) {
        look_after_the_dead(request, os_clock_monotonic());
    }
}

int wait_elsewhere(const struct wait_request *request)
{
    if (interrupted(request)) {
        return -EINTR;
    }
    look_after_the_dead(request, os_clock_monotonic());
    return 0;
}

/* ------------------------------------------------------------------------------------------------ */
/* One source                                                                                         */
/* ------------------------------------------------------------------------------------------------ */

static bool source_ready(const struct wait_request *request, bool thorough)
{
    const struct wait_for_source *one = request->context;
    return one->source.ready(&one->source, thorough);
}

static int source_ended(const struct wait_request *request)
{
    const struct wait_for_source *one = request->context;
    if (load32_relaxed(one->closing)) {
        return -ECANCELED;
    }
    return channel_removed(one->source.channel) ? -EIDRM : 0;
}

static bool source_held_up(const struct wait_request *request)
{
    const struct wait_for_source *one = request->context;
    return one->source.held_up(&one->source);
}

static void source_recover(const struct wait_request *request)
{
    const struct wait_for_source *one = request->context;
    (void)recovery_look(one->source.channel);
}

static void source_raise(const struct wait_request *request)
{
    struct wait_for_source *one = request->context;
    struct shm_wait *wait = one->source.wait;
    if (waiter_take(&one->ticket, &wait->event)) {
        waiter_raise(wait, WAIT_ASLEEP);
        fence_seq_cst(); /* [fence:fenced] with publisher.c */
        waiter_barrier(&one->ticket, &one->source.channel->segment->self, one->source.fenced(&one->source));
    }
}

static void source_sleep(const struct wait_request *request, const struct waiter_bounds *bounds)
{
    const struct wait_for_source *one = request->context;
    waiter_sleep(&one->ticket, 1, bounds);
}

const struct wait_kind wait_kind_source = {
    .ready = source_ready,
    .ended = source_ended,
    .held_up = source_held_up,
    .recover = source_recover,
    .raise = source_raise,
    .sleep = source_sleep,
};
