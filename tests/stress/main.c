/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stress test: rounds of real processes that send and read, join and leave, are stopped and killed, on
 * one channel; each message says what it must be, and a ledger says who has seen it.
 */
#define _GNU_SOURCE
#include "household.h"
#include "random.h"
#include "round.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECONDS_DEFAULT 5
#define ROUND_SECONDS 90 /* more than a round takes, whatever else the machine does */

struct arguments {
    const char *scenario;
    uint64_t seed;
    uint32_t messages;
    uint32_t rounds; /* 0: as many as the time allows */
    unsigned seconds;
    bool verbose;
};

static const char *const help =
    "usage: stress [OPTION]... [SCENARIO]\n"
    "Runs rounds of one scenario, or of all, on a bus of its own.\n\n"
    "  --seconds=N    start rounds for so long [5]\n"
    "  --rounds=N     so many rounds, whatever time they take\n"
    "  --messages=N   of each publisher in a round\n"
    "  --seed=N       of the first round: repeats its choices, though not its timing\n"
    "  --verbose      a line for each round\n"
    "  --list         the scenarios\n";

static void ended(int signal_number)
{
    static const char text[] = "stress: ended by a signal or its watchdog; the seed is above\n";
    round_bury();
    (void)!write(2, text, sizeof text - 1);
    _exit(128 + signal_number);
}

static void list(void)
{
    for (unsigned i = 0; i < plan_count; i++) {
        printf("%-18s %s\n", plans[i].name, plans[i].about);
    }
}

static uint64_t number(const char *option, const char *text)
{
    char *end;
    const uint64_t value = strtoull(text, &end, 0);
    if (end == text || *end != 0) {
        fprintf(stderr, "stress: --%s=%s is not a number\n", option, text);
        exit(2);
    }
    return value;
}

static void parse(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {
        {"seconds", required_argument, NULL, 's'},  {"rounds", required_argument, NULL, 'r'},
        {"messages", required_argument, NULL, 'm'}, {"seed", required_argument, NULL, 'S'},
        {"verbose", no_argument, NULL, 'v'},        {"list", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
    };
    int index = 0;
    for (int option; (option = getopt_long(argc, argv, "", options, &index)) != -1;) {
        switch (option) {
        case 's':
            arguments->seconds = (unsigned)number("seconds", optarg);
            break;
        case 'r':
            arguments->rounds = (uint32_t)number("rounds", optarg);
            break;
        case 'm':
            arguments->messages = (uint32_t)number("messages", optarg);
            break;
        case 'S':
            arguments->seed = number("seed", optarg);
            break;
        case 'v':
            arguments->verbose = true;
            break;
        case 'l':
            list();
            exit(0);
        default:
            fputs(help, option == 'h' ? stdout : stderr);
            exit(option == 'h' ? 0 : 2);
        }
    }
    arguments->scenario = argv[optind];
}

/* 0, or 1 when a round failed. */
static int run(const struct plan *scenario, const struct arguments *arguments)
{
    struct round_totals totals = {0};
    const int64_t end = shmbus_deadline((int64_t)arguments->seconds * 1000000000);
    uint32_t rounds = 0;
    uint64_t seed = arguments->seed;
    do {
        struct plan plan;
        char text[300];
        plan_make(&plan, scenario, seed, arguments->messages);
        plan_describe(&plan, text, sizeof text);
        if (arguments->verbose) {
            printf("%s --seed=%" PRIu64 ": %s\n", scenario->name, seed, text);
            (void)fflush(stdout);
        }
        (void)alarm(ROUND_SECONDS);
        if (round_run(&plan, seed, &totals) != 0) {
            fprintf(stderr, "%s: %s\nrepeat: stress %s --rounds=1 --seed=%" PRIu64 "%s\n", scenario->name,
                    text, scenario->name, seed, arguments->messages ? " --messages=... as before" : "");
            return 1;
        }
        rounds++;
        seed = random_mix(seed + 1);
    } while (arguments->rounds ? rounds < arguments->rounds : shmbus_now() < end);
    printf("%-18s %u rounds: %" PRIu64 " messages sent, %" PRIu64 " seen, %" PRIu64 " missed, %" PRIu64
           " redelivered; %" PRIu64 " joins, %" PRIu64 " behind; %" PRIu64 " kills, %" PRIu64
           " pauses; longest stall %" PRIu64 " ms; first seed %" PRIu64 "\n",
           scenario->name, rounds, totals.messages, totals.seen, totals.missed, totals.marked, totals.joins,
           totals.joins_behind, totals.kills, totals.pauses, totals.longest_stall / 1000000, arguments->seed);
    return 0;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.seconds = SECONDS_DEFAULT};
    arguments.seed = random_mix((uint64_t)time(NULL) ^ (uint64_t)getpid() << 32) >> 1;
    parse(argc, argv, &arguments);
    household_catch(ended);
    printf("seed %" PRIu64 "\n", arguments.seed);
    (void)fflush(stdout);
    int failed = 0;
    unsigned ran = 0;
    for (unsigned i = 0; i < plan_count; i++) {
        if (!arguments.scenario || strcmp(arguments.scenario, plans[i].name) == 0) {
            failed |= run(&plans[i], &arguments);
            ran++;
        }
    }
    if (ran == 0) {
        fprintf(stderr, "stress: no scenario \"%s\"; --list names them\n", arguments.scenario);
        return 2;
    }
    return failed;
}
