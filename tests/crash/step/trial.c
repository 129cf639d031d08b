/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "trial.h"

#include "cast.h"
#include "image.h"
#include "trace.h"

#include <stdio.h>
#include <stdlib.h>

#define INSTRUCTIONS_MAX 2000000u
#define VIOLATIONS_MAX 10u /* of one scenario: each may cost the time of a hang */

/* Instructions in the order in which they came, and those behind which a death may matter. */
struct path {
    uintptr_t *at; /* before instruction i */
    bool *matters;
    size_t count;
    size_t room;
};

struct run {
    const struct runner *runner;
    const struct scenario *scenario;
    struct figures figures;
};

static void path_add(struct path *path, uintptr_t at, bool matters)
{
    if (path->count == path->room) {
        path->room = path->room ? 2 * path->room : 4096;
        path->at = realloc(path->at, path->room * sizeof *path->at);
        path->matters = realloc(path->matters, path->room * sizeof *path->matters);
        if (!path->at || !path->matters) {
            abort();
        }
    }
    path->at[path->count] = at;
    path->matters[path->count++] = matters;
}

static void path_free(struct path *path)
{
    free(path->at);
    free(path->matters);
}

static struct trial trial_of(const struct run *run, const char *bus)
{
    return (struct trial){.scenario = run->scenario, .story = run->runner->story, .bus = bus};
}

static void violation(struct run *run, const struct trial *trial, const char *when, unsigned long point)
{
    run->figures.violations++;
    const char *why = trial->story->failed ? trial->story->failure : "";
    (void)printf("violation: %s; %s: %s %lu: %s%s%s\n", run->scenario->operation->name,
                 run->scenario->state->name, when, point, trial->trouble, *why ? ": " : "", why);
    (void)fflush(stdout);
}

/* Judges a trial that has come to its end. */
static void conclude(struct run *run, const struct trial *trial, const char *when, size_t number)
{
    run->figures.repeats += trial->story->repeats;
    if (trial->trouble) {
        violation(run, trial, when, number);
    }
}

static bool stop_now(const struct run *run)
{
    return run->figures.violations >= (run->runner->options->until_violation ? 1 : VIOLATIONS_MAX);
}

/*
 * Steps a victim that has been brought on stage through the whole operation: each state that it leaves behind, and
 * where it changes. `path` gets one entry more than there are instructions.
 */
static void step_through(const struct trial *trial, struct images *images, struct path *path)
{
    struct watch watch;
    watch_open(&watch, trial->bus, trial->story);
    images_add(images, &watch.seen);
    path_add(path, trace_at(trial->victim), true);
    while (!trial->story->facts.finished && path->count < INSTRUCTIONS_MAX) {
        const enum trace_stop stop = trace_step(trial->victim);
        if (stop == TRACE_ENDED) {
            break;
        }
        const bool entered = stop == TRACE_ENTERED;
        const bool changed = watch_look(&watch, entered);
        if (changed) {
            images_add(images, &watch.seen);
        }
        path_add(path, trace_at(trial->victim), changed || entered);
    }
    watch_close(&watch);
}

static void survey(struct run *run, struct images *images, struct path *path)
{
    struct trial trial = trial_of(run, run->runner->bus);
    if (cast_enter(&trial)) {
        step_through(&trial, images, path);
        run->figures.instructions = path->count - 1;
        if (!trial.story->facts.finished) {
            trial.trouble = "the operation did not come to its end";
        }
    }
    if (trial.trouble) {
        violation(run, &trial, "before instruction", run->figures.instructions);
    }
    run->figures.states = images->count;
    cast_dismiss(&trial);
}

/*
 * Goes behind the first `count` instructions of `path`: by a breakpoint, for most have gone by before only a few
 * times; a repeated instruction's rounds are stepped.
 */
static bool go_to(const struct trial *trial, const struct path *path, size_t count)
{
    size_t start = count;
    while (start > 0 && path->at[start - 1] == path->at[count]) {
        start--;
    }
    unsigned long times = 0;
    for (size_t i = 0; i <= start; i++) {
        times += path->at[i] == path->at[count] && (i == 0 || path->at[i - 1] != path->at[i]);
    }
    bool there = trace_run_to(trial->victim, path->at[count], times);
    for (size_t i = start; there && i < count; i++) {
        there = trace_step(trial->victim) != TRACE_ENDED;
    }
    return there;
}

/* The same, one by one. */
static void step_to(const struct trial *trial, size_t count)
{
    for (size_t i = 0; i < count && !trial->story->facts.finished; i++) {
        if (trace_step(trial->victim) == TRACE_ENDED) {
            return;
        }
    }
}

/* Brings all on stage and the victim to where it is to die. */
static bool enter_and_go(struct trial *trial, const struct path *path, size_t count)
{
    if (!cast_enter(trial)) {
        return false;
    }
    if (!go_to(trial, path, count)) {
        cast_dismiss(trial);
        if (!cast_enter(trial)) {
            return false;
        }
        step_to(trial, count);
    }
    return true;
}

/* Kills a victim behind `count` instructions, beside the living. */
static void kill_at(struct run *run, const struct path *path, size_t count)
{
    struct trial trial = trial_of(run, run->runner->bus);
    if (enter_and_go(&trial, path, count)) {
        trace_kill(trial.victim);
        cast_finish(&trial);
    }
    run->figures.kills++;
    conclude(run, &trial, "killed behind instruction", count);
    cast_dismiss(&trial);
}

static void kill_beside_living(struct run *run, const struct path *path)
{
    const bool every = run->runner->options->thorough || scenario_has(run->scenario, EVERY);
    for (size_t i = 0; i < path->count && !stop_now(run); i++) {
        if (every || path->matters[i]) {
            kill_at(run, path, i);
        }
    }
}

static void check_copy(struct run *run, const struct image *image, const char *which, size_t number)
{
    struct trial trial = trial_of(run, run->runner->copy);
    if (image_restore(image, trial.bus, trial.story)) {
        cast_check_late(&trial);
    } else {
        trial.trouble = "no room in /dev/shm for a copy";
    }
    conclude(run, &trial, which, number);
    image_remove(trial.bus);
}

static void check_copies(struct run *run, const struct images *images, const char *which)
{
    for (size_t i = 0; i < images->count && !stop_now(run); i++) {
        check_copy(run, &images->all[i], which, i);
    }
}

/* All states that a death in the recovery of `image` leaves. */
static void recover_copy(struct run *run, const struct image *image, struct images *second)
{
    struct path path = {0};
    struct trial trial = trial_of(run, run->runner->copy);
    if (image->exists && image_restore(image, trial.bus, trial.story) && cast_enter_recoverer(&trial)) {
        trial.story->facts.finished = 0;
        step_through(&trial, second, &path);
    }
    cast_dismiss(&trial);
    path_free(&path);
}

/* The arena is the end of the file. The recovery has nothing to do with its contents: once is enough. */
static bool is_like_others(const struct run *run, const struct images *images, size_t index)
{
    return !run->runner->options->thorough && images_repeat(images, index, scenario_arena(run->scenario));
}

static void die_again(struct run *run, const struct images *first)
{
    struct images second = {0};
    for (size_t i = 0; i < first->count && !stop_now(run); i++) {
        if (!is_like_others(run, first, i)) {
            recover_copy(run, &first->all[i], &second);
        }
    }
    run->figures.second = second.count;
    check_copies(run, &second, "second death, copy");
    images_free(&second);
}

struct figures trial_run(const struct runner *runner, const struct scenario *scenario)
{
    struct run run = {.runner = runner, .scenario = scenario};
    struct images images = {0};
    struct path path = {0};
    survey(&run, &images, &path);
    if (run.figures.violations == 0) {
        kill_beside_living(&run, &path);
        check_copies(&run, &images, "copy");
        die_again(&run, &images);
    }
    images_free(&images);
    path_free(&path);
    return run.figures;
}
