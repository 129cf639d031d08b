/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One program of this folder, under the scheduler.
 *
 *   PROGRAM [--schedules=N] [--seconds=S] [--seed=N]   random schedules, one for each seed from N on
 *   PROGRAM --exhaustive=BOUND                         all schedules of up to BOUND preemptions
 *   PROGRAM --trail=TRAIL                              the one that a failure has shown
 *
 * Exit code 1: an assertion failed, or nobody could go on. ThreadSanitizer's own: a data race.
 */
#include "runner.h"

#include "choices.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct options {
    uint64_t schedules;
    uint64_t seconds;
    uint64_t seed;
    unsigned bound;
    bool exhaustive;
    const char *trail;
};

static uint64_t seed; /* of the running schedule; 0: it has none */

static void print_how_to_repeat(void)
{
    if (seed != 0) {
        (void)fprintf(stderr, "seed %" PRIu64 "; ", seed);
    }
    choices_print();
}

void runner_fail(const char *why)
{
    (void)fprintf(stderr, "%s\n", why);
    print_how_to_repeat();
    _exit(1);
}

/* What assert() calls. */
void __assert_fail(const char *assertion, const char *file, unsigned line, const char *function)
{
    (void)fprintf(stderr, "%s:%u: %s: assertion `%s' failed\n", file, line, function, assertion);
    runner_fail("the program is wrong");
}

/* What ThreadSanitizer calls, and how it is to be. */
void __tsan_on_report(const void *report);
void __tsan_on_report(const void *report)
{
    (void)report;
    print_how_to_repeat();
}

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "halt_on_error=1:report_signal_unsafe=0";
}

static uint64_t now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec;
}

static void run_random(const struct options *options)
{
    const uint64_t end = now() + options->seconds;
    uint64_t done = 0;
    for (; done < options->schedules && (done % 64 != 0 || now() <= end); done++) {
        seed = options->seed + done;
        choices_by_chance(seed);
        scheduler_run();
    }
    (void)printf("%" PRIu64 " random schedules, seeds from %" PRIu64 " on: right in all\n", done,
                 options->seed);
}

static void run_all(unsigned bound)
{
    uint64_t done = 0;
    choices_search(bound);
    do {
        scheduler_run();
        done++;
    } while (choices_next());
    (void)printf("%u preemptions: all %" PRIu64 " schedules are right\n", bound, done);
}

static const char *value_of(const char *argument, const char *name)
{
    const size_t length = strlen(name);
    return strncmp(argument, name, length) == 0 ? argument + length : NULL;
}

static bool read_option(struct options *options, const char *argument)
{
    const char *value;
    if ((value = value_of(argument, "--schedules="))) {
        options->schedules = strtoull(value, NULL, 10);
    } else if ((value = value_of(argument, "--seconds="))) {
        options->seconds = strtoull(value, NULL, 10);
    } else if ((value = value_of(argument, "--seed="))) {
        options->seed = strtoull(value, NULL, 10);
    } else if ((value = value_of(argument, "--exhaustive="))) {
        options->bound = (unsigned)strtoul(value, NULL, 10);
        options->exhaustive = true;
    } else {
        options->trail = value_of(argument, "--trail=");
    }
    return value || options->trail;
}

int main(int count, char **arguments)
{
    struct options options = {.schedules = 2000, .seconds = 3600, .seed = 1};
    for (int i = 1; i < count; i++) {
        if (!read_option(&options, arguments[i])) {
            (void)fprintf(stderr, "unknown option %s\n", arguments[i]);
            return 2;
        }
    }
    if (options.trail) {
        choices_repeat(options.trail);
        scheduler_run();
    } else if (options.exhaustive) {
        for (unsigned bound = 0; bound <= options.bound; bound++) {
            run_all(bound);
        }
    } else {
        run_random(&options);
    }
    return 0;
}
