/* SPDX-License-Identifier: Apache-2.0 */
/* One wait, step by step: what it does before a sleep, what it learns from that, and how a sleep is bounded. */
#include "unit.h"

#include "os_clock.h"
#include "wait.h"

/* What is waited for is played by the test, which writes down what the wait does. */
struct scene {
    struct wait_request request;
    struct wait_memory memory;
    atomic_u64 sleeps;
    atomic_u64 spins;
    char steps[64];    /* l: a look, L: a thorough one, R: raises the flag, S: sleeps; the first ones */
    unsigned count;    /* of all steps */
    unsigned before;   /* looks before the flag was raised first */
    unsigned slept;    /* in this wait */
    bool there;        /* what it waits for */
    unsigned at_look;  /* comes at this look, */
    unsigned at_sleep; /* or in this sleep; 0: not so */
    bool at_raise;     /* or with the flag */
    bool slow;         /* each sleep is longer than any spin */
    bool held_up;
    unsigned recovered;
    int ends; /* with this error, in a sleep */
    struct waiter_bounds bounds[8];
};

static struct scene *scene_of(const struct wait_request *request)
{
    return request->context;
}

static void note(struct scene *scene, char step)
{
    if (scene->count < sizeof scene->steps - 1) {
        scene->steps[scene->count] = step;
    }
    scene->count++;
}

static bool looked(const struct wait_request *request, bool thorough)
{
    struct scene *scene = scene_of(request);
    note(scene, thorough ? 'L' : 'l');
    scene->there |= scene->count == scene->at_look;
    return scene->there;
}

static int ended(const struct wait_request *request)
{
    const struct scene *scene = scene_of(request);
    return scene->slept > 0 ? scene->ends : 0;
}

static bool held_up(const struct wait_request *request)
{
    return scene_of(request)->held_up;
}

static void recovered(const struct wait_request *request)
{
    scene_of(request)->recovered++;
}

static void raised(const struct wait_request *request)
{
    struct scene *scene = scene_of(request);
    scene->before = scene->slept == 0 ? scene->count : scene->before;
    note(scene, 'R');
    scene->there |= scene->at_raise;
}

static void spend(int64_t duration)
{
    const int64_t end = os_clock_monotonic() + duration;
    while (os_clock_monotonic() < end) {
    }
}

static void slept(const struct wait_request *request, const struct waiter_bounds *bounds)
{
    struct scene *scene = scene_of(request);
    note(scene, 'S');
    if (scene->slept < sizeof scene->bounds / sizeof *scene->bounds) {
        scene->bounds[scene->slept] = *bounds;
    }
    scene->slept++;
    if (scene->slow) {
        spend(2 * WAIT_SPIN_NS);
    }
    scene->there |= scene->slept == scene->at_sleep;
}

static const struct wait_kind kind = {.ready = looked,
                                      .ended = ended,
                                      .held_up = held_up,
                                      .recover = recovered,
                                      .raise = raised,
                                      .sleep = slept};

static void set_scene(struct scene *scene, enum shmbus_wait strategy)
{
    *scene = (struct scene){.at_sleep = 1};
    wait_memory_init(&scene->memory);
    scene->request = (struct wait_request){.kind = &kind,
                                           .context = scene,
                                           .breadth = 1,
                                           .style = {.strategy = strategy},
                                           .deadline = SHMBUS_FOREVER,
                                           .sleeps = &scene->sleeps,
                                           .spins = &scene->spins,
                                           .memory = &scene->memory};
}

static int wait_once(struct scene *scene)
{
    scene->count = 0;
    scene->before = 0;
    scene->slept = 0;
    scene->there = false;
    memset(scene->steps, 0, sizeof scene->steps);
    return wait_until_ready(&scene->request);
}

static void check_steps(const struct scene *scene, const char *steps)
{
    if (strcmp(scene->steps, steps) != 0) {
        unit_fail(__FILE__, __LINE__, "steps \"%s\", not \"%s\"", scene->steps, steps);
    }
}

/* A wait that takes longer than any spin. Did it spin? One that does not looks once at most before it sleeps. */
static bool long_wait_spins(struct scene *scene)
{
    scene->slow = true;
    check_eq(wait_once(scene), 0);
    check_eq(scene->slept, 1);
    return scene->before >= WAIT_LOOKS_CROWDED;
}

/* One that yields does not spin, and looks once. */
static bool long_wait_yields(struct scene *scene)
{
    check(!long_wait_spins(scene));
    check(scene->before <= 1);
    return scene->before == 1;
}

/* ---------------------------------------------------------------------------------------------- sleeps */

static void forget_to_yield(struct scene *scene)
{
    scene->memory.yields.misses = WAIT_MISSES;
}

/* The flag, then a look that misses nothing, then the sleep; a look after it comes before the flag again. */
UNIT(wait_habit, looks_between_the_flag_and_the_sleep)
{
    struct scene scene;
    set_scene(&scene, SHMBUS_WAIT_BLOCK);
    forget_to_yield(&scene);
    check_eq(wait_once(&scene), 0);
    check_steps(&scene, "RLSl");
    scene.at_sleep = 3;
    check_eq(wait_once(&scene), 0);
    check_steps(&scene, "RLSlRLSlRLSl");
    check_eq(load64_relaxed(&scene.sleeps), 4);
}

UNIT(wait_habit, does_not_sleep_when_it_came_with_the_flag)
{
    struct scene scene;
    set_scene(&scene, SHMBUS_WAIT_BLOCK);
    forget_to_yield(&scene);
    scene.at_raise = true;
    check_eq(wait_once(&scene), 0);
    check_steps(&scene, "RL");
    check_eq(load64_relaxed(&scene.sleeps), 0);
}

UNIT(wait_habit, ends_with_what_ends_it)
{
    struct scene scene;
    set_scene(&scene, SHMBUS_WAIT_BLOCK);
    forget_to_yield(&scene);
    scene.at_sleep = 0;
    scene.ends = -ECANCELED;
    check_eq(wait_once(&scene), -ECANCELED);
    check_steps(&scene, "RLSlRL");
    scene.request.deadline = 1; /* long ago */
    check_eq(wait_once(&scene), -ETIMEDOUT);
    check_steps(&scene, "");
    scene.request.style.strategy = SHMBUS_WAIT_SPIN;
    scene.request.deadline = os_clock_monotonic() + WAIT_SPIN_NS;
    check_eq(wait_once(&scene), -ETIMEDOUT);
    check(os_clock_monotonic() >= scene.request.deadline);
    check_eq(scene.slept, 0);
}

UNIT(wait_habit, bounds_its_sleeps)
{
    struct scene scene;
    set_scene(&scene, SHMBUS_WAIT_BLOCK);
    forget_to_yield(&scene);
    scene.request.deadline = os_clock_monotonic() + INT64_C(1000000000000);
    scene.at_sleep = 7;
    check_eq(wait_once(&scene), 0);
    for (unsigned i = 0; i < 7; i++) {
        check_eq(scene.bounds[i].most, SLEEP_MAX_NS);
        check_eq(scene.bounds[i].deadline, scene.request.deadline);
        check(scene.bounds[i].interrupts == NULL);
    }
    check_eq(scene.recovered, 0);
    /* Behind one who may have died: short steps first, to look after him. */
    scene.held_up = true;
    check_eq(wait_once(&scene), 0);
    int64_t step = scene.bounds[0].most;
    check(step > 0 && step < LIVENESS_CHECK_NS);
    for (unsigned i = 1; i < 7; i++) {
        step = 2 * step < SLEEP_HELD_UP_NS ? 2 * step : SLEEP_HELD_UP_NS;
        check_eq(scene.bounds[i].most, step);
    }
    check_eq(scene.bounds[6].most, SLEEP_HELD_UP_NS);
    check_soon(wait_once(&scene) == 0 && scene.recovered > 0);
}

UNIT(wait_habit, is_interrupted_once_and_only_if_it_may)
{
    struct scene scene;
    set_scene(&scene, SHMBUS_WAIT_BLOCK);
    forget_to_yield(&scene);
    waiter_interrupt();
    check_eq(wait_once(&scene), 0);
    scene.request.style.interruptible = true;
    check_eq(wait_once(&scene), -EINTR);
    check_eq(scene.count, 0);
    check_eq(wait_once(&scene), 0);
    check(scene.bounds[0].interrupts == &scene.memory.interrupts);
}

/* -------------------------------------------------------------------------------------------- spinning */

UNIT(wait_habit, of_spinning_is_dropped_when_it_does_not_pay)
{
    struct scene scene;
    set_scene(&scene, SHMBUS_WAIT_ADAPTIVE);
    for (unsigned i = 0; i < WAIT_MISSES; i++) {
        check(scene.memory.spins.misses == i);
        check(long_wait_spins(&scene));
    }
    check(!wait_spins(scene.request.style, &scene.memory));
    unsigned spins = 0;
    for (unsigned i = 0; i < 3 * WAIT_RETRY; i++) {
        spins += long_wait_spins(&scene);
    }
    check_eq(spins, 3); /* it tries again, seldom */
    check_eq(load64_relaxed(&scene.sleeps), WAIT_MISSES + 3 * WAIT_RETRY);
}

static void forget_to_spin(struct scene *scene)
{
    for (unsigned i = 0; i < WAIT_MISSES; i++) {
        check(long_wait_spins(scene));
    }
    check_eq(scene->memory.spins.misses, WAIT_MISSES);
}

UNIT(wait_habit, of_spinning_comes_back_when_a_wait_turns_out_short)
{
    struct scene scene;
    set_scene(&scene, SHMBUS_WAIT_ADAPTIVE);
    forget_to_spin(&scene);
    scene.slow = false;
    check_soon(wait_once(&scene) == 0 && scene.memory.spins.misses == 0); /* unless others had the CPU */
    check(long_wait_spins(&scene));
}

/* At its fourth look, where the others have looked once or twice and sleep. */
UNIT(wait_habit, of_spinning_comes_back_when_a_new_try_pays)
{
    struct scene scene;
    set_scene(&scene, SHMBUS_WAIT_ADAPTIVE);
    forget_to_spin(&scene);
    unsigned waits = 0;
    scene.at_look = 4;
    scene.slow = true;
    while (scene.memory.spins.misses != 0) {
        check_eq(wait_once(&scene), 0);
        waits++;
        check(waits <= WAIT_RETRY);
    }
    check_steps(&scene, "llll");
    check(load64_relaxed(&scene.sleeps) >= waits - 1);
}

UNIT(wait_habit, of_spinning_is_kept_while_it_pays)
{
    struct scene scene;
    set_scene(&scene, SHMBUS_WAIT_ADAPTIVE);
    for (unsigned i = 0; i < 30; i++) {
        scene.at_look = 0;
        for (unsigned k = 1; k < WAIT_MISSES; k++) { /* as many long waits as it takes, less one */
            check(long_wait_spins(&scene));
        }
        scene.at_look = 3;
        check_eq(wait_once(&scene), 0);
        check_steps(&scene, "lll");
        check_eq(scene.memory.spins.misses, 0);
    }
}

UNIT(wait_habit, of_spinning_is_the_adaptive_ones)
{
    struct scene scene;
    set_scene(&scene, SHMBUS_WAIT_BLOCK);
    for (unsigned i = 0; i < 2 * WAIT_RETRY; i++) {
        check(!wait_spins(scene.request.style, &scene.memory));
        check(!long_wait_spins(&scene));
    }
    set_scene(&scene, SHMBUS_WAIT_SPIN);
    for (unsigned i = 0; i < 2 * WAIT_MISSES; i++) {
        scene.at_look = 2000 + i;
        check_eq(wait_once(&scene), 0);
        check_eq(scene.count, scene.at_look);
        check_eq(scene.slept, 0);
    }
}

/* -------------------------------------------------------------------------------------------- yielding */

UNIT(wait_habit, of_yielding_is_dropped_when_it_does_not_pay)
{
    struct scene scene;
    set_scene(&scene, SHMBUS_WAIT_BLOCK);
    for (unsigned i = 0; i < WAIT_MISSES; i++) {
        check_eq(scene.memory.yields.misses, i);
        check(long_wait_yields(&scene));
    }
    unsigned yields = 0;
    for (unsigned i = 0; i < 3 * WAIT_RETRY; i++) {
        yields += long_wait_yields(&scene);
    }
    check_eq(yields, 3);
    check_eq(load64_relaxed(&scene.sleeps), WAIT_MISSES + 3 * WAIT_RETRY);
}

/* What is waited for comes while the CPU was given away; that pays unless others keep the CPU for long. */
static bool yield_pays(struct scene *scene)
{
    scene->at_look = 1;
    check_eq(wait_once(scene), 0);
    scene->at_look = 0;
    return scene->memory.yields.misses == 0;
}

UNIT(wait_habit, of_yielding_is_kept_while_it_pays)
{
    struct scene scene;
    set_scene(&scene, SHMBUS_WAIT_BLOCK);
    for (unsigned i = 0; i < 30; i++) {
        for (unsigned k = 1; k < WAIT_MISSES; k++) {
            check(long_wait_yields(&scene));
            check_eq(scene.memory.yields.misses, k);
        }
        check_soon(yield_pays(&scene));
        check_steps(&scene, "l");
    }
}

UNIT(wait_habit, of_yielding_comes_back)
{
    struct scene scene;
    set_scene(&scene, SHMBUS_WAIT_BLOCK);
    for (unsigned i = 0; i < WAIT_MISSES; i++) {
        check(long_wait_yields(&scene));
    }
    check_soon(yield_pays(&scene)); /* one that tries again */
    check(long_wait_yields(&scene));
}
