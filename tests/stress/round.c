/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "household.h"
#include "round.h"

#include "verify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_NS 1000000

/* One round at a time; the signal handler needs to find it. */
static struct {
    struct crew *crew;
    struct ledger *ledger;
    struct random random;
    struct round_totals *totals;
    uint64_t strike_at; /* progress at which somebody is killed or stopped next */
    char bus_name[BUS_NAME_SIZE];
} at_work;

static void fail(const char *what, int64_t err)
{
    ledger_fail(at_work.ledger, "%s: %lld %s", what, (long long)err, shmbus_strerror((int)err));
}

static bool failed(void)
{
    return atomic_load(&at_work.ledger->failed) != 0;
}

/* The bus and the channel are made by a process of their own: the parent that forks has no threads. */
static void make_bus(void)
{
    const pid_t pid = fork();
    if (pid == 0) {
        const shmbus_bus_options bus_options = {.open = SHMBUS_CREATE_NEW};
        const shmbus_channel_options limits = {.publishers = 0};
        shmbus_bus *bus;
        int err = shmbus_open(at_work.bus_name, &bus_options, &bus);
        if (err != 0) {
            fail("creating the bus", err);
        }
        _exit(err != 0 || crew_make_channel(at_work.crew, bus, &limits) != 0);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        fail("creating the bus", pid < 0 ? -errno : -ECHILD);
        return;
    }
    const int err = shmbus_view_open(at_work.bus_name, &at_work.crew->view);
    if (err != 0) {
        fail("shmbus_view_open", err);
    }
}

/* Kills or stops one that may be, after a random piece of progress. Those that were stopped go on first. */
static void strike(void)
{
    struct crew *crew = at_work.crew;
    if (crew->progress < at_work.strike_at) {
        if (crew->progress == crew_progress(crew)) {
            crew_resume(crew); /* they wait for who was stopped */
        }
        return;
    }
    crew_resume(crew);
    const uint64_t all = (uint64_t)crew->plan->publishers * crew->plan->messages;
    at_work.strike_at = crew->progress + random_around(&at_work.random, 1 + all / 60);
    struct place *place = &crew->places[random_below(&at_work.random, crew->count)];
    if (!place->worker.mortal || place->pid == 0) {
        return;
    }
    if (crew->plan->pause && random_one_in(&at_work.random, 2)) {
        at_work.totals->pauses++;
        crew_pause(place);
    } else {
        (void)kill(place->pid, SIGKILL);
    }
}

/* Waits for a child's end or a moment, whichever comes first, then looks after everything. */
static void tick(void)
{
    household_tick(TICK_NS);
    crew_reap(at_work.crew);
    crew_watch(at_work.crew);
}

/* The life of a round: all join, publish and read, the rest is read, all stop, all leave. */
static void live(void)
{
    struct crew *crew = at_work.crew;
    struct ledger *ledger = at_work.ledger;
    while (!failed() && atomic_load(&ledger->ready) < crew->count) {
        tick();
    }
    atomic_store(&ledger->started, 1);
    while (!failed() && atomic_load(&ledger->done) < crew->plan->publishers) {
        tick();
        if (plan_kills(crew->plan)) {
            strike();
        }
    }
    crew_resume(crew);
    while (!failed() && crew_pending(crew) != 0) {
        tick();
    }
    atomic_store(&ledger->stop, 1);
    while (!failed() && atomic_load(&ledger->stopped) < crew_readers(crew)) {
        tick();
    }
    if (!failed()) {
        verify_figures(crew);
    }
    atomic_store(&ledger->leave, 1);
    while (!failed() && crew_anybody_left(crew)) {
        tick();
    }
}

void round_bury(void)
{
    if (at_work.crew) {
        crew_bury(at_work.crew);
    }
    if (at_work.bus_name[0] != 0) {
        char path[BUS_NAME_SIZE + 8] = "/shmbus.";
        (void)strcat(path, at_work.bus_name);
        (void)shm_unlink(path);
    }
}

static void add_totals(struct round_totals *totals)
{
    for (unsigned i = 0; i < PLAN_PUBLISHERS; i++) {
        totals->messages += atomic_load(&at_work.ledger->publishers[i].committed);
    }
    for (unsigned i = 0; i < PLAN_GROUPS; i++) {
        const struct group_ledger *group = &at_work.ledger->groups[i];
        totals->seen += atomic_load(&group->seen);
        totals->marked += atomic_load(&group->marked);
        totals->missed += atomic_load(&group->missed);
        totals->joins += atomic_load(&group->joins);
        totals->joins_behind += atomic_load(&group->joins_behind);
    }
    totals->kills += at_work.crew->kills;
    if (at_work.crew->longest_stall > totals->longest_stall) {
        totals->longest_stall = at_work.crew->longest_stall;
    }
}

static int judge(void)
{
    shmbus_channel_info channel;
    if (!failed() && crew_channel(at_work.crew, &channel)) {
        verify_ledger(at_work.crew->plan, at_work.ledger, channel.published);
    }
    if (failed()) {
        fprintf(stderr, "FAILED: %s\n", at_work.ledger->failure);
    }
    return failed() ? 1 : 0;
}

int round_run(const struct plan *plan, uint64_t seed, struct round_totals *totals)
{
    static unsigned rounds;
    memset(&at_work, 0, sizeof at_work);
    at_work.totals = totals;
    at_work.random = random_seeded(seed, 2000);
    (void)snprintf(at_work.bus_name, sizeof at_work.bus_name, "stress-%d-%u", (int)getpid(), rounds++);
    at_work.ledger = ledger_open(plan, seed);
    at_work.crew = at_work.ledger ? crew_open(plan, at_work.ledger, at_work.bus_name, "stress") : NULL;
    if (!at_work.crew) {
        fprintf(stderr, "no memory for the ledger of %u x %u messages\n", plan->publishers, plan->messages);
        return 1;
    }
    make_bus();
    crew_start(at_work.crew);
    live();
    crew_end(at_work.crew);
    const int result = judge();
    add_totals(totals);
    shmbus_view_close(at_work.crew->view);
    (void)shmbus_remove(at_work.bus_name);
    at_work.bus_name[0] = 0;
    crew_close(at_work.crew);
    at_work.crew = NULL;
    ledger_close(at_work.ledger);
    return result;
}
