/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kill storm: tens of processes on the channels of one bus, in every mode, killed and stopped at any
 * instruction and started again, for as long as one likes. Rounds of several kinds take turns: see field.h.
 */
#define _GNU_SOURCE
#include "household.h"
#include "field.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define SECONDS_DEFAULT 60
#define ROUND_SECONDS 10
#define SLACK_SECONDS 100 /* more than a round takes to begin and to end */

static const char *const help =
    "usage: storm [OPTION]...\n"
    "Kills and stops processes that use one bus, for a while, and checks every message.\n\n"
    "  --seconds=N    start rounds for so long [60]\n"
    "  --round=N      seconds of a round [10]\n"
    "  --kind=KIND    only rounds of \"kills\", \"calm\" or \"stops\"\n"
    "  --seed=N       of the first round: repeats its choices, though not its timing\n";

struct arguments {
    unsigned seconds;
    unsigned round;
    int kind; /* enum field_kind; -1: all in turn */
    uint64_t seed;
};

static void ended(int signal_number)
{
    static const char text[] = "storm: ended by a signal or its watchdog; the seed is above\n";
    field_bury();
    (void)!write(2, text, sizeof text - 1);
    _exit(128 + signal_number);
}

static uint64_t number(const char *text)
{
    char *end;
    const uint64_t value = strtoull(text, &end, 0);
    if (end == text || *end != 0) {
        fprintf(stderr, "storm: %s is not a number\n", text);
        exit(2);
    }
    return value;
}

static int kind_of(const char *name)
{
    static const char *const names[FIELD_KINDS] = {"kills", "calm", "stops"};
    for (int kind = 0; kind < (int)FIELD_KINDS; kind++) {
        if (strcmp(name, names[kind]) == 0) {
            return kind;
        }
    }
    fprintf(stderr, "storm: no rounds of kind \"%s\"\n", name);
    exit(2);
}

static void parse(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {
        {"seconds", required_argument, NULL, 's'}, {"round", required_argument, NULL, 'r'},
        {"kind", required_argument, NULL, 'k'},    {"seed", required_argument, NULL, 'S'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 's':
            arguments->seconds = (unsigned)number(optarg);
            break;
        case 'r':
            arguments->round = (unsigned)number(optarg);
            break;
        case 'k':
            arguments->kind = kind_of(optarg);
            break;
        case 'S':
            arguments->seed = number(optarg);
            break;
        default:
            fputs(help, option == 'h' ? stdout : stderr);
            exit(option == 'h' ? 0 : 2);
        }
    }
}

static void print_stalls(const char *what, const struct stalls_histogram *histogram)
{
    printf("%s: p50 %.3f ms, p99 %.3f ms, max %.3f ms of %" PRIu64 " (%s)\n", what,
           (double)stalls_figure(histogram, 500) / 1e6, (double)stalls_figure(histogram, 990) / 1e6,
           (double)atomic_load(&histogram->max) / 1e6, atomic_load(&histogram->count), histogram->worst);
}

static void report(const struct field_totals *totals, const struct stalls_histogram *histograms)
{
    printf("%" PRIu64 " rounds: %" PRIu64 " kills, %" PRIu64 " stops, %" PRIu64 " joins; %" PRIu64
           " messages sent, %" PRIu64 " seen, %" PRIu64 " missed, %" PRIu64 " redelivered, at most %" PRIu64
           " taken along in shmbus_recv()\n",
           totals->rounds, totals->kills, totals->stops, totals->joins, totals->messages, totals->seen,
           totals->missed, totals->marked, totals->excused);
    static const char *const kinds[] = {"all channels", "one channel alone", "all channels, with stops"};
    for (unsigned kind = 0; kind < FIELD_KINDS; kind++) {
        printf("%s: none stood still for longer than %.1f ms\n", kinds[kind],
               (double)totals->longest[kind] / 1e6);
        if (kind != FIELD_STOPS) {
            print_stalls("  a survivor's next message after a kill",
                         &histograms[STALLS_KINDS * kind + STALLS_KILL]);
            print_stalls("  and after a sham kill, for comparison ",
                         &histograms[STALLS_KINDS * kind + STALLS_SHAM]);
        }
    }
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.seconds = SECONDS_DEFAULT, .round = ROUND_SECONDS, .kind = -1};
    arguments.seed = random_mix((uint64_t)time(NULL) ^ (uint64_t)getpid() << 32) >> 1;
    parse(argc, argv, &arguments);
    household_catch(ended);
    struct field_totals totals = {0};
    struct stalls_histogram *histograms = mmap(NULL, FIELD_KINDS * STALLS_KINDS * sizeof *histograms,
                                               PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (histograms == MAP_FAILED) {
        perror("storm: mmap");
        return 1;
    }
    const int64_t end = shmbus_deadline((int64_t)arguments.seconds * 1000000000);
    uint64_t seed = arguments.seed;
    int result = 0;
    do {
        printf("seed %" PRIu64 "\n", seed);
        (void)fflush(stdout);
        (void)alarm(arguments.round + SLACK_SECONDS);
        const enum field_kind kind =
            arguments.kind >= 0 ? (enum field_kind)arguments.kind : totals.rounds % FIELD_KINDS;
        result = field_run(seed, arguments.round, kind, &histograms[STALLS_KINDS * kind], &totals);
        seed = random_mix(seed + 1);
    } while (result == 0 && shmbus_now() < end);
    report(&totals, histograms);
    return result;
}
