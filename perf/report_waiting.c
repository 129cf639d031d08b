/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/report.h"
#include "perf/report_text.h"

/* What the two columns behind the times of a case are. */
static const struct columns {
    const char *names[2];
    enum figure figures[2];
} of_round_trip = {{"asker", "answerer"}, {FIGURE_CPU_ASKER, FIGURE_CPU_ANSWERER}},
  of_wake_up = {{"wakes", "sleeps"}, {FIGURE_WAKES, FIGURE_SLEEPS}};

void report_waiting_columns(FILE *out, const struct bench_case *item)
{
    const struct columns *columns = item->shape.kind == WAKE_UP ? &of_wake_up : &of_round_trip;
    for (unsigned i = 0; i < 2; i++)
        fprintf(out, " %9s", columns->names[i]);
}

void report_waiting_cells(FILE *out, const struct case_result *result, unsigned which)
{
    bool wake_up = result->item->shape.kind == WAKE_UP;
    const struct columns *columns = wake_up ? &of_wake_up : &of_round_trip;
    for (unsigned i = 0; i < 2; i++) {
        double value = series_median(result, which, columns->figures[i]);
        fprintf(out, " %9s", wake_up ? per_message_text(value).text : time_text(value).text);
    }
}

static void report_rates(FILE *out, const char *who, const struct idle_rates *rates)
{
    fprintf(out, "    %-44s %9.2f %9.4f %%\n", who, rates->switches, 100 * rates->cpu);
}

void report_idle_waiting(FILE *out, const struct idle_waiting *idle)
{
    char who[64];
    fprintf(out, "\nwait/idle  nothing is sent for %.0f s\n", idle->seconds);
    fprintf(out, "    %-44s %9s %11s\n", "", "switches/s", "of a CPU");
    snprintf(who, sizeof who, "%u processes that sleep for 250 ms each time", IDLE_RECEIVERS);
    report_rates(out, who, &idle->naps);
    snprintf(who, sizeof who, "%u processes in shmbus_recv()", IDLE_RECEIVERS);
    report_rates(out, who, &idle->receivers);
    report_rates(out, "1 process in a waitset of 1", &idle->waitset_one);
    snprintf(who, sizeof who, "1 process in a waitset of %u", IDLE_SOURCES);
    report_rates(out, who, &idle->waitset_all);
    fprintf(out, "    %-44s %9s %11s\n", "  ratio of the waitsets",
            ratio_text(idle->waitset_all.switches / idle->waitset_one.switches).text,
            ratio_text(idle->waitset_all.cpu / idle->waitset_one.cpu).text);
    fflush(out);
}
