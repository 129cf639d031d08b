/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/idle_waiting.h"
#include "perf/harness.h"
#include "perf/process.h"
#include "perf/timing.h"

#include <shmbus/shmbus.h>

#include <math.h>
#include <stdio.h>

#define BLOCKED "shmbus-bench-blocked"
#define CHANNEL "idle"
#define SETTLE_SECONDS 0.5 /* two of the longest sleeps: everybody is in its usual round */

/* Processes that wait in the same way, on a bus of their own. */
struct group {
    const char *program;
    unsigned count;
    unsigned sources; /* of each one's waitset; 0: in shmbus_recv() */
    unsigned started;
    char bus[SHMBUS_NAME_MAX + 1];
    struct process processes[IDLE_RECEIVERS];
    struct process_cost from[IDLE_RECEIVERS];
    struct process_cost to[IDLE_RECEIVERS];
};

static bool group_start(struct group *group, const char *bus)
{
    char sources[16];
    snprintf(group->bus, sizeof group->bus, "%.32s-%u", bus, group->sources);
    snprintf(sources, sizeof sources, "%u", group->sources);
    const char *const arguments[] = {group->bus, CHANNEL, sources, NULL};
    while (group->started < group->count)
        if (!process_start(&group->processes[group->started++], group->program, arguments))
            return false;
    for (unsigned i = 0; i < group->count; i++)
        if (!process_ready(&group->processes[i]))
            return false;
    return true;
}

static void group_end(struct group *group)
{
    for (unsigned i = 0; i < group->started; i++)
        process_kill(&group->processes[i]);
    if (group->started > 0)
        shmbus_remove(group->bus);
}

static bool group_sample(const struct group *group, struct process_cost *costs)
{
    for (unsigned i = 0; i < group->count; i++)
        if (!process_cost(group->processes[i].pid, &costs[i]))
            return false;
    return true;
}

static struct idle_rates group_rates(const struct group *group, double seconds)
{
    struct idle_rates rates = {0};
    for (unsigned i = 0; i < group->count; i++) {
        double switches = (double)(group->to[i].switches - group->from[i].switches) / seconds;
        rates.switches = switches > rates.switches ? switches : rates.switches;
        rates.cpu += (double)(group->to[i].cpu_ns - group->from[i].cpu_ns) / 1e9 / seconds;
    }
    return rates;
}

#define GROUPS 4u

/* Watches the groups for `seconds`, all at once. */
static void watch(struct group groups[GROUPS], double seconds, struct idle_rates *rates[GROUPS])
{
    if (!harness_rest(SETTLE_SECONDS))
        return;
    int64_t from = clock_ns();
    for (unsigned i = 0; i < GROUPS; i++)
        if (!group_sample(&groups[i], groups[i].from))
            return;
    if (!harness_rest(seconds))
        return;
    double passed = (double)(clock_ns() - from) / 1e9;
    for (unsigned i = 0; i < GROUPS; i++)
        if (group_sample(&groups[i], groups[i].to))
            *rates[i] = group_rates(&groups[i], passed);
}

bool idle_waiting_measure(const char *name, double seconds, struct idle_waiting *cost)
{
    static struct group groups[GROUPS];
    struct idle_rates *rates[GROUPS] = {&cost->naps, &cost->receivers, &cost->waitset_one,
                                        &cost->waitset_all};
    bool started = true;
    groups[0] = (struct group){.program = "shmbus-bench-naps", .count = IDLE_RECEIVERS};
    groups[1] = (struct group){.program = BLOCKED, .count = IDLE_RECEIVERS};
    groups[2] = (struct group){.program = BLOCKED, .count = 1, .sources = 1};
    groups[3] = (struct group){.program = BLOCKED, .count = 1, .sources = IDLE_SOURCES};
    cost->seconds = seconds;
    for (unsigned i = 0; i < GROUPS; i++) {
        *rates[i] = (struct idle_rates){NAN, NAN};
        started = started && group_start(&groups[i], name);
    }
    if (started)
        watch(groups, seconds, rates);
    for (unsigned i = 0; i < GROUPS; i++)
        group_end(&groups[i]);
    return !harness_interrupted();
}

bool idle_waiting_known(const struct idle_waiting *cost)
{
    return !isnan(cost->naps.cpu) && !isnan(cost->receivers.cpu) && !isnan(cost->waitset_one.cpu) &&
           !isnan(cost->waitset_all.cpu);
}
