/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulation's command line: many seeds on all CPUs, or one with a trace. tests/sim/README.md.
 */
#include "world.h"

#include "orders.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS_MAX 64u

struct options {
    uint64_t seed;
    uint64_t schedules; /* 0: as many as the time allows */
    uint64_t seconds;   /* 0: as long as it takes */
    uint32_t workers;
    bool trace;
    bool expect_violation;
    bool sites;
};

/* What a worker has done, seen by its parent. */
struct tally {
    uint64_t schedules;
    uint64_t steps;
    uint64_t deliveries;
    uint64_t redeliveries;
    uint64_t kills;
    uint64_t stops;
    uint64_t seed; /* being run */
};

static double now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void add(struct tally *tally, const struct world_result *result)
{
    tally->schedules++;
    tally->steps += result->steps;
    tally->deliveries += result->deliveries;
    tally->redeliveries += result->redeliveries;
    tally->kills += result->kills;
    tally->stops += result->stops;
}

/* Seeds `worker`, `worker` + workers, ... behind the first. */
static void work(const struct options *options, uint32_t worker, struct tally *tally, double end)
{
    for (uint64_t i = worker; options->schedules == 0 || i < options->schedules; i += options->workers) {
        if (i % 64 == worker % 64 && options->seconds != 0 && now() >= end) {
            return;
        }
        struct world_result result;
        tally->seed = options->seed + i;
        world_run(tally->seed, options->trace, &result);
        add(tally, &result);
    }
}

static pid_t start_worker(const struct options *options, uint32_t worker, struct tally *tally, double end)
{
    const pid_t pid = fork();
    if (pid < 0) {
        perror("sim: fork");
        exit(2);
    }
    if (pid == 0) {
        work(options, worker, tally, end);
        if (options->sites) {
            orders_print();
        }
        (void)fflush(stdout);
        _exit(0);
    }
    return pid;
}

/* Waits for all; the first that finds something ends the others. How many found something. */
static uint32_t wait_for_all(const pid_t *pids, uint32_t count, const struct tally *tallies)
{
    uint32_t failed = 0;
    for (uint32_t left = count; left > 0; left--) {
        int status;
        const pid_t pid = wait(&status);
        const bool ended = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        for (uint32_t i = 0; i < count && !ended; i++) {
            if (pids[i] != pid && failed == 0) {
                (void)kill(pids[i], SIGTERM);
            } else if (pids[i] == pid && WIFSIGNALED(status) && WTERMSIG(status) != SIGTERM) {
                printf("violation: seed %" PRIu64 ": killed by signal %d\n", tallies[i].seed,
                       WTERMSIG(status));
            }
        }
        failed += !ended;
    }
    return failed;
}

static void report(const struct tally *tallies, uint32_t workers, double seconds, bool failed)
{
    struct tally sum = {0};
    for (uint32_t i = 0; i < workers; i++) {
        sum.schedules += tallies[i].schedules;
        sum.steps += tallies[i].steps;
        sum.deliveries += tallies[i].deliveries;
        sum.redeliveries += tallies[i].redeliveries;
        sum.kills += tallies[i].kills;
        sum.stops += tallies[i].stops;
    }
    printf("schedules=%" PRIu64 " schedules_per_s=%.0f steps=%" PRIu64 " deliveries=%" PRIu64
           " redeliveries=%" PRIu64 " kills=%" PRIu64 " stops=%" PRIu64 " violations=%d\n",
           sum.schedules, (double)sum.schedules / seconds, sum.steps, sum.deliveries, sum.redeliveries,
           sum.kills, sum.stops, failed);
}

static int run(const struct options *options)
{
    struct tally *tallies =
        mmap(NULL, WORKERS_MAX * sizeof *tallies, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tallies == MAP_FAILED) {
        perror("sim: mmap");
        return 2;
    }
    pid_t pids[WORKERS_MAX];
    const double begin = now();
    for (uint32_t i = 0; i < options->workers; i++) {
        pids[i] = start_worker(options, i, &tallies[i], begin + (double)options->seconds);
    }
    const bool failed = wait_for_all(pids, options->workers, tallies) > 0;
    report(tallies, options->workers, now() - begin, failed);
    return failed != options->expect_violation;
}

static int usage(int status)
{
    fputs(
        "sim [--seed=N] [--schedules=N] [--seconds=N] [--jobs=N] [--trace] [--expect-violation]\n"
        "Simulated processes on a simulated host use the library's own source. Each seed is one schedule.\n"
        "  --seed=N             the first seed [1]; alone, or with --trace: this one only\n"
        "  --schedules=N        how many [1000000]\n"
        "  --seconds=N          for how long, whatever their number\n"
        "  --jobs=N             processes that share the seeds [one per CPU]\n"
        "  --trace              every step\n"
        "  --expect-violation   succeed if, and only if, something is found\n"
        "  --weak               memory as weak as C11 allows, and races of plain accesses are found\n"
        "  --weaken=N[a|r]      access number N acquires, or releases, or neither, no more; the rest as --weak\n"
        "  --accesses           print the ordered accesses, and how often each was met\n",
        status == 0 ? stdout : stderr);
    return status;
}

static uint64_t number(const char *text)
{
    char *end;
    const uint64_t value = strtoull(text, &end, 10);
    if (*text == '\0' || *end != '\0') {
        exit(usage(2));
    }
    return value;
}

/* "NAME:acquire", "NAME:release" or "NAME". */
static void weaken(char *text)
{
    enum weak_order part = WEAK_ACQ_REL;
    char *side = strchr(text, ':');
    if (side) {
        *side++ = 0;
        part = strcmp(side, "acquire") == 0 ? WEAK_ACQUIRE : WEAK_RELEASE;
    }
    if (orders_weaken(text, part) == 0) {
        fprintf(stderr, "sim: no ordered access is labelled %s, or has this number\n", text);
        exit(2);
    }
    world_weaken();
}

int main(int argc, char **argv)
{
    static const struct option names[] = {{"seed", required_argument, NULL, 's'},
                                          {"schedules", required_argument, NULL, 'n'},
                                          {"seconds", required_argument, NULL, 't'},
                                          {"jobs", required_argument, NULL, 'j'},
                                          {"trace", no_argument, NULL, 'v'},
                                          {"expect-violation", no_argument, NULL, 'x'},
                                          {"weak", no_argument, NULL, 'w'},
                                          {"weaken", required_argument, NULL, 'W'},
                                          {"accesses", no_argument, NULL, 'p'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    struct options options = {.workers = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN)};
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (option) {
        case 's':
            options.seed = number(optarg);
            break;
        case 'n':
            options.schedules = number(optarg);
            break;
        case 't':
            options.seconds = number(optarg);
            break;
        case 'j':
            options.workers = (uint32_t)number(optarg);
            break;
        case 'v':
            options.trace = true;
            break;
        case 'w':
            world_weaken();
            break;
        case 'W':
            weaken(optarg);
            break;
        case 'p':
            options.sites = true;
            break;
        case 'x':
            options.expect_violation = true;
            break;
        default:
            return usage(option == 'h' ? 0 : 2);
        }
    }
    if (options.schedules == 0 && options.seconds == 0) {
        options.schedules = options.seed != 0 || options.trace ? 1 : 1000000;
    }
    options.seed = options.seed != 0 ? options.seed : 1;
    options.workers = options.schedules == 1 ? 1 : options.workers;
    if (options.workers - 1 >= WORKERS_MAX || optind != argc) {
        return usage(2);
    }
    return run(&options);
}
