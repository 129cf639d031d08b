/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/rounds.h"
#include "perf/timing.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Of the time that a role spins on its own CPU; less means that others ran there. */
#define CPU_SHARE_LEAST 0.97
#define TRIES_MOST 4u

/* The line may take this much longer after a round than before it, or before than after. */
#define MOVED_MOST 1.5

/* Hyperthreads of one core pass a line to and fro in less, cores of their own rarely do. */
#define ONE_CORE_NS 80.0

static void place(struct bench_run *run, const struct bench_shape *shape)
{
    run->shape = *shape;
    run->placement = shape->senders + shape->readers > run->cpu_count ? shape->crowded : PLACE_EACH;
    if (shape->one_cpu)
        run->placement = PLACE_ONE;
    run->yield_after = run->placement != PLACE_EACH ? YIELD_AFTER : 0;
}

/* Round trip of the bare line now, ns; NAN when it could not be measured. */
static double probe(struct bench_run *run, struct probes *probes)
{
    struct bench_case item = case_probe();
    struct outcome outcome;
    struct figures figures;
    place(run, &item.shape);
    harness_run(run, &item.contestants[0], &outcome);
    if (outcome.state != OUTCOME_DONE || outcome.samples == 0)
        return NAN;
    stats_percentiles(run->samples, outcome.samples, run->tick_step, run->ticks_per_ns, &figures);
    if (probes->count < PROBES_MAX)
        probes->value[probes->count++] = figures.value[FIGURE_P50];
    return figures.value[FIGURE_P50];
}

bool probes_start(struct bench_run *run, struct probes *probes)
{
    probes->count = probes->dropped = 0;
    for (unsigned i = 0; i < 5; i++)
        if (isnan(probe(run, probes)))
            return false;
    return true;
}

/*
 * Both CPUs seem to be hyperthreads of one core. On a bare machine the kernel knows, and they were chosen
 * accordingly; a hypervisor does not say, and may change it at any time.
 */
static bool probe_is_one_core(const struct bench_run *run, double ns)
{
    return run->virtual_machine && ns < ONE_CORE_NS;
}

static void take_times(struct bench_run *run, const struct outcome *outcome, struct figures *figures)
{
    if (outcome->samples == 0)
        return;
    stats_percentiles(run->samples, outcome->samples, run->tick_step, run->ticks_per_ns, figures);
    if (run->shape.kind == ROUND_TRIP) {
        figures->value[FIGURE_CPU_ASKER] = outcome->asker_cpu;
        figures->value[FIGURE_CPU_ANSWERER] = outcome->answerer_cpu;
    } else {
        figures->value[FIGURE_WAKES] = outcome->wakes;
        figures->value[FIGURE_SLEEPS] = outcome->sleeps;
    }
}

static void take_figures(struct bench_run *run, const struct outcome *outcome, struct series *series,
                         unsigned round)
{
    struct figures figures;
    for (unsigned i = 0; i < FIGURES; i++)
        figures.value[i] = NAN;
    if (outcome->state != OUTCOME_FAILED && run->shape.kind == STREAM)
        figures.value[FIGURE_RATE] = (double)outcome->messages / outcome->seconds;
    else if (outcome->state == OUTCOME_DONE)
        take_times(run, outcome, &figures);
    for (unsigned i = 0; i < FIGURES; i++)
        series->value[i][round] = figures.value[i];
    series->state[round] = outcome->state;
    series->messages[round] = outcome->messages;
    series->samples[round] = outcome->samples;
    if (outcome->state == OUTCOME_FAILED)
        memcpy(series->error, outcome->error, sizeof series->error);
}

/* The hypervisor moved a CPU during the round: its contestants ran on different machines, so to say. */
static bool probes_moved(double before, double after)
{
    return before > MOVED_MOST * after || after > MOVED_MOST * before;
}

/* Again, a few times, while something else takes part of the CPUs that the roles have for themselves. */
static void run_undisturbed(struct bench_run *run, const struct contestant *contestant,
                            struct outcome *outcome, struct case_result *result)
{
    for (unsigned tries = 1;; tries++) {
        harness_run(run, contestant, outcome);
        if (run->placement != PLACE_EACH || run->shape.waiting || outcome->state != OUTCOME_DONE ||
            outcome->cpu_share >= CPU_SHARE_LEAST)
            return;
        if (tries == TRIES_MOST || harness_interrupted())
            break;
        result->repeated++;
    }
    result->disturbed++;
}

/* Each round begins with another contestant, so that none always follows the same one. */
static bool run_round(struct bench_run *run, const struct bench_case *item, struct case_result *result)
{
    unsigned round = result->rounds;
    for (unsigned i = 0; i < item->count && !harness_interrupted(); i++) {
        unsigned which = (i + round) % item->count;
        struct outcome outcome;
        place(run, &item->shape);
        run_undisturbed(run, &item->contestants[which], &outcome, result);
        take_figures(run, &outcome, &result->series[which], round);
    }
    return !harness_interrupted();
}

bool rounds_run(struct bench_run *run, const struct bench_case *item, unsigned rounds, struct probes *probes,
                struct case_result *result)
{
    *result = (struct case_result){.item = item};
    while (result->rounds < rounds && !harness_interrupted()) {
        double before = probe(run, probes);
        if (!run_round(run, item, result))
            return false;
        double after = probe(run, probes);
        bool keep =
            !probe_is_one_core(run, before) && !probe_is_one_core(run, after) && !probes_moved(before, after);
        if (keep || result->dropped >= 2 * rounds) {
            result->line[result->rounds++] = before;
        } else {
            result->dropped++;
            probes->dropped++;
        }
    }
    return !harness_interrupted();
}

double series_median(const struct case_result *result, unsigned contestant, enum figure figure)
{
    double values[ROUNDS_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < result->rounds; i++)
        if (!isnan(result->series[contestant].value[figure][i]))
            values[count++] = result->series[contestant].value[figure][i];
    if (figure == FIGURE_MIN)
        return stats_least(values, count);
    return figure == FIGURE_MAX ? stats_most(values, count) : stats_median(values, count);
}

double series_ratio(const struct case_result *result, unsigned contestant, unsigned to, enum figure figure)
{
    const double *values = result->series[contestant].value[figure];
    const double *others = result->series[to].value[figure];
    double ratios[ROUNDS_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < result->rounds; i++)
        if (!isnan(values[i]) && !isnan(others[i]))
            ratios[count++] = values[i] / others[i];
    return stats_median(ratios, count);
}

unsigned series_count(const struct case_result *result, unsigned contestant, enum outcome_state state)
{
    unsigned count = 0;
    for (unsigned i = 0; i < result->rounds; i++)
        count += result->series[contestant].state[i] == state;
    return count;
}

unsigned case_contestant(const struct bench_case *item, const char *name)
{
    unsigned i = 0;
    while (i < item->count && strcmp(item->contestants[i].name, name) != 0)
        i++;
    return i < item->count ? i : CONTESTANTS_MAX;
}
