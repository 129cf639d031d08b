/* SPDX-License-Identifier: Apache-2.0 */
/* What the benchmark's figures rest on: a wrong byte is found wherever it is, and the statistics are right. */
#include "perf/options.h"
#include "perf/payload.h"
#include "perf/process.h"
#include "perf/stats.h"
#include "perf/timing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SIZE_MOST 4096u

static unsigned failures;

static void expect(bool holds, const char *what, double detail)
{
    if (holds)
        return;
    printf("wrong: %s (%g)\n", what, detail);
    failures++;
}

/* Any single flipped bit, in any word, at every alignment that payloads have. */
static void test_payload(size_t size, size_t offset)
{
    static uint64_t memory[SIZE_MOST / 8 + 8];
    uint64_t *words = memory + offset;
    payload_write(words, size, 41);
    expect(payload_differs(words, size, 41) == 0, "a message is itself, size", (double)size);
    expect(payload_differs(words, size, 42) != 0, "a message is not the next one, size", (double)size);
    expect(payload_differs(words, size, 41 | PAYLOAD_LAST) != 0, "a message is not the last one",
           (double)size);
    for (size_t word = 0; word < size / 8; word++) {
        const uint64_t bit = UINT64_C(1) << (word * 7 % 64);
        words[word] ^= bit;
        expect(payload_differs(words, size, 41) != 0, "a flipped bit is found, word", (double)word);
        words[word] ^= bit;
    }
}

static void test_payload_ends(size_t size)
{
    static uint64_t memory[SIZE_MOST / 8 + 2];
    for (size_t i = 0; i < size / 8 + 2; i++)
        memory[i] = 7;
    payload_write(memory + 1, size, 41);
    expect(memory[0] == 7 && memory[size / 8 + 1] == 7, "nothing beside the message is written, size",
           (double)size);
}

static void test_percentiles(void)
{
    static uint32_t samples[1000];
    struct figures figures;
    for (uint32_t i = 0; i < 1000; i++)
        samples[i] =
            (i * 7919 % 1000 + 1) * 70000; /* 70,000 to 70,000,000, shuffled: both halves of a word */
    stats_percentiles(samples, 1000, 1, 70, &figures);
    expect(figures.value[FIGURE_MIN] == 1000, "min", figures.value[FIGURE_MIN]);
    expect(figures.value[FIGURE_P50] == 501000, "p50", figures.value[FIGURE_P50]);
    expect(figures.value[FIGURE_P75] == 751000, "p75", figures.value[FIGURE_P75]);
    expect(figures.value[FIGURE_P90] == 901000, "p90", figures.value[FIGURE_P90]);
    expect(figures.value[FIGURE_P99] == 991000, "p99", figures.value[FIGURE_P99]);
    expect(figures.value[FIGURE_P999] == 1000000, "p99.9", figures.value[FIGURE_P999]);
    expect(figures.value[FIGURE_MAX] == 1000000, "max", figures.value[FIGURE_MAX]);
}

/* A counter in steps of 26 shows 114 as 104 or 130; three in eight times as 130. */
static void test_percentiles_in_steps(void)
{
    static uint32_t samples[800];
    struct figures figures;
    for (unsigned i = 0; i < 800; i++)
        samples[i] = i % 8 < 3 ? 130 : 104;
    stats_percentiles(samples, 800, 26, 1, &figures);
    expect(fabs(figures.value[FIGURE_P50] - 114) < 3, "p50 within a step", figures.value[FIGURE_P50]);
}

static void test_medians(void)
{
    const double odd[] = {5, 1, 3};
    const double even[] = {5, 1, 3, 100};
    expect(stats_median(odd, 3) == 3, "median of three", stats_median(odd, 3));
    expect(stats_median(even, 4) == 4, "median of four", stats_median(even, 4));
    expect(odd[0] == 5, "the values stay as they are", odd[0]);
    expect(isnan(stats_median(NULL, 0)), "median of none", 0);
    expect(stats_least(even, 4) == 1, "least", stats_least(even, 4));
    expect(stats_most(even, 4) == 100, "most", stats_most(even, 4));
}

static void test_match(void)
{
    expect(options_match(NULL, "rtt/56"), "no pattern matches", 0);
    expect(options_match("rtt", "rtt/56"), "a part matches", 0);
    expect(options_match("*/56", "rtt/56"), "a shell pattern matches", 0);
    expect(!options_match("*/5", "rtt/56"), "a shell pattern is for the whole name", 0);
}

/* A process that works has CPU time and one that sleeps has switches, both as /proc tells it. */
static void test_process_cost(void)
{
    struct process_cost before;
    struct process_cost worked;
    struct process_cost rested;
    const int64_t work = 20000000;
    const int64_t cpu = clock_cpu_ns();
    expect(process_cost(getpid(), &before), "/proc tells what this process cost", 0);
    while (clock_cpu_ns() - cpu < work)
        cpu_relax();
    process_cost(getpid(), &worked);
    /* The kernel brings it up to date at each tick. */
    expect(worked.cpu_ns - before.cpu_ns >= (uint64_t)work / 2, "CPU time",
           (double)(worked.cpu_ns - before.cpu_ns));
    for (unsigned i = 0; i < 10; i++)
        clock_pass(1000000, true);
    process_cost(getpid(), &rested);
    expect(rested.switches - worked.switches >= 10, "switches", (double)(rested.switches - worked.switches));
    expect(!process_cost(-1, &before), "no figures of no process", 0);
}

static void test_clock_pass(bool asleep)
{
    const int64_t from = clock_ns();
    clock_pass(2000000, asleep);
    expect(clock_ns() - from >= 2000000, "time passes, asleep", asleep);
}

int main(void)
{
    static const size_t sizes[] = {8, 16, 56, 64, 72, 120, 128, 256, 512, 1000, 4096};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t offset = 0; offset < 8; offset++)
            test_payload(sizes[i], offset);
        test_payload_ends(sizes[i]);
    }
    test_percentiles();
    test_percentiles_in_steps();
    test_medians();
    test_match();
    test_process_cost();
    test_clock_pass(false);
    test_clock_pass(true);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
