/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the cases, each in a process of its own, and counts who was taken for dead or alive wrongly. */
#define _GNU_SOURCE
#include "life.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define CASE_SECONDS 60 /* far more than one takes */
#define SKIPPED 77

#define TABLES 7u
#define APART 2 /* of the tables: the last ones run only when they are named */

static const struct life_case *const tables[TABLES] = {
    cases_end, cases_fork, cases_halt, cases_limit, cases_namespace, cases_fifo, cases_planted,
};

static struct {
    unsigned ran;
    unsigned skipped;
    unsigned failed;
} totals;

/* What a case that failed has left running: it is this process's child now, or will be. */
static void end_orphans(pid_t group)
{
    (void)kill(-group, SIGKILL);
    while (waitpid(-group, NULL, 0) > 0) {
    }
}

static void become_case(const struct life_case *chosen)
{
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)alarm(CASE_SECONDS);
    chosen->run();
    exit(0);
}

static uint32_t wrong_so_far(void)
{
    return atomic_load(&life_counts->false_deaths) + atomic_load(&life_counts->missed_deaths) +
           atomic_load(&life_counts->others);
}

static void print_result(const struct life_case *chosen, const char *result)
{
    const char *reason = life_counts->reason;
    printf("%-8s %-22s %s%s%s%s\n", result, chosen->name, chosen->about, *reason ? " (" : "", reason,
           *reason ? ")" : "");
}

static void run(const struct life_case *chosen)
{
    const uint32_t before = wrong_so_far();
    int status = 0;
    life_counts->reason[0] = 0;
    (void)fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        become_case(chosen);
    }
    (void)setpgid(pid, pid);
    require(pid > 0 && waitpid(pid, &status, 0) == pid);
    end_orphans(pid);
    (void)shmbus_remove(life_bus);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
        totals.skipped++;
        print_result(chosen, "skipped");
        return;
    }
    totals.ran++;
    const bool good = status == 0 && wrong_so_far() == before;
    totals.failed += !good;
    print_result(chosen, good ? "ok" : "FAILED");
}

static bool chosen_by(const struct life_case *one, char **names)
{
    bool any = *names == NULL;
    for (; *names; names++) {
        any |= strcmp(*names, one->name) == 0;
    }
    return any;
}

static void for_all(size_t count, char **names, void (*what)(const struct life_case *one))
{
    for (size_t t = 0; t < count; t++) {
        for (const struct life_case *one = tables[t]; one->name; one++) {
            if (chosen_by(one, names)) {
                what(one);
            }
        }
    }
}

static void list(const struct life_case *one)
{
    printf("%-22s %s\n", one->name, one->about);
}

static int judge_all(void)
{
    printf("%u cases, %u failed, %u skipped; asked %u times: %u false deaths, %u missed deaths\n", totals.ran,
           totals.failed, totals.skipped, atomic_load(&life_counts->asked),
           atomic_load(&life_counts->false_deaths), atomic_load(&life_counts->missed_deaths));
    if (totals.ran + totals.skipped == 0) {
        fprintf(stderr, "life: no such case; --list names them\n");
        return 2;
    }
    if (totals.ran == 0) {
        return SKIPPED;
    }
    return totals.failed != 0;
}

int main(int argc, char **argv)
{
    static char path[4096];
    if (argc == 4 && strcmp(argv[1], "--idle") == 0) {
        return life_idle_main(argv);
    }
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for_all(TABLES, argv + argc, list);
        return 0;
    }
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    life_program = length > 0 ? path : argv[0];
    (void)snprintf(life_bus, sizeof life_bus, "life-%d", (int)getpid());
    life_counts = mmap(NULL, sizeof *life_counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (life_counts == MAP_FAILED) {
        perror("life: mmap");
        return 1;
    }
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    for_all(argc > 1 ? TABLES : TABLES - APART, argv + 1, run);
    return judge_all();
}
