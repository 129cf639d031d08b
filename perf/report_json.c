/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/report.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

static const char *const figure_names[FIGURES] = {
    [FIGURE_MIN] = "min_ns",
    [FIGURE_P50] = "p50_ns",
    [FIGURE_P95] = "p95_ns",
    [FIGURE_P99] = "p99_ns",
    [FIGURE_P999] = "p99_9_ns",
    [FIGURE_MAX] = "max_ns",
    [FIGURE_P75] = "p75_ns",
    [FIGURE_P90] = "p90_ns",
    [FIGURE_RATE] = "messages_per_s",
    [FIGURE_CPU_ASKER] = "asker_cpu_ns",
    [FIGURE_CPU_ANSWERER] = "answerer_cpu_ns",
    [FIGURE_WAKES] = "wakes_per_message",
    [FIGURE_SLEEPS] = "sleeps_per_message",
};

static bool figure_of(enum bench_kind kind, enum figure figure)
{
    switch (figure) {
    case FIGURE_RATE:
        return kind == STREAM;
    case FIGURE_CPU_ASKER:
    case FIGURE_CPU_ANSWERER:
        return kind == ROUND_TRIP;
    case FIGURE_WAKES:
    case FIGURE_SLEEPS:
        return kind == WAKE_UP;
    default:
        return kind != STREAM;
    }
}

/* JSON has no NAN. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *json_rounds(const struct case_result *result, const double *values)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < result->rounds; i++)
        json_array_append_new(list, number(values[i]));
    return list;
}

static json_t *json_counts(const struct case_result *result, const uint64_t *counts)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < result->rounds; i++)
        json_array_append_new(list, json_integer((json_int_t)counts[i]));
    return list;
}

static json_t *json_contestant(const struct case_result *result, unsigned which)
{
    const struct bench_case *item = result->item;
    const struct series *series = &result->series[which];
    bool stream = item->shape.kind == STREAM;
    enum figure main_figure = stream ? FIGURE_RATE : FIGURE_P50;
    const char *name = item->contestants[which].name;
    json_t *object = json_object();
    json_object_set_new(object, "name", json_string(name + strspn(name, " ")));
    for (unsigned i = 0; i < FIGURES; i++)
        if (figure_of(item->shape.kind, i))
            json_object_set_new(object, figure_names[i], number(series_median(result, which, i)));
    if (stream)
        json_object_set_new(object, "bytes_per_s",
                            number(series_median(result, which, FIGURE_RATE) * (double)item->shape.size));
    else
        json_object_set_new(object, "samples", json_counts(result, series->samples));
    json_object_set_new(object, "ratio", number(series_ratio(result, which, item->floor, main_figure)));
    json_object_set_new(object, "rounds", json_rounds(result, series->value[main_figure]));
    if (series_count(result, which, OUTCOME_STOPPED) > 0) {
        json_object_set_new(object, "stopped_rounds",
                            json_integer(series_count(result, which, OUTCOME_STOPPED)));
        json_object_set_new(object, "stopped_after_s", json_real(item->shape.limit));
        json_object_set_new(object, "messages", json_counts(result, series->messages));
    }
    if (series_count(result, which, OUTCOME_FAILED) > 0)
        json_object_set_new(object, "error", json_string(series->error));
    return object;
}

static json_t *json_case(const struct case_result *result)
{
    const struct bench_shape *shape = &result->item->shape;
    json_t *contestants = json_array();
    for (unsigned i = 0; i < result->item->count; i++)
        json_array_append_new(contestants, json_contestant(result, i));
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:s, s:o}", "name",
                     result->item->name, "title", result->item->title, "size", (json_int_t)shape->size,
                     "senders", (json_int_t)shape->senders, "readers", (json_int_t)shape->readers, "slots",
                     (json_int_t)shape->slots, "slot_size", (json_int_t)shape->slot_size, "arena",
                     (json_int_t)shape->arena, "rounds", (json_int_t)result->rounds, "dropped_rounds",
                     (json_int_t)result->dropped, "repeated_runs", (json_int_t)result->repeated,
                     "disturbed_runs", (json_int_t)result->disturbed, "line_ns",
                     json_rounds(result, result->line), "floor",
                     result->item->contestants[result->item->floor].name, "contestants", contestants);
}

static json_t *json_targets(const struct report *report)
{
    struct target_result targets[TARGETS_MAX];
    unsigned count = targets_judge(report->results, report->count, report->has_idle ? &report->idle : NULL,
                                   report->has_idle_waiting ? &report->idle_waiting : NULL, targets);
    json_t *list = json_array();
    for (unsigned i = 0; i < count; i++)
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:o, s:f, s:b}", "target", targets[i].text, "measured",
                                        targets[i].measured, "value", number(targets[i].value), "limit",
                                        targets[i].limit, "met", targets[i].met));
    return list;
}

static json_t *json_idle(const struct idle_cost *idle)
{
    return json_pack("{s:f, s:f, s:f, s:f}", "bare_pss", idle->bare, "attached_pss", idle->attached,
                     "subscribed_pss", idle->subscribed, "bus_resident", idle->bus);
}

static json_t *json_idle_rates(const struct idle_rates *rates)
{
    return json_pack("{s:o, s:o}", "switches_per_s", number(rates->switches), "cpu", number(rates->cpu));
}

static json_t *json_idle_waiting(const struct idle_waiting *idle)
{
    return json_pack("{s:f, s:i, s:o, s:o, s:i, s:o, s:o}", "seconds", idle->seconds, "processes",
                     IDLE_RECEIVERS, "naps", json_idle_rates(&idle->naps), "receivers",
                     json_idle_rates(&idle->receivers), "sources", IDLE_SOURCES, "waitset_one",
                     json_idle_rates(&idle->waitset_one), "waitset_all", json_idle_rates(&idle->waitset_all));
}

static json_t *json_environment(const struct report *report)
{
    const struct environment *environment = &report->environment;
    return json_pack("{s:s, s:b, s:s, s:s, s:s, s:s, s:b, s:o, s:I}", "cpu", environment->cpu,
                     "virtual_machine", environment->virtual_machine, "kernel", environment->kernel,
                     "compiler", environment->compiler, "governor", environment->governor, "cpus",
                     environment->cpus, "one_core", environment->one_core, "line_ns",
                     number(stats_median(report->probes.value, report->probes.count)), "dropped_rounds",
                     (json_int_t)report->probes.dropped);
}

bool report_json(const char *path, const struct report *report)
{
    json_t *cases = json_array();
    json_t *root = json_object();
    for (unsigned i = 0; i < report->count; i++)
        json_array_append_new(cases, json_case(&report->results[i]));
    json_object_set_new(root, "environment", json_environment(report));
    json_object_set_new(root, "cases", cases);
    if (report->has_idle)
        json_object_set_new(root, "idle", json_idle(&report->idle));
    if (report->has_idle_waiting)
        json_object_set_new(root, "idle_waiting", json_idle_waiting(&report->idle_waiting));
    json_object_set_new(root, "targets", json_targets(report));
    int failed = strcmp(path, "-") == 0 ? json_dumpf(root, stdout, JSON_INDENT(2))
                                        : json_dump_file(root, path, JSON_INDENT(2));
    if (failed == 0 && strcmp(path, "-") == 0)
        putchar('\n');
    if (failed != 0)
        fprintf(stderr, "--json %s: %s\n", path, strerror(errno));
    json_decref(root);
    return failed == 0;
}
