/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "cast.h"

#include "check.h"
#include "image.h"
#include "operations.h"
#include "trace.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ALARM_SECONDS 20u /* more than any check waits for anything */

typedef void role(struct actor *actor);

static pid_t play(const struct trial *trial, role *part)
{
    const pid_t pid = fork();
    if (pid == 0) {
        static struct actor actor;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)alarm(ALARM_SECONDS);
        actor = (struct actor){.scenario = trial->scenario, .story = trial->story, .name = trial->bus};
        part(&actor);
        _exit(0);
    }
    return pid;
}

static size_t size_before(const struct scenario *scenario)
{
    return scenario_has(scenario, LARGE_BEFORE) ? LARGE_SIZE : SMALL_SIZE;
}

/* ------------------------------------------------------------------------------------------------ */

static bool survivor_sends(const struct scenario *scenario)
{
    const bool alone = scenario_has(scenario, VICTIM_SENDS) && !scenario_has(scenario, MULTI);
    return !alone && !scenario_has(scenario, SURVIVOR_SILENT);
}

static bool survivor_reads(const struct scenario *scenario)
{
    const bool alone = scenario_has(scenario, VICTIM_READS) && !scenario_has(scenario, SHARED);
    return !alone && !scenario_has(scenario, UNREAD | NO_GROUP);
}

static void make_group(struct actor *survivor)
{
    if (scenario_has(survivor->scenario, NO_GROUP)) {
        return;
    }
    actor_join(survivor);
    if (!survivor_reads(survivor->scenario)) {
        (void)actor_must(survivor, shmbus_subscriber_close(survivor->subscriber), "shmbus_subscriber_close");
        survivor->subscriber = NULL;
    }
}

static void prepare_survivor(struct actor *survivor)
{
    const struct scenario *scenario = survivor->scenario;
    if (scenario_has(scenario, NO_BUS)) {
        return;
    }
    actor_attach(survivor);
    if (scenario_has(scenario, NO_CHANNEL)) {
        return;
    }
    const shmbus_channel_options options = actor_channel_options(scenario);
    (void)actor_must(survivor, shmbus_channel_create(survivor->bus, CHANNEL, &options),
                     "shmbus_channel_create");
    make_group(survivor);
    if (survivor_sends(scenario)) {
        actor_publish(survivor);
    }
}

static void prepare_victim(struct actor *victim)
{
    const struct scenario *scenario = victim->scenario;
    if (scenario_has(scenario, NO_BUS | VICTIM_APART)) {
        return;
    }
    actor_attach(victim);
    if (scenario_has(scenario, VICTIM_SENDS)) {
        actor_publish(victim);
    }
    if (scenario_has(scenario, VICTIM_READS)) {
        actor_join(victim);
    }
}

/* ------------------------------------------------------------------------------------------------ */

static void die_holding(struct actor *corpse)
{
    actor_attach(corpse);
    actor_join(corpse);
    const unsigned number = actor_next(corpse);
    actor_hold(corpse);
    corpse->story->facts.taken[number] = TAKEN_ORPHAN;
    (void)kill(getpid(), SIGKILL);
}

static void die_claiming(struct actor *corpse)
{
    actor_attach(corpse);
    actor_publish(corpse);
    corpse->claim.size = SMALL_SIZE;
    (void)actor_must(corpse, shmbus_claim(corpse->publisher, &corpse->claim, SHMBUS_NOWAIT), "shmbus_claim");
    (void)kill(getpid(), SIGKILL);
}

static void die_joined(struct actor *corpse)
{
    const shmbus_subscriber_options own = {.from = SHMBUS_FROM_OLDEST};
    actor_attach(corpse);
    (void)actor_must(corpse, shmbus_subscriber_open(corpse->bus, CHANNEL, &own, &corpse->subscriber),
                     "shmbus_subscriber_open");
    (void)kill(getpid(), SIGKILL);
}

static void leave_corpse(const struct actor *survivor, role *part, uint32_t flag)
{
    if (scenario_has(survivor->scenario, flag)) {
        const struct trial trial = {
            .scenario = survivor->scenario, .story = survivor->story, .bus = survivor->name};
        int status;
        (void)waitpid(play(&trial, part), &status, 0);
    }
}

static void sleep_in_recv(struct actor *sleeper)
{
    const shmbus_subscriber_options own = {.wait = SHMBUS_WAIT_BLOCK};
    actor_attach(sleeper);
    (void)actor_must(sleeper, shmbus_subscriber_open(sleeper->bus, CHANNEL, &own, &sleeper->subscriber),
                     "shmbus_subscriber_open");
    for (struct message_seen seen = {.id.publisher = FROM_STORY}; seen.id.publisher == FROM_STORY;) {
        unsigned char bytes[LARGEST];
        char why[200];
        const int64_t size =
            actor_must(sleeper, shmbus_recv(sleeper->subscriber, bytes, sizeof bytes, NULL, SHMBUS_FOREVER),
                       "shmbus_recv");
        if (!message_read(bytes, (size_t)size, 0, &seen, why, sizeof why)) {
            story_fail(sleeper->story, "a sleeper received: %s", why);
        }
    }
    (void)actor_must(sleeper, shmbus_close(sleeper->bus), "shmbus_close");
    (void)sem_post(&sleeper->story->awake);
}

static void sleep_in_send(struct actor *sleeper)
{
    actor_attach(sleeper);
    actor_publish(sleeper);
    actor_make_ready(sleeper, SMALL_SIZE);
    volatile uint8_t *sent = &sleeper->story->facts.sent[sleeper->first_ready];
    *sent = SENT_TRIED;
    (void)actor_must(sleeper, shmbus_send(sleeper->publisher, sleeper->ready[0], SMALL_SIZE, SHMBUS_FOREVER),
                     "shmbus_send of a sleeper");
    *sent = SENT_COMMITTED;
    (void)actor_must(sleeper, shmbus_close(sleeper->bus), "shmbus_close");
    (void)sem_post(&sleeper->story->awake);
}

/* ------------------------------------------------------------------------------------------------ */

static void send_some(struct actor *actor, bool mine, unsigned count)
{
    if (mine) {
        actor_send_story(actor, count, size_before(actor->scenario));
    }
}

static void survive(struct actor *survivor)
{
    const struct scenario *scenario = survivor->scenario;
    const struct state *state = scenario->state;
    struct story *story = survivor->story;
    const bool sends = !scenario_has(scenario, VICTIM_SENDS);
    prepare_survivor(survivor);
    (void)sem_post(&story->victim);
    story_wait(story, &story->survivor);
    send_some(survivor, sends, state->drained);
    (void)sem_post(&story->victim);
    story_wait(story, &story->survivor);
    if (!scenario_has(scenario, VICTIM_READS)) {
        actor_drain(survivor, state->drained);
    }
    leave_corpse(survivor, die_claiming, CORPSE_CLAIMS);
    send_some(survivor, sends, state->sent - state->drained);
    leave_corpse(survivor, die_joined, CORPSE_JOINED);
    leave_corpse(survivor, die_holding, CORPSE_HOLDS);
    if (scenario_has(scenario, CORPSE_HOLDS) && scenario_has(scenario, VICTIM_READS)) {
        (void)actor_must(survivor, shmbus_recover(survivor->bus), "shmbus_recover");
    }
    if (scenario_has(scenario, SURVIVOR_HOLDS)) {
        actor_hold(survivor);
    }
    (void)sem_post(&story->victim);
    story_wait(story, &story->survivor);
    struct check check = {.actor = survivor, .present = !scenario_has(scenario, NO_BUS)};
    check_run(&check);
}

static void get_into_position(struct actor *victim)
{
    const struct scenario *scenario = victim->scenario;
    const struct state *state = scenario->state;
    struct story *story = victim->story;
    const bool sends = scenario_has(scenario, VICTIM_SENDS);
    story_wait(story, &story->victim);
    prepare_victim(victim);
    (void)sem_post(&story->survivor);
    story_wait(story, &story->victim);
    send_some(victim, sends, state->drained);
    if (scenario_has(scenario, VICTIM_READS)) {
        actor_drain(victim, state->drained);
    }
    (void)sem_post(&story->survivor);
    story_wait(story, &story->victim);
    send_some(victim, sends, state->sent - state->drained);
}

static void stop(struct actor *actor)
{
    if (!trace_begin()) {
        story_fail(actor->story, "tracing is not allowed");
    }
}

/* Stops for good: what comes behind the operation is no part of it. */
static void finish(struct actor *actor)
{
    actor->story->facts.finished = 1;
    (void)raise(SIGSTOP);
}

static void act(struct actor *victim)
{
    const struct scenario *scenario = victim->scenario;
    get_into_position(victim);
    if (scenario_has(scenario, VICTIM_HOLDS)) {
        actor_hold(victim);
    }
    if (scenario_has(scenario, VICTIM_CLAIMS)) {
        victim->claim.size = SMALL_SIZE;
        (void)actor_must(victim, shmbus_claim(victim->publisher, &victim->claim, SHMBUS_NOWAIT),
                         "shmbus_claim");
    }
    actor_make_ready(victim, scenario_has(scenario, LARGE_NOW) ? MEDIUM_SIZE : SMALL_SIZE);
    stop(victim);
    scenario->operation->operate(victim);
    finish(victim);
}

/* Starts the sleeper, and waits until it sleeps. */
static bool start_sleeper(struct trial *trial)
{
    const bool reads = scenario_has(trial->scenario, SLEEPING_READER);
    if (!reads && !scenario_has(trial->scenario, SLEEPING_SENDER)) {
        return true;
    }
    trial->sleeper = play(trial, reads ? sleep_in_recv : sleep_in_send);
    while (!trace_sleeps(trial->sleeper)) {
        int status;
        if (waitpid(trial->sleeper, &status, WNOHANG) != 0) {
            trial->sleeper = 0;
            return false;
        }
        (void)sched_yield();
    }
    return true;
}

bool cast_enter(struct trial *trial)
{
    image_remove(trial->bus);
    story_reset(trial->story);
    trial->sleeper = 0;
    trial->trouble = NULL;
    trial->survivor = play(trial, survive);
    trial->victim = play(trial, act);
    int status = 0;
    if (!trace_wait(trial->victim, &status)) {
        trial->trouble = "the victim did not get into position";
        trial->victim = 0;
    } else if (!start_sleeper(trial)) {
        trial->trouble = "the sleeper did not fall asleep";
    }
    return !trial->trouble;
}

/* How a process ended: NULL when it is content. */
static const char *end_of(pid_t pid)
{
    int status;
    if (waitpid(pid, &status, 0) != pid) {
        return "a process is gone";
    }
    if (WIFSIGNALED(status)) {
        return WTERMSIG(status) == SIGALRM ? "a survivor hangs" : "a survivor crashed";
    }
    return WEXITSTATUS(status) == 0 ? NULL : "a survivor found something wrong";
}

void cast_finish(struct trial *trial)
{
    trial->victim = 0;
    (void)sem_post(&trial->story->survivor);
    trial->trouble = end_of(trial->survivor);
    trial->survivor = 0;
    if (trial->sleeper && !trial->trouble) {
        trial->trouble = end_of(trial->sleeper);
        trial->sleeper = 0;
    }
}

static void end(pid_t *pid)
{
    if (*pid > 0) {
        trace_kill(*pid);
    }
    *pid = 0;
}

void cast_dismiss(struct trial *trial)
{
    end(&trial->victim);
    end(&trial->sleeper);
    end(&trial->survivor);
    image_remove(trial->bus);
}

/* ------------------------------------------------------------------------------------------------ */

static void check_late(struct actor *actor)
{
    shmbus_view *view;
    const int err = shmbus_view_open(actor->name, &view);
    struct check check = {.actor = actor, .unknown = err == -ENOENT};
    if (err == 0) {
        shmbus_view_close(view);
    }
    check_run(&check);
}

void cast_check_late(struct trial *trial)
{
    trial->trouble = end_of(play(trial, check_late));
}

static void recover(struct actor *actor)
{
    const shmbus_bus_options options = {.open = SHMBUS_OPEN_EXISTING, .participant_name = "step"};
    if (shmbus_open(actor->name, &options, &actor->bus) != 0) {
        _exit(0);
    }
    stop(actor);
    do_recover(actor);
    finish(actor);
}

bool cast_enter_recoverer(struct trial *trial)
{
    int status;
    trial->victim = play(trial, recover);
    if (!trace_wait(trial->victim, &status)) {
        trial->victim = 0;
        return false;
    }
    return true;
}
