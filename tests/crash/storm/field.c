/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "household.h"
#include "field.h"

#include "verify.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS 1000000
#define SHAM_SHARE 4 /* one part in so many of a round is without kills */

/* One round at a time; the signal handler needs to find it. */
static struct field at_work;

static bool failed(void)
{
    for (unsigned i = 0; i < at_work.count; i++) {
        if (crew_failed(at_work.crews[i])) {
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------------------------------- limits */

shmbus_channel_options field_limits(const struct plan *plan)
{
    uint32_t groups = 0;
    uint32_t members = 0;
    for (unsigned g = 0; g < PLAN_GROUPS; g++) {
        const struct plan_group *group = &plan->groups[g];
        groups += group->kind == GROUP_JOINER ? group->members : group->kind != GROUP_NONE;
        /* What a dead member of a shared group held keeps its entry until another takes it over. */
        members += plan_is_shared(group) ? 4 * group->members : group->members;
    }
    return (shmbus_channel_options){
        .publishers = plan->producers == SHMBUS_SINGLE ? 1 : plan->publishers,
        .groups = groups,
        .members = members,
    };
}

shmbus_bus_options field_bus_limits(const struct field *field)
{
    uint32_t participants = 1; /* the one that looks for leaks, and before it the one that creates the bus */
    for (unsigned i = 0; i < at_work.count; i++) {
        participants += field->crews[i]->count;
    }
    /* A removed channel keeps its entry while somebody uses it. */
    return (shmbus_bus_options){.open = SHMBUS_CREATE_NEW,
                                .participants = participants,
                                .channels = FIELD_CHANNELS + FIELD_CHURNED + FIELD_CHURNERS};
}

/* -------------------------------------------------------------------------------------------- making */

/* In a process of its own: the parent that forks has no threads. */
static void become_maker(void)
{
    const shmbus_bus_options options = field_bus_limits(&at_work);
    shmbus_bus *bus;
    int err = shmbus_open(at_work.bus_name, &options, &bus);
    if (err != 0) {
        ledger_fail(at_work.crews[0]->ledger, "creating the bus: %s", shmbus_strerror(err));
    }
    for (unsigned i = 0; i < at_work.count && err == 0; i++) {
        const shmbus_channel_options limits = field_limits(&at_work.plans[i]);
        err = crew_make_channel(at_work.crews[i], bus, &limits);
    }
    _exit(err != 0);
}

static void become_checker(void)
{
    leaks_check(&at_work);
}

/* Runs `body` in a child, to its end. */
static void run_child(void (*body)(void), const char *what)
{
    int status = 0;
    const pid_t pid = fork();
    if (pid == 0) {
        sigset_t none;
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)signal(SIGALRM, SIG_DFL);
        body();
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        ledger_fail(at_work.crews[0]->ledger, "%s: ended with status %x", what, (unsigned)status);
    }
}

static void add_others(struct crew *crew)
{
    for (uint32_t i = 0; i < FIELD_CHURNERS; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "churner %u", i);
        struct place *place = crew_add(crew, name, churn_work);
        place->worker.number = i;
        place->worker.mortal = true;
    }
    crew_add(crew, "onlooker", onlooker_work)->worker.mortal = true;
}

static void measure(struct crew *crew, struct stalls *stalls)
{
    stalls->histograms = at_work.histograms;
    for (unsigned i = 0; i < crew->count; i++) {
        struct worker *worker = &crew->places[i].worker;
        if (!worker->mortal) {
            worker->on_progress = stalls_progress;
            worker->context = stalls;
        }
    }
}

static bool make_crew(uint64_t seed, const struct field_plan *chosen)
{
    const unsigned i = at_work.count;
    struct plan *plan = &at_work.plans[i];
    plan_make(plan, &chosen->plan, random_mix(seed + i), 0);
    struct ledger *ledger = ledger_open(plan, random_mix(seed ^ i));
    struct crew *crew = ledger ? crew_open(plan, ledger, at_work.bus_name, plan->name) : NULL;
    if (!crew) {
        return false;
    }
    at_work.crews[at_work.count++] = crew;
    at_work.measured[i] = chosen->measured && at_work.kind != FIELD_STOPS;
    if (at_work.measured[i]) {
        measure(crew, &at_work.stalls[i]);
    }
    return true;
}

/* One channel after the other. */
static const struct field_plan *pick_measured(void)
{
    static unsigned next;
    while (!field_plans[next++ % FIELD_CHANNELS].measured) {
    }
    return &field_plans[(next - 1) % FIELD_CHANNELS];
}

static bool make(uint64_t seed)
{
    const size_t size = FIELD_CHANNELS * sizeof(struct stalls);
    void *stalls = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (stalls == MAP_FAILED) {
        return false;
    }
    at_work.stalls = stalls;
    if (at_work.kind == FIELD_CALM) {
        return make_crew(seed, pick_measured());
    }
    for (unsigned i = 0; i < FIELD_CHANNELS; i++) {
        if (!make_crew(seed, &field_plans[i])) {
            return false;
        }
    }
    add_others(at_work.crews[0]);
    return true;
}

static void open_views(void)
{
    for (unsigned i = 0; i < at_work.count && !failed(); i++) {
        const int err = shmbus_view_open(at_work.bus_name, &at_work.crews[i]->view);
        if (err != 0) {
            ledger_fail(at_work.crews[i]->ledger, "shmbus_view_open: %s", shmbus_strerror(err));
        }
    }
}

/* -------------------------------------------------------------------------------------------- living */

/* Waits for a child's end or a moment, whichever comes first, then looks after everybody. */
static void tick(void)
{
    household_tick(TICK_NS);
    for (unsigned i = 0; i < at_work.count; i++) {
        crew_reap(at_work.crews[i]);
        if (at_work.awaited && at_work.awaited(at_work.crews[i])) {
            crew_rest(at_work.crews[i]);
        } else {
            crew_watch(at_work.crews[i]);
        }
    }
}

static bool all_ready(struct crew *crew)
{
    return atomic_load(&crew->ledger->ready) >= crew->count;
}

static bool all_done(struct crew *crew)
{
    return atomic_load(&crew->ledger->done) >= crew->plan->publishers;
}

static bool all_read(struct crew *crew)
{
    return crew_pending(crew) == 0;
}

static bool all_stopped(struct crew *crew)
{
    return atomic_load(&crew->ledger->stopped) >= crew_readers(crew);
}

static bool all_gone(struct crew *crew)
{
    return !crew_anybody_left(crew);
}

/* Until every crew has come so far. */
static void await(bool (*reached)(struct crew *crew))
{
    at_work.awaited = reached;
    for (unsigned i = 0; i < at_work.count; i++) {
        while (!failed() && !reached(at_work.crews[i])) {
            tick();
        }
    }
    at_work.awaited = NULL;
}

#define TELL_ALL(word)                                                                                       \
    for (unsigned i = 0; i < at_work.count; i++)                                                             \
    atomic_store(&at_work.crews[i]->ledger->word, 1)

static void storm(unsigned seconds, struct field_totals *totals)
{
    const int64_t end = shmbus_deadline((int64_t)seconds * 1000000000);
    at_work.strike_at = shmbus_now();
    at_work.sham_until =
        at_work.kind == FIELD_STOPS ? 0 : end - (int64_t)seconds * 1000000000 / SHAM_SHARE * (SHAM_SHARE - 1);
    while (!failed() && shmbus_now() < end) {
        tick();
        strike_maybe(&at_work, totals);
    }
    for (unsigned i = 0; i < at_work.count; i++) {
        crew_resume(at_work.crews[i]);
    }
}

static void live(unsigned seconds, struct field_totals *totals)
{
    for (unsigned i = 0; i < at_work.count; i++) {
        crew_start(at_work.crews[i]);
    }
    await(all_ready);
    TELL_ALL(started);
    storm(seconds, totals);
    TELL_ALL(finish);
    await(all_done);
    await(all_read);
    TELL_ALL(stop);
    await(all_stopped);
    for (unsigned i = 0; i < at_work.count && !failed(); i++) {
        verify_figures(at_work.crews[i]);
    }
    TELL_ALL(leave);
    await(all_gone);
}

/* ------------------------------------------------------------------------------------------- judging */

static void judge(void)
{
    for (unsigned i = 0; i < at_work.count && !failed(); i++) {
        shmbus_channel_info channel;
        if (crew_channel(at_work.crews[i], &channel)) {
            verify_ledger(&at_work.plans[i], at_work.crews[i]->ledger, channel.published);
        }
    }
    if (!failed()) {
        run_child(become_checker, "looking for leaks");
    }
    int err = shmbus_remove(at_work.bus_name);
    err = err != 0 ? err : shmbus_remove(at_work.bus_name);
    if (err != -ENOENT) {
        ledger_fail(at_work.crews[0]->ledger, "removing the bus: %s", shmbus_strerror(err));
    }
    for (unsigned i = 0; i < at_work.count; i++) {
        if (crew_failed(at_work.crews[i])) {
            fprintf(stderr, "FAILED: channel \"%s\": %s\n", at_work.plans[i].name,
                    at_work.crews[i]->ledger->failure);
        }
    }
}

static void add_crew(const struct crew *crew, struct field_totals *totals)
{
    const struct ledger *ledger = crew->ledger;
    for (unsigned i = 0; i < PLAN_PUBLISHERS; i++) {
        totals->messages += atomic_load(&ledger->publishers[i].committed);
    }
    for (unsigned i = 0; i < PLAN_GROUPS; i++) {
        const struct group_ledger *group = &ledger->groups[i];
        totals->seen += atomic_load(&group->seen);
        totals->marked += atomic_load(&group->marked);
        totals->missed += atomic_load(&group->missed);
        totals->joins += atomic_load(&group->joins);
        totals->excused += atomic_load(&group->excused);
    }
    totals->kills += crew->kills;
    uint64_t *longest = &totals->longest[at_work.kind];
    *longest = *longest > crew->longest_stall ? *longest : crew->longest_stall;
}

static void put_away(struct field_totals *totals)
{
    for (unsigned i = 0; i < at_work.count; i++) {
        struct crew *crew = at_work.crews[i];
        add_crew(crew, totals);
        shmbus_view_close(crew->view);
        ledger_close(crew->ledger);
        crew_close(crew);
    }
    (void)munmap(at_work.stalls, FIELD_CHANNELS * sizeof(struct stalls));
    memset(&at_work, 0, sizeof at_work);
}

int field_run(uint64_t seed, unsigned seconds, enum field_kind kind, struct stalls_histogram *histograms,
              struct field_totals *totals)
{
    at_work.histograms = histograms;
    at_work.kind = kind;
    at_work.random = random_seeded(seed, 3000);
    (void)snprintf(at_work.bus_name, sizeof at_work.bus_name, "storm-%d", (int)getpid());
    if (!make(seed)) {
        fprintf(stderr, "storm: no memory for the ledgers\n");
        return 1;
    }
    run_child(become_maker, "creating the bus");
    open_views();
    if (!failed()) {
        live(seconds, totals);
    }
    for (unsigned i = 0; i < at_work.count; i++) {
        crew_end(at_work.crews[i]);
    }
    judge();
    const int result = failed() ? 1 : 0;
    put_away(totals);
    totals->rounds++;
    return result;
}

void field_bury(void)
{
    for (unsigned i = 0; i < at_work.count; i++) {
        if (at_work.crews[i]) {
            crew_bury(at_work.crews[i]);
        }
    }
    if (at_work.bus_name[0] != 0) {
        char path[BUS_NAME_SIZE + 8] = "/shmbus.";
        (void)strcat(path, at_work.bus_name);
        (void)shm_unlink(path);
    }
}
