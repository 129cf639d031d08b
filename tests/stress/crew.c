/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "household.h"
#include "crew.h"
#include "standstill.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define STALL_NS INT64_C(15000000000)
#define WORKER_SECONDS 300 /* then its watchdog ends it */

static void fail(const struct crew *crew, const char *what, int64_t err)
{
    ledger_fail(crew->ledger, "%s: %lld %s", what, (long long)err, shmbus_strerror((int)err));
}

bool crew_failed(const struct crew *crew)
{
    return atomic_load(&crew->ledger->failed) != 0;
}

/* ------------------------------------------------------------------------------------------- places */

static struct worker new_worker(const struct crew *crew, const char *bus, const char *channel)
{
    struct worker worker = {.plan = crew->plan, .ledger = crew->ledger};
    (void)snprintf(worker.bus_name, sizeof worker.bus_name, "%s", bus);
    (void)snprintf(worker.channel, sizeof worker.channel, "%s", channel);
    return worker;
}

static void add_reader(struct crew *crew, const struct worker *any, uint32_t group, uint32_t number)
{
    struct place *place = &crew->places[crew->count++];
    *place = (struct place){.worker = *any, .work = subscriber_work};
    place->worker.group = group;
    place->worker.number = number;
    place->worker.mortal = crew->plan->kill_subscribers && plan_leaves(&crew->plan->groups[group], number);
    (void)snprintf(place->worker.name, sizeof place->worker.name, "group %u member %u", group, number);
}

static void add_publisher(struct crew *crew, const struct worker *any, uint32_t number)
{
    struct place *place = &crew->places[crew->count++];
    *place = (struct place){.worker = *any, .work = publisher_work};
    place->worker.number = number;
    place->worker.mortal = crew->plan->kill_publishers && number >= crew->plan->survivors;
    (void)snprintf(place->worker.name, sizeof place->worker.name, "publisher %u", number);
}

struct place *crew_add(struct crew *crew, const char *name, void (*work)(struct worker *worker))
{
    const struct worker *any = &crew->places[0].worker;
    struct place *place = &crew->places[crew->count++];
    *place = (struct place){.worker = new_worker(crew, any->bus_name, any->channel), .work = work};
    (void)snprintf(place->worker.name, sizeof place->worker.name, "%s", name);
    return place;
}

struct crew *crew_open(const struct plan *plan, struct ledger *ledger, const char *bus, const char *channel)
{
    struct crew *crew = mmap(NULL, sizeof *crew, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (crew == MAP_FAILED) {
        return NULL;
    }
    crew->plan = plan;
    crew->ledger = ledger;
    crew->progress_at = shmbus_now();
    const struct worker any = new_worker(crew, bus, channel);
    for (uint32_t g = 0; g < PLAN_GROUPS; g++) {
        for (uint32_t m = 0; m < plan->groups[g].members; m++) {
            add_reader(crew, &any, g, m);
        }
    }
    for (uint32_t p = 0; p < plan->publishers; p++) {
        add_publisher(crew, &any, p);
    }
    return crew;
}

void crew_close(struct crew *crew)
{
    (void)munmap(crew, sizeof *crew);
}

int crew_make_channel(const struct crew *crew, shmbus_bus *bus, const shmbus_channel_options *limits)
{
    const struct plan *plan = crew->plan;
    shmbus_channel_options options = *limits;
    options.producers = plan->producers;
    options.overflow = plan->overflow;
    options.slots = plan->slots;
    options.slot_size = plan->slot_size;
    options.arena = plan->arena;
    options.largest = plan->largest;
    options.first_sequence = plan->first;
    const int err = shmbus_channel_create(bus, crew->places[0].worker.channel, &options);
    if (err != 0) {
        fail(crew, "creating the channel", err);
    }
    return err;
}

unsigned crew_readers(const struct crew *crew)
{
    return crew->count - crew->plan->publishers;
}

/* ---------------------------------------------------------------------------------------- processes */

static void become_worker(const struct crew *crew, struct place *place)
{
    household_leave();
    (void)alarm(WORKER_SECONDS);
    place->worker.random =
        random_seeded(crew->ledger->seed, 100 * (uint64_t)(place - crew->places) + place->worker.life);
    place->work(&place->worker);
    _exit(0);
}

static void start(struct crew *crew, struct place *place)
{
    place->worker.in_recv = false;
    place->worker.set = NULL;
    place->worker.struck = 0;
    atomic_store(&place->worker.doing, "starting");
    const pid_t pid = fork();
    if (pid == 0) {
        become_worker(crew, place);
    }
    if (pid < 0) {
        fail(crew, "fork", -errno);
        return;
    }
    place->pid = pid;
}

void crew_start(struct crew *crew)
{
    for (unsigned i = 0; i < crew->count && !crew_failed(crew); i++) {
        start(crew, &crew->places[i]);
    }
}

static void count_death(struct crew *crew, struct place *place)
{
    struct ledger *ledger = crew->ledger;
    if (place->work == publisher_work) {
        atomic_fetch_add(&ledger->publishers[place->worker.number].deaths, 1);
    } else {
        atomic_fetch_add(&ledger->groups[place->worker.group].deaths, 1);
    }
    if (place->worker.in_recv) {
        atomic_fetch_add(&ledger->groups[place->worker.group].excused, 1);
    }
    crew->kills++;
}

static void bury(struct crew *crew, struct place *place, int status)
{
    const int pid = place->pid;
    place->pid = 0;
    place->paused = false;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return;
    }
    if (place->worker.mortal && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
        count_death(crew, place);
        place->worker.life++;
        if (!crew_failed(crew)) {
            start(crew, place);
        }
        return;
    }
    if (WIFSIGNALED(status)) {
        ledger_fail(crew->ledger, "%s (process %d) was ended by signal %d%s", place->worker.name, pid,
                    WTERMSIG(status), WTERMSIG(status) == SIGALRM ? ", its watchdog" : "");
    } else {
        ledger_fail(crew->ledger, "%s ended with status %d", place->worker.name, WEXITSTATUS(status));
    }
}

void crew_reap(struct crew *crew)
{
    for (unsigned i = 0; i < crew->count; i++) {
        int status;
        struct place *place = &crew->places[i];
        if (place->pid != 0 && waitpid(place->pid, &status, WNOHANG) == place->pid) {
            bury(crew, place, status);
        }
    }
}

bool crew_anybody_left(const struct crew *crew)
{
    for (unsigned i = 0; i < crew->count; i++) {
        if (crew->places[i].pid != 0) {
            return true;
        }
    }
    return false;
}

void crew_pause(struct place *place)
{
    place->paused = true;
    (void)kill(place->pid, SIGSTOP);
}

void crew_resume(struct crew *crew)
{
    for (unsigned i = 0; i < crew->count; i++) {
        if (crew->places[i].paused) {
            crew->places[i].paused = false;
            (void)kill(crew->places[i].pid, SIGCONT);
        }
    }
}

void crew_bury(const struct crew *crew)
{
    for (unsigned i = 0; i < crew->count; i++) {
        if (crew->places[i].pid > 0) {
            (void)kill(crew->places[i].pid, SIGKILL);
        }
    }
}

void crew_end(struct crew *crew)
{
    crew_bury(crew);
    for (unsigned i = 0; i < crew->count; i++) {
        int status;
        if (crew->places[i].pid > 0) {
            (void)waitpid(crew->places[i].pid, &status, 0);
            crew->places[i].pid = 0;
        }
    }
}

/* ----------------------------------------------------------------------------------------- progress */

bool crew_channel(const struct crew *crew, shmbus_channel_info *info)
{
    const char *name = crew->places[0].worker.channel;
    uint32_t cursor = 0;
    int found;
    while ((found = shmbus_view_channel(crew->view, &cursor, info)) == 1) {
        if (strcmp(info->name, name) == 0) {
            return true;
        }
    }
    fail(crew, "shmbus_view_channel", found);
    return false;
}

uint64_t crew_pending(const struct crew *crew)
{
    shmbus_channel_info channel;
    shmbus_group_info group;
    uint64_t sum = 0;
    if (!crew_channel(crew, &channel)) {
        return 0;
    }
    for (uint32_t cursor = 0; shmbus_view_group(crew->view, channel.index, &cursor, &group) == 1;) {
        sum += strncmp(group.name, "group-", 6) == 0 ? group.pending : 0;
    }
    return sum;
}

uint64_t crew_progress(const struct crew *crew)
{
    const struct ledger *ledger = crew->ledger;
    uint64_t sum = atomic_load(&ledger->ready) + atomic_load(&ledger->stopped) + atomic_load(&ledger->done);
    for (unsigned i = 0; i < PLAN_PUBLISHERS; i++) {
        sum += atomic_load(&ledger->publishers[i].committed);
    }
    for (unsigned i = 0; i < PLAN_GROUPS; i++) {
        sum += atomic_load(&ledger->groups[i].seen);
    }
    return sum;
}

void crew_rest(struct crew *crew)
{
    crew->progress_at = shmbus_now();
}

void crew_watch(struct crew *crew)
{
    const uint64_t progress = crew_progress(crew);
    const int64_t now = shmbus_now();
    if (progress != crew->progress) {
        crew->progress = progress;
        crew->progress_at = now;
        return;
    }
    const int64_t stalled = now - crew->progress_at;
    if ((uint64_t)stalled > crew->longest_stall) {
        crew->longest_stall = (uint64_t)stalled;
    }
    if (stalled > STALL_NS && !crew_failed(crew)) {
        char text[sizeof crew->ledger->failure - 100] = "";
        standstill_explain(crew, text, sizeof text);
        ledger_fail(crew->ledger, "nothing has moved for %d s: %s", (int)(STALL_NS / 1000000000), text);
    }
}
