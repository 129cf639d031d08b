/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kills a process behind every instruction of every operation, and looks whether the others get on.
 *
 *   step [--thorough] [--until-violation] [--list] [--state=STATE] [SUITE | OPERATION]...
 *
 * Ends with 0 when no violation was found, 1 when one was, 77 where a process cannot be stepped.
 */
#define _GNU_SOURCE
#include "trial.h"

#include "trace.h"

#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#define SKIPPED 77

/* Exclusive loads and stores make loops that never end when they are stepped: does this CPU do without? */
static bool has_atomic_instructions(void)
{
#if defined(__aarch64__)
    return (getauxval(AT_HWCAP) & HWCAP_ATOMICS) != 0;
#else
    return true;
#endif
}

/* Can a child be stepped here? */
static bool can_step(void)
{
    if (!has_atomic_instructions()) {
        (void)puts(
            "skipped: this CPU has no atomic instructions (LSE), only loops that never end when they are stepped");
        return false;
    }
    const pid_t pid = fork();
    if (pid == 0) {
        _exit(trace_begin() ? 0 : 1);
    }
    int status;
    const bool can = trace_wait(pid, &status) && trace_step(pid) != TRACE_ENDED;
    trace_kill(pid);
    if (!can) {
        (void)puts("skipped: this system does not let a process step another one");
    }
    return can;
}

static bool is_asked(const struct operation *operation, char *const *names)
{
    if (!*names) {
        return true;
    }
    for (; *names; names++) {
        if (strcmp(*names, operation->name) == 0 || strcmp(*names, operation->suite) == 0) {
            return true;
        }
    }
    return false;
}

static void print_line(const char *operation, const char *state, const struct figures *figures)
{
    (void)printf("%-21s  %-34s  %12lu  %6lu  %6lu  %6lu  %7lu  %10lu\n", operation, state,
                 figures->instructions, figures->kills, figures->states, figures->second, figures->repeats,
                 figures->violations);
    (void)fflush(stdout);
}

static void add(struct figures *total, const struct figures *more)
{
    total->instructions += more->instructions;
    total->kills += more->kills;
    total->states += more->states;
    total->second += more->second;
    total->repeats += more->repeats;
    total->violations += more->violations;
}

static void run_operation(const struct runner *runner, const struct operation *operation,
                          struct figures *total)
{
    for (const struct state *state = operation->states; state->name; state++) {
        const struct scenario scenario = scenario_make(operation, state);
        if (runner->options->state && strcmp(runner->options->state, state->name) != 0) {
            continue;
        }
        if (runner->options->until_violation && total->violations > 0) {
            return;
        }
        if (runner->options->list) {
            (void)printf("%-10s %-22s %s\n", operation->suite, operation->name, state->name);
            continue;
        }
        const struct figures figures = trial_run(runner, &scenario);
        print_line(operation->name, state->name, &figures);
        add(total, &figures);
    }
}

static int run_all(const struct runner *runner, char *const *names)
{
    struct figures total = {0};
    if (!runner->options->list) {
        (void)printf("%-21s  %-34s  %12s  %6s  %6s  %6s  %7s  %10s\n", "operation", "state", "instructions",
                     "kills", "states", "second", "repeats", "violations");
    }
    for (unsigned i = 0; i < operation_count; i++) {
        if (is_asked(&operations[i], names)) {
            run_operation(runner, &operations[i], &total);
        }
    }
    if (!runner->options->list) {
        print_line("total", "", &total);
    }
    return total.violations == 0 ? 0 : 1;
}

static bool parse(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {{"thorough", no_argument, NULL, 't'},
                                          {"until-violation", no_argument, NULL, 'u'},
                                          {"list", no_argument, NULL, 'l'},
                                          {"state", required_argument, NULL, 's'},
                                          {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        options->thorough |= option == 't';
        options->until_violation |= option == 'u';
        options->list |= option == 'l';
        options->state = option == 's' ? optarg : options->state;
        if (option == '?') {
            return false;
        }
    }
    return true;
}

/* One CPU for who steps and who is stepped: going from one to the other is most of the time that it takes. */
static void stay_on_one_cpu(void)
{
    cpu_set_t allowed, one;
    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
        return;
    }
    unsigned left = (unsigned)getpid() % (unsigned)CPU_COUNT(&allowed);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed) && left-- == 0) {
            CPU_SET(cpu, &one);
            (void)sched_setaffinity(0, sizeof one, &one);
            return;
        }
    }
}

/* Functions of libraries are found before they are stepped into. */
static void bind_now(char **argv)
{
    if (!getenv("LD_BIND_NOW")) {
        (void)setenv("LD_BIND_NOW", "1", 1);
        (void)execv("/proc/self/exe", argv);
    }
}

int main(int argc, char **argv)
{
    struct options options = {0};
    if (!parse(argc, argv, &options)) {
        return 2;
    }
    bind_now(argv);
    stay_on_one_cpu();
    if (!options.list && !can_step()) {
        return SKIPPED;
    }
    struct runner runner = {.options = &options, .story = story_open()};
    if (!runner.story) {
        (void)fprintf(stderr, "no memory\n");
        return 1;
    }
    (void)snprintf(runner.bus, sizeof runner.bus, "step-%d", (int)getpid());
    (void)snprintf(runner.copy, sizeof runner.copy, "step-%d-copy", (int)getpid());
    return run_all(&runner, argv + optind);
}
