/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/targets.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define WAYS_MAX 4u

/*
 * Which contestants may meet a target: a user would take the best of them for this size. The figure is
 * their ratio to `floor` in the same rounds, or absolute where there is none.
 */
struct target {
    const char *text;
    const char *item;
    const char *ways[WAYS_MAX];
    const char *floor;
    enum figure figure;
    double limit;
};

/* clang-format off */
#define ONE_BY_ONE {"shmbus send", "shmbus claim"}
#define MULTI {"shmbus multi send", "shmbus multi claim"}
#define BATCHED {"shmbus batch"}
#define SHARED {"shmbus multi send", "  send, adaptive"}
#define SHARED_BATCHED {"shmbus multi batch", "  batch, adaptive"}
#define BROADCAST {"shmbus send", "  send, adaptive"}
#define BROADCAST_BATCHED {"shmbus batch", "  batch, adaptive"}
#define ADAPTIVE {"shmbus adaptive"}
#define BLOCK {"shmbus block"}
/* clang-format on */

static const struct target targets[] = {
    {"round trip, one line, x line", "rtt/56", ONE_BY_ONE, "line 56 B", FIGURE_P50, 1.15},
    {"round trip, 64 B, x ring", "rtt/64", ONE_BY_ONE, "ring", FIGURE_P50, 1.25},
    {"round trip, 1 KiB, x ring", "rtt/1024", ONE_BY_ONE, "ring", FIGURE_P50, 1.25},
    {"round trip, 4 KiB, x ring", "rtt/4096", ONE_BY_ONE, "ring", FIGURE_P50, 1.25},
    {"round trip, multi, one line, x line", "rtt/56", MULTI, "line 56 B", FIGURE_P50, 1.4},
    {"round trip, multi, 64 B, x ring", "rtt/64", MULTI, "ring", FIGURE_P50, 1.4},
    {"round trip, multi, 1 KiB, x ring", "rtt/1024", MULTI, "ring", FIGURE_P50, 1.4},
    {"round trip, multi, 4 KiB, x ring", "rtt/4096", MULTI, "ring", FIGURE_P50, 1.4},
    {"stream, one line, x ring", "stream/56", ONE_BY_ONE, "ring", FIGURE_RATE, 0.7},
    {"stream, 64 B, x ring", "stream/64", ONE_BY_ONE, "ring", FIGURE_RATE, 0.7},
    {"stream, 512 B, x ring", "stream/512", ONE_BY_ONE, "ring", FIGURE_RATE, 0.7},
    {"stream, 4 KiB, x ring", "stream/4096", ONE_BY_ONE, "ring", FIGURE_RATE, 0.7},
    {"stream, batches, one line, x ring", "stream/56", BATCHED, "ring", FIGURE_RATE, 0.9},
    {"stream, batches, 64 B, x ring", "stream/64", BATCHED, "ring", FIGURE_RATE, 0.9},
    {"stream, batches, 512 B, x ring", "stream/512", BATCHED, "ring", FIGURE_RATE, 0.9},
    {"stream, batches, 4 KiB, x ring", "stream/4096", BATCHED, "ring", FIGURE_RATE, 0.9},
    {"stream, in place, 1 MiB, x ring", "stream/1048576", {"shmbus claim"}, "ring", FIGURE_RATE, 1.0},
    {"2 senders to 1, 64 B, msgs/s", "fanin/2x64", SHARED, NULL, FIGURE_RATE, 20e6},
    {"2 senders to 1, batches, 64 B, msgs/s", "fanin/2x64", SHARED_BATCHED, NULL, FIGURE_RATE, 20e6},
    {"2 senders to 1, 64 B, x ck_ring mpmc", "fanin/2x64", SHARED, "ck_ring mpmc", FIGURE_RATE, 2},
    {"8 senders to 1, 64 B, msgs/s", "fanin/8x64", SHARED, NULL, FIGURE_RATE, 20e6},
    {"8 senders to 1, batches, 64 B, msgs/s", "fanin/8x64", SHARED_BATCHED, NULL, FIGURE_RATE, 20e6},
    {"8 senders to 1, 64 B, x ck_ring mpmc", "fanin/8x64", SHARED, "ck_ring mpmc", FIGURE_RATE, 2},
    {"1 to 4 groups, 64 B, x broadcast ring", "broadcast/4x64", BROADCAST, "broadcast ring", FIGURE_RATE,
     0.7},
    {"1 to 4 groups, batches, 64 B, x broadcast ring", "broadcast/4x64", BROADCAST_BATCHED, "broadcast ring",
     FIGURE_RATE, 0.7},
    {"1 to 4 groups, 64 B, msgs/s", "broadcast/4x64", BROADCAST, NULL, FIGURE_RATE, 25e6},
    {"1 to 4 groups, batches, 64 B, msgs/s", "broadcast/4x64", BROADCAST_BATCHED, NULL, FIGURE_RATE, 25e6},
    {"asleep, two CPUs, 64 B, x futex", "wait/rtt/two-cpus", BLOCK, "futex", FIGURE_P50, 1.1},
    {"asleep, one CPU, 64 B, x futex", "wait/rtt/one-cpu", BLOCK, "futex", FIGURE_P50, 1.1},
    {"adaptive, answered at once, x spin", "wait/rtt/two-cpus", ADAPTIVE, "shmbus spin", FIGURE_P50, 1.1},
    {"adaptive, after 5 us, x spin", "wait/reply/5us", ADAPTIVE, "shmbus spin", FIGURE_P50, 1.1},
    {"adaptive, after 20 us, x spin", "wait/reply/20us", ADAPTIVE, "shmbus spin", FIGURE_P50, 1.1},
    {"adaptive, after 300 us, CPU time, x block", "wait/reply/300us", ADAPTIVE, "shmbus block",
     FIGURE_CPU_ASKER, 1.15},
    {"adaptive, after 2 ms, CPU time, x block", "wait/reply/2ms", ADAPTIVE, "shmbus block", FIGURE_CPU_ASKER,
     1.15},
    {"stream, one line, all awake, x no waiting code",
     "wait/sender/56",
     {"shmbus send"},
     "no waiting code",
     FIGURE_RATE,
     0.95},
    {"stream, 48 B, x no sampling code",
     "tools/sampling/48",
     {"shmbus send"},
     "no sampling code",
     FIGURE_RATE,
     0.97},
    {"round trip, 48 B, x no sampling code",
     "tools/sampling/rtt/48",
     {"shmbus send"},
     "no sampling code",
     FIGURE_P50,
     1.03},
    {"stream, 48 B, watched, x not watched",
     "tools/watched/48",
     {"  watched"},
     "shmbus send",
     FIGURE_RATE,
     0.98},
    {"lines through a program, x pipes", "bridge/exec", {"shmbus exec"}, "pipes", FIGURE_RATE, 0.7},
};

static bool at_most(const struct target *target)
{
    return target->figure != FIGURE_RATE;
}

static bool better(const struct target *target, double value, double than)
{
    return isnan(than) || (at_most(target) ? value < than : value > than);
}

static double way_value(const struct target *target, const struct case_result *result, unsigned way)
{
    if (target->floor == NULL)
        return series_median(result, way, target->figure);
    return series_ratio(result, way, case_contestant(result->item, target->floor), target->figure);
}

/* The floor did not complete in most rounds: the ratio says nothing, any figure at all meets the target. */
static bool floor_stopped(const struct target *target, const struct case_result *result)
{
    if (target->floor == NULL)
        return false;
    unsigned floor = case_contestant(result->item, target->floor);
    return 2 * series_count(result, floor, OUTCOME_STOPPED) > result->rounds;
}

/* The best of the target's ways in `*best`. False when none of them takes part: nothing to judge. */
static bool best_way(const struct target *target, const struct case_result *result, double *best,
                     const char **who)
{
    bool any = false;
    *best = NAN;
    *who = "no figure";
    if (target->floor != NULL && case_contestant(result->item, target->floor) == CONTESTANTS_MAX)
        return false;
    for (unsigned i = 0; i < WAYS_MAX && target->ways[i] != NULL; i++) {
        unsigned way = case_contestant(result->item, target->ways[i]);
        if (way == CONTESTANTS_MAX)
            continue;
        any = true;
        double value = way_value(target, result, way);
        if (!isnan(value) && better(target, value, *best)) {
            *best = value;
            *who = target->ways[i] + strspn(target->ways[i], " ");
        }
    }
    return any;
}

static bool judge(const struct target *target, const struct case_result *result, struct target_result *judged)
{
    double best;
    const char *who;
    if (!best_way(target, result, &best, &who))
        return false;
    *judged = (struct target_result){.value = best, .limit = target->limit};
    judged->met = !isnan(best) && (at_most(target) ? best <= target->limit : best >= target->limit);
    const char *sign = at_most(target) ? "<=" : ">=";
    if (target->limit >= 1e6) {
        snprintf(judged->text, sizeof judged->text, "%s %s %.0f M", target->text, sign, target->limit / 1e6);
        snprintf(judged->measured, sizeof judged->measured, "%.1f M (%s)", best / 1e6, who);
    } else {
        snprintf(judged->text, sizeof judged->text, "%s %s %.2f", target->text, sign, target->limit);
        snprintf(judged->measured, sizeof judged->measured, "%.2f (%s)", best, who);
    }
    if (!isnan(best) && floor_stopped(target, result)) {
        judged->met = true;
        snprintf(judged->measured, sizeof judged->measured, "%s does not complete", target->floor);
    }
    return true;
}

static void judge_memory(struct target_result *judged, const char *text, double bytes, double limit)
{
    *judged = (struct target_result){.value = bytes, .limit = limit, .met = bytes >= 0 && bytes <= limit};
    snprintf(judged->text, sizeof judged->text, "%s <= %.0f KiB", text, limit / 1024);
    snprintf(judged->measured, sizeof judged->measured, "%.0f KiB", bytes / 1024);
}

static void judge_idle(struct target_result *judged, const char *text, double value, double limit,
                       const char *unit)
{
    *judged = (struct target_result){.value = value, .limit = limit, .met = value <= limit};
    snprintf(judged->text, sizeof judged->text, "%s <= %g%s", text, limit, unit);
    snprintf(judged->measured, sizeof judged->measured, "%.3g%s", value, unit);
}

unsigned targets_judge(const struct case_result *results, unsigned count, const struct idle_cost *idle,
                       const struct idle_waiting *waiting, struct target_result judged[TARGETS_MAX])
{
    unsigned used = 0;
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        for (unsigned k = 0; k < count; k++)
            if (strcmp(results[k].item->name, targets[i].item) == 0)
                used += judge(&targets[i], &results[k], &judged[used]);
    if (idle != NULL) {
        judge_memory(&judged[used++], "idle attached process, PSS above a bare one",
                     idle->attached < 0 || idle->bare < 0 ? -1 : idle->attached - idle->bare, 256 * 1024);
        judge_memory(&judged[used++], "default bus with its default channel, resident", idle->bus,
                     1024 * 1024);
    }
    if (waiting != NULL) {
        judge_idle(&judged[used++], "idle receiver, context switches per second", waiting->receivers.switches,
                   5, "");
        judge_idle(&judged[used++], "50 idle receivers, CPU time", 100 * waiting->receivers.cpu, 0.2, " %");
    }
    return used;
}
