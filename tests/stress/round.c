/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "round.h"

#include "worker.h"

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

#define WORKERS (PLAN_PUBLISHERS + PLAN_GROUPS * 8)
#define TICK_NS 1000000
#define STALL_NS INT64_C(15000000000)
#define WORKER_SECONDS 300 /* then its watchdog ends it */

struct place {
    struct worker worker;
    volatile pid_t pid; /* 0: nobody */
    bool publisher;
    bool paused;
};

/* One round at a time; the signal handler needs to find it. */
static struct {
    const struct plan *plan;
    struct ledger *ledger;
    shmbus_view *view;
    struct place places[WORKERS];
    unsigned count;
    struct random random;
    struct round_totals *totals;
    uint64_t progress;   /* as last seen */
    int64_t progress_at; /* when it was */
    uint64_t strike_at;  /* progress at which somebody is killed or stopped next */
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

static void become_worker(struct place *place)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    const int signals[] = {SIGALRM, SIGHUP, SIGINT, SIGPIPE, SIGTERM};
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) {
        (void)signal(signals[i], SIG_DFL);
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)alarm(WORKER_SECONDS);
    place->worker.random =
        random_seeded(at_work.ledger->seed, 100 * (uint64_t)(place - at_work.places) + place->worker.life);
    if (place->publisher) {
        publisher_work(&place->worker);
    } else {
        subscriber_work(&place->worker);
    }
    _exit(0);
}

static void start(struct place *place)
{
    const pid_t pid = fork();
    if (pid == 0) {
        become_worker(place);
    }
    if (pid < 0) {
        fail("fork", -errno);
        return;
    }
    place->pid = pid;
}

/* The bus and the channel are made by a process of their own: the parent that forks has no threads. */
static void make_bus(void)
{
    const struct plan *plan = at_work.plan;
    const pid_t pid = fork();
    if (pid == 0) {
        const shmbus_bus_options bus_options = {.open = SHMBUS_CREATE_NEW};
        const shmbus_channel_options options = {
            .producers = plan->producers,
            .overflow = plan->overflow,
            .slots = plan->slots,
            .slot_size = plan->slot_size,
            .arena = plan->arena,
            .largest = plan->largest,
            .first_sequence = plan->first,
        };
        shmbus_bus *bus;
        int err = shmbus_open(at_work.bus_name, &bus_options, &bus);
        err = err ? err : shmbus_channel_create(bus, CHANNEL_NAME, &options);
        if (err != 0) {
            fail("creating the bus", err);
        }
        _exit(err != 0);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        fail("creating the bus", pid < 0 ? -errno : -ECHILD);
        return;
    }
    const int err = shmbus_view_open(at_work.bus_name, &at_work.view);
    if (err != 0) {
        fail("shmbus_view_open", err);
    }
}

static struct worker new_worker(uint32_t group, uint32_t number)
{
    struct worker worker = {.plan = at_work.plan, .ledger = at_work.ledger, .group = group, .number = number};
    memcpy(worker.bus_name, at_work.bus_name, sizeof worker.bus_name);
    return worker;
}

static void make_places(void)
{
    const struct plan *plan = at_work.plan;
    at_work.count = 0;
    for (uint32_t g = 0; g < PLAN_GROUPS; g++) {
        for (uint32_t m = 0; m < plan->groups[g].members; m++) {
            struct place *place = &at_work.places[at_work.count++];
            *place = (struct place){.worker = new_worker(g, m)};
            place->worker.mortal = plan->kill_subscribers && plan_leaves(&plan->groups[g], m);
            (void)snprintf(place->worker.name, sizeof place->worker.name, "group %u member %u", g, m);
        }
    }
    for (uint32_t p = 0; p < plan->publishers; p++) {
        struct place *place = &at_work.places[at_work.count++];
        *place = (struct place){.worker = new_worker(0, p), .publisher = true};
        place->worker.mortal = plan->kill_publishers;
        (void)snprintf(place->worker.name, sizeof place->worker.name, "publisher %u", p);
    }
}

/* A worker has ended. Those that were killed are started again; any other end but a good one is a failure. */
static void bury(struct place *place, int status)
{
    place->pid = 0;
    place->paused = false;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return;
    }
    if (place->worker.mortal && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
        struct ledger *ledger = at_work.ledger;
        _Atomic uint64_t *deaths = place->publisher ? &ledger->publishers[place->worker.number].deaths
                                                    : &ledger->groups[place->worker.group].deaths;
        atomic_fetch_add(deaths, 1);
        at_work.totals->kills++;
        place->worker.life++;
        if (!failed()) {
            start(place);
        }
        return;
    }
    if (WIFSIGNALED(status)) {
        ledger_fail(at_work.ledger, "%s (process %d) was ended by signal %d%s", place->worker.name,
                    (int)place->pid, WTERMSIG(status), WTERMSIG(status) == SIGALRM ? ", its watchdog" : "");
    } else {
        ledger_fail(at_work.ledger, "%s ended with status %d", place->worker.name, WEXITSTATUS(status));
    }
}

static void reap(void)
{
    for (unsigned i = 0; i < at_work.count; i++) {
        int status;
        struct place *place = &at_work.places[i];
        if (place->pid != 0 && waitpid(place->pid, &status, WNOHANG) == place->pid) {
            bury(place, status);
        }
    }
}

static uint64_t progress_now(void)
{
    const struct ledger *ledger = at_work.ledger;
    uint64_t sum = atomic_load(&ledger->ready) + atomic_load(&ledger->stopped) + atomic_load(&ledger->done);
    for (unsigned i = 0; i < PLAN_PUBLISHERS; i++) {
        sum += atomic_load(&ledger->publishers[i].committed);
    }
    for (unsigned i = 0; i < PLAN_GROUPS; i++) {
        sum += atomic_load(&ledger->groups[i].seen);
    }
    return sum;
}

/* Where everybody stands, for a round that does not go on. */
static void explain_stall(char *text, size_t size)
{
    shmbus_channel_info channel;
    shmbus_group_info group;
    uint32_t cursor = 0;
    if (shmbus_view_channel(at_work.view, &cursor, &channel) != 1) {
        return;
    }
    int used = snprintf(text, size, "published up to %" PRIu64, channel.published);
    cursor = 0;
    while (used > 0 && (size_t)used < size &&
           shmbus_view_group(at_work.view, channel.index, &cursor, &group) == 1) {
        used += snprintf(text + used, size - (size_t)used,
                         "; group \"%s\": at %" PRIu64 ", %" PRIu64 " pending, %u members", group.name,
                         group.position, group.pending, group.members);
    }
    for (unsigned i = 0; i < at_work.plan->publishers && used > 0 && (size_t)used < size; i++) {
        used += snprintf(text + used, size - (size_t)used, "; publisher %u committed %" PRIu64 " of %u", i,
                         atomic_load(&at_work.ledger->publishers[i].committed), at_work.plan->messages);
    }
}

static void watch_progress(void)
{
    const uint64_t progress = progress_now();
    const int64_t now = shmbus_now();
    if (progress != at_work.progress) {
        at_work.progress = progress;
        at_work.progress_at = now;
        return;
    }
    const int64_t stalled = now - at_work.progress_at;
    if ((uint64_t)stalled > at_work.totals->longest_stall) {
        at_work.totals->longest_stall = (uint64_t)stalled;
    }
    if (stalled > STALL_NS && !failed()) {
        char text[800] = "";
        explain_stall(text, sizeof text);
        ledger_fail(at_work.ledger, "nothing has moved for %d s: %s", (int)(STALL_NS / 1000000000), text);
    }
}

static void resume_all(void)
{
    for (unsigned i = 0; i < at_work.count; i++) {
        if (at_work.places[i].paused) {
            at_work.places[i].paused = false;
            (void)kill(at_work.places[i].pid, SIGCONT);
        }
    }
}

/* Kills or stops one that may be, after a random piece of progress. Those that were stopped go on first. */
static void strike(void)
{
    if (at_work.progress < at_work.strike_at) {
        if (at_work.progress == progress_now()) {
            resume_all(); /* they wait for who was stopped */
        }
        return;
    }
    resume_all();
    const uint64_t all = (uint64_t)at_work.plan->publishers * at_work.plan->messages;
    at_work.strike_at = at_work.progress + random_around(&at_work.random, 1 + all / 60);
    struct place *place = &at_work.places[random_below(&at_work.random, at_work.count)];
    if (!place->worker.mortal || place->pid == 0) {
        return;
    }
    if (at_work.plan->pause && random_one_in(&at_work.random, 2)) {
        place->paused = true;
        at_work.totals->pauses++;
        (void)kill(place->pid, SIGSTOP);
    } else {
        (void)kill(place->pid, SIGKILL);
    }
}

/* Waits for a child's end or a moment, whichever comes first, then looks after everything. */
static void tick(void)
{
    static const struct timespec moment = {.tv_nsec = TICK_NS};
    sigset_t child;
    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    (void)sigtimedwait(&child, NULL, &moment);
    reap();
    watch_progress();
}

static unsigned readers(void)
{
    return at_work.count - at_work.plan->publishers;
}

/* What the groups that see everything have not given back. */
static uint64_t pending(void)
{
    shmbus_channel_info channel;
    shmbus_group_info group;
    uint32_t cursor = 0;
    uint64_t sum = 0;
    const int found = shmbus_view_channel(at_work.view, &cursor, &channel);
    if (found != 1) {
        fail("shmbus_view_channel", found);
        return 0;
    }
    cursor = 0;
    while (shmbus_view_group(at_work.view, channel.index, &cursor, &group) == 1) {
        sum += strncmp(group.name, "group-", 6) == 0 ? group.pending : 0;
    }
    return sum;
}

static bool anybody_left(void)
{
    for (unsigned i = 0; i < at_work.count; i++) {
        if (at_work.places[i].pid != 0) {
            return true;
        }
    }
    return false;
}

/* The life of a round: all join, publish and read, the rest is read, all stop, all leave. */
static void live(void)
{
    struct ledger *ledger = at_work.ledger;
    const struct plan *plan = at_work.plan;
    while (!failed() && atomic_load(&ledger->ready) < at_work.count) {
        tick();
    }
    atomic_store(&ledger->started, 1);
    while (!failed() && atomic_load(&ledger->done) < plan->publishers) {
        tick();
        if (plan_kills(plan)) {
            strike();
        }
    }
    resume_all();
    while (!failed() && pending() != 0) {
        tick();
    }
    atomic_store(&ledger->stop, 1);
    while (!failed() && atomic_load(&ledger->stopped) < readers()) {
        tick();
    }
    if (!failed()) {
        verify_figures(plan, ledger, at_work.view);
    }
    atomic_store(&ledger->leave, 1);
    while (!failed() && anybody_left()) {
        tick();
    }
}

void round_bury(void)
{
    for (unsigned i = 0; i < at_work.count; i++) {
        if (at_work.places[i].pid > 0) {
            (void)kill(at_work.places[i].pid, SIGKILL);
        }
    }
    if (at_work.bus_name[0] != 0) {
        char path[BUS_NAME_SIZE + 8] = "/shmbus.";
        (void)strcat(path, at_work.bus_name);
        (void)shm_unlink(path);
    }
}

static void end_all(void)
{
    for (unsigned i = 0; i < at_work.count; i++) {
        int status;
        if (at_work.places[i].pid > 0) {
            (void)kill(at_work.places[i].pid, SIGKILL);
            (void)waitpid(at_work.places[i].pid, &status, 0);
            at_work.places[i].pid = 0;
        }
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
}

static uint64_t published(void)
{
    shmbus_channel_info channel;
    uint32_t cursor = 0;
    const int found = shmbus_view_channel(at_work.view, &cursor, &channel);
    if (found != 1) {
        fail("shmbus_view_channel", found);
        return 0;
    }
    return channel.published;
}

int round_run(const struct plan *plan, uint64_t seed, struct round_totals *totals)
{
    static unsigned rounds;
    struct ledger *ledger = ledger_open(plan, seed);
    if (!ledger) {
        fprintf(stderr, "no memory for the ledger of %u x %u messages\n", plan->publishers, plan->messages);
        return 1;
    }
    memset(&at_work, 0, sizeof at_work);
    at_work.plan = plan;
    at_work.ledger = ledger;
    at_work.totals = totals;
    at_work.random = random_seeded(seed, 2000);
    at_work.progress_at = shmbus_now();
    (void)snprintf(at_work.bus_name, sizeof at_work.bus_name, "stress-%d-%u", (int)getpid(), rounds++);
    make_bus();
    make_places();
    for (unsigned i = 0; i < at_work.count && !failed(); i++) {
        start(&at_work.places[i]);
    }
    live();
    end_all();
    if (!failed()) {
        verify_ledger(plan, ledger, published());
    }
    const int result = failed() ? 1 : 0;
    if (result != 0) {
        fprintf(stderr, "FAILED: %s\n", ledger->failure);
    }
    add_totals(totals);
    shmbus_view_close(at_work.view);
    (void)shmbus_remove(at_work.bus_name);
    at_work.bus_name[0] = 0;
    ledger_close(ledger);
    return result;
}
