/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/harness.h"
#include "perf/options.h"
#include "perf/report.h"
#include "perf/timing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IDLE_CASE "idle"
#define IDLE_WAITING_CASE "wait/idle"
#define IDLE_WAITING_SECONDS 30
#define IDLE_WAITING_SECONDS_QUICK 3
#define QUICK_SHORTER 4

static struct bench_case cases[CASES_MAX];
static struct case_result results[CASES_MAX];
static struct options asked;

#define EXIT_CANNOT_MEASURE 77 /* as tests that are skipped end */

static void list_cases(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        printf("%-18s", cases[i].name);
        for (unsigned k = 0; k < cases[i].count; k++) {
            const char *name = cases[i].contestants[k].name;
            printf("%s%s", k > 0 ? ", " : "", name + strspn(name, " "));
        }
        printf("\n");
    }
    printf("%-18smemory of an idle process and of a bus\n", IDLE_CASE);
    printf("%-18scontext switches and CPU time of who waits on an idle bus\n", IDLE_WAITING_CASE);
}

static bool any_wanted(const struct options *options, unsigned count)
{
    bool any =
        options_match(options->pattern, IDLE_CASE) || options_match(options->pattern, IDLE_WAITING_CASE);
    for (unsigned i = 0; i < count; i++)
        any |= options_match(options->pattern, cases[i].name);
    return any;
}

/* Leaves the floor of each case and the contestants that are asked for. */
static void keep_only(const char *pattern, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct bench_case *item = &cases[i];
        unsigned kept = 0;
        for (unsigned k = 0; k < item->count; k++)
            if (k == item->floor || options_match(pattern, item->contestants[k].name))
                item->contestants[kept++] = item->contestants[k];
        item->count = kept;
    }
}

/* Before minutes of measuring, not after. */
static bool json_writable(const char *path)
{
    if (path == NULL || strcmp(path, "-") == 0)
        return true;
    FILE *file = fopen(path, "ae");
    if (file == NULL) {
        fprintf(stderr, "shmbus-bench: --json %s: %s\n", path, strerror(errno));
        return false;
    }
    fclose(file);
    return true;
}

/* Where tables go: they must not mix with JSON on stdout. */
static FILE *table_output(const struct options *options)
{
    return options->json != NULL && strcmp(options->json, "-") == 0 ? stderr : stdout;
}

static unsigned contestants_failed(const struct report *report)
{
    unsigned failed = 0;
    for (unsigned i = 0; i < report->count; i++)
        for (unsigned k = 0; k < report->results[i].item->count; k++)
            failed += series_count(&report->results[i], k, OUTCOME_FAILED) > 0;
    return failed;
}

/* Everything that was asked for could be measured. */
static bool complete(const struct report *report)
{
    return contestants_failed(report) == 0 &&
           (!report->has_idle_waiting || idle_waiting_known(&report->idle_waiting));
}

static bool measure(struct bench_run *run, const struct options *options, struct report *report,
                    unsigned count)
{
    FILE *out = table_output(options);
    if (!probes_start(run, &report->probes)) {
        fprintf(stderr, "the bare cache line could not be measured\n");
        return false;
    }
    report_environment(out, report);
    for (unsigned i = 0; i < count && !harness_interrupted(); i++) {
        if (!options_match(options->pattern, cases[i].name))
            continue;
        struct case_result *result = &report->results[report->count];
        if (!rounds_run(run, &cases[i], options->rounds, &report->probes, result))
            return false;
        report->count++;
        report_case(out, result, run->cpu_count);
    }
    if (options_match(options->pattern, IDLE_CASE) && !harness_interrupted()) {
        idle_measure(run->bus, &report->idle);
        report->has_idle = true;
        report_idle(out, &report->idle);
    }
    if (options_match(options->pattern, IDLE_WAITING_CASE) && !harness_interrupted()) {
        report->has_idle_waiting =
            idle_waiting_measure(run->bus, options->quick ? IDLE_WAITING_SECONDS_QUICK : IDLE_WAITING_SECONDS,
                                 &report->idle_waiting);
        report_idle_waiting(out, &report->idle_waiting);
    }
    return !harness_interrupted();
}

int main(int count, char **arguments)
{
    options_parse(&asked, count, arguments);
    unsigned cases_count = cases_list(cases, asked.quick ? QUICK_SHORTER : 1, asked.crowded);
    keep_only(asked.only, cases_count);
    if (asked.list) {
        list_cases(cases_count);
        return EXIT_SUCCESS;
    }
    if (!any_wanted(&asked, cases_count)) {
        fprintf(stderr, "shmbus-bench: --case %s: there is no such case (see --list)\n", asked.pattern);
        return 2;
    }
    if (!json_writable(asked.json))
        return 2;
    struct bench_run *run = harness_create();
    if (run == NULL) {
        fprintf(stderr, "no memory for the bench\n");
        return EXIT_FAILURE;
    }
    int cpus = environment_cpus(asked.cpus, run->cpus);
    if (cpus < 0)
        return EXIT_CANNOT_MEASURE;
    run->cpu_count = (unsigned)cpus;
    run->ticks_per_ns = clock_ticks_per_ns();
    run->tick_step = clock_step();
    snprintf(run->bus, sizeof run->bus, "bench-%ld", (long)getpid());
    struct report report = {.run = run, .results = results};
    environment_read(&report.environment, run);
    run->virtual_machine = report.environment.virtual_machine;
    if (!measure(run, &asked, &report, cases_count))
        return EXIT_FAILURE;
    report_targets(table_output(&asked), &report);
    if (asked.json != NULL && !report_json(asked.json, &report))
        return EXIT_FAILURE;
    return complete(&report) ? EXIT_SUCCESS : EXIT_FAILURE;
}
