/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/report.h"
#include "perf/report_text.h"

#include <math.h>
#include <string.h>

void report_environment(FILE *out, const struct report *report)
{
    const struct environment *environment = &report->environment;
    double line = stats_median(report->probes.value, report->probes.count);
    fprintf(out, "cpu        %s%s\n", environment->cpu,
            environment->virtual_machine ? " (virtual machine)" : "");
    fprintf(out, "kernel     %s, governor %s\n", environment->kernel, environment->governor);
    fprintf(out, "compiler   %s\n", environment->compiler);
    fprintf(out,
            "placement  CPUs %s: process i pinned to the i-th; where they are more than the CPUs, as the\n"
            "           case says\n",
            environment->cpus);
    fprintf(
        out,
        "waiting    floors and ck_ring: bare spins, or sched_yield() after 64 looks where CPUs are shared;\n"
        "           shmbus: SHMBUS_WAIT_SPIN unless \"adaptive\" or \"block\"\n");
    fprintf(out, "line       %.0f ns round trip of a bare cache line, before the first round\n", line);
    if (environment->one_core)
        fprintf(out,
                "warning    the two CPUs are hyperthreads of one core: figures say little; see --cpus\n");
}

static void report_gaps(FILE *out, const struct case_result *result, unsigned which)
{
    const struct series *series = &result->series[which];
    const char *name = result->item->contestants[which].name;
    unsigned stopped = series_count(result, which, OUTCOME_STOPPED);
    unsigned failed = series_count(result, which, OUTCOME_FAILED);
    if (stopped > 0)
        fprintf(out, "    %-20s did not complete in %u of %u rounds, stopped after %.1f s:", name, stopped,
                result->rounds, result->item->shape.limit);
    for (unsigned i = 0; i < result->rounds; i++)
        if (series->state[i] == OUTCOME_STOPPED)
            fprintf(out, " %llu", (unsigned long long)series->messages[i]);
    if (stopped > 0)
        fprintf(out, " messages\n");
    if (failed > 0)
        fprintf(out, "    %-20s FAILED in %u of %u rounds: %s\n", name, failed, result->rounds,
                series->error);
}

static void report_round_trip(FILE *out, const struct case_result *result, unsigned which)
{
    const double *p50 = result->series[which].value[FIGURE_P50];
    fprintf(out, "    %-20s", result->item->contestants[which].name);
    for (enum figure figure = FIGURE_MIN; figure <= FIGURE_MAX; figure++)
        fprintf(out, " %9s", time_text(series_median(result, which, figure)).text);
    fprintf(out, " %8s", ratio_text(series_ratio(result, which, result->item->floor, FIGURE_P50)).text);
    if (result->item->shape.waiting)
        report_waiting_cells(out, result, which);
    fprintf(out, "   %s-%s\n", time_text(stats_least(p50, result->rounds)).text,
            time_text(stats_most(p50, result->rounds)).text);
}

static void report_stream(FILE *out, const struct case_result *result, unsigned which)
{
    const double *rates = result->series[which].value[FIGURE_RATE];
    double rate = series_median(result, which, FIGURE_RATE);
    fprintf(out, "    %-20s %11s %9.2f %9.1f %8s   %s-%s\n", result->item->contestants[which].name,
            rate_text(rate).text, rate * (double)result->item->shape.size / 1e9, 1e9 / rate,
            ratio_text(series_ratio(result, which, result->item->floor, FIGURE_RATE)).text,
            rate_text(stats_least(rates, result->rounds)).text,
            rate_text(stats_most(rates, result->rounds)).text);
}

static const char *placement_text(const struct bench_shape *shape, unsigned cpus)
{
    static const char *const texts[] = {
        [PLACE_EACH] = "a CPU each",
        [PLACE_FREE] = "unpinned on all CPUs",
        [PLACE_TURNS] = "pinned in turns",
        [PLACE_APART] = "senders on the first CPU, readers on the second",
    };
    if (shape->one_cpu)
        return "both on the first CPU";
    return texts[shape->senders + shape->readers > cpus ? shape->crowded : PLACE_EACH];
}

static void report_head(FILE *out, const struct case_result *result, unsigned cpus)
{
    const struct bench_case *item = result->item;
    fprintf(out, "\n%s  %s, %s; %u slots, %u rounds, line %.0f-%.0f ns", item->name, item->title,
            placement_text(&item->shape, cpus), item->shape.slots, result->rounds,
            stats_least(result->line, result->rounds), stats_most(result->line, result->rounds));
    if (result->dropped > 0)
        fprintf(out, ", %u rounds dropped", result->dropped);
    if (result->repeated > 0)
        fprintf(out, ", %u runs repeated", result->repeated);
    if (result->disturbed > 0)
        fprintf(out, ", %u DISTURBED by others on these CPUs", result->disturbed);
    fprintf(out, "\n");
}

static void report_columns(FILE *out, const struct bench_case *item)
{
    char ratio[32];
    snprintf(ratio, sizeof ratio, "x %.20s", item->contestants[item->floor].name);
    if (item->shape.kind == STREAM) {
        fprintf(out, "    %-20s %11s %9s %9s %8s   %s\n", "", "msgs/s", "GB/s", "ns/msg", ratio,
                "of the rounds");
        return;
    }
    fprintf(out, "    %-20s %9s %9s %9s %9s %9s %9s %8s", "ns", "min", "p50", "p95", "p99", "p99.9", "max",
            ratio);
    if (item->shape.waiting)
        report_waiting_columns(out, item);
    fprintf(out, "   %s\n", "p50 of the rounds");
}

void report_case(FILE *out, const struct case_result *result, unsigned cpus)
{
    const struct bench_case *item = result->item;
    report_head(out, result, cpus);
    report_columns(out, item);
    for (unsigned i = 0; i < item->count; i++) {
        if (isnan(series_median(result, i, item->shape.kind == STREAM ? FIGURE_RATE : FIGURE_P50)))
            continue;
        if (item->shape.kind == STREAM)
            report_stream(out, result, i);
        else
            report_round_trip(out, result, i);
    }
    for (unsigned i = 0; i < item->count; i++)
        report_gaps(out, result, i);
    fflush(out);
}

void report_idle(FILE *out, const struct idle_cost *idle)
{
    fprintf(out, "\nidle  memory of a process that does nothing (PSS), KiB\n");
    fprintf(out, "    %-44s %8.0f\n", "linked to libc only", idle->bare / 1024);
    fprintf(out, "    %-44s %8.0f\n", "attached to a default bus", idle->attached / 1024);
    fprintf(out, "    %-44s %8.0f\n", "and subscribed to its default channel", idle->subscribed / 1024);
    fprintf(out, "    %-44s %8.0f\n", "the bus itself, resident, shared by all", idle->bus / 1024);
    fflush(out);
}

unsigned report_targets(FILE *out, const struct report *report)
{
    struct target_result targets[TARGETS_MAX];
    unsigned count = targets_judge(report->results, report->count, report->has_idle ? &report->idle : NULL,
                                   report->has_idle_waiting ? &report->idle_waiting : NULL, targets);
    unsigned missed = 0;
    if (count > 0)
        fprintf(out, "\n%-56s | %-30s | met?\n", "target", "measured");
    for (unsigned i = 0; i < count; i++) {
        fprintf(out, "%-56s | %-30s | %s\n", targets[i].text, targets[i].measured,
                targets[i].met ? "yes" : "NO");
        missed += !targets[i].met;
    }
    if (report->probes.dropped > 0)
        fprintf(
            out,
            "%u rounds were dropped: a virtual CPU moved meanwhile, or both were hyperthreads of one core\n",
            report->probes.dropped);
    return missed;
}
