/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real-time process that spins on the CPU of one that was killed: the dying needs that CPU to die. That the
 * kernel leaves ordinary processes a few percent hides it: so the one that spins must have given its CPU away
 * by itself. sched_yield() does not give it to lower priorities.
 */
#define _GNU_SOURCE
#include "life.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPINNER_PRIORITY 1
#define CASE_PRIORITY 2

static void set_priority(int priority)
{
    const struct sched_param param = {.sched_priority = priority};
    if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param) != 0) {
        life_skip("no real-time priority to be had: %s", strerror(errno));
    }
}

/* To the first CPU that it may use: the same one for all processes of the case. */
static void pin(void)
{
    cpu_set_t allowed, one;
    size_t cpu = 0;
    require(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    while (!CPU_ISSET(cpu, &allowed)) {
        cpu++;
    }
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    require(sched_setaffinity(0, sizeof one, &one) == 0);
}

static long given_away(void)
{
    struct rusage usage;
    require(getrusage(RUSAGE_THREAD, &usage) == 0);
    return usage.ru_nvcsw;
}

/* Says that it is about to wait, waits by `wait`, and says what that took. */
static void spin(const struct strings *strings, struct judge *judge, void (*wait)(struct judge *judge))
{
    strings_say(strings->report, 'w');
    const long before = given_away();
    const int64_t start = shmbus_now();
    wait(judge);
    const int64_t ns = shmbus_now() - start;
    const long times = given_away() - before;
    life_remark("got on after %.1f ms, and gave its CPU away %ld times", (double)ns / 1e6, times);
    if (times == 0) {
        judge_wrong("subject",
                    "got the CPU that it needed to die only from the kernel's limit on real-time tasks");
    }
}

static void become_spinner(void)
{
    pin();
    set_priority(SPINNER_PRIORITY);
}

static void reader_body(const struct strings *strings)
{
    struct judge judge = judge_open_waiting(SHMBUS_WAIT_SPIN);
    strings_say(strings->report, 'o');
    (void)strings_hear(strings->order);
    become_spinner();
    judge_send(&judge);
    spin(strings, &judge, judge_reads);
}

static void publisher_body(const struct strings *strings)
{
    struct judge judge = judge_open_waiting(SHMBUS_WAIT_SPIN);
    require(shmbus_subscriber_close(judge.subscriber) == 0);
    strings_say(strings->report, 'o');
    (void)strings_hear(strings->order);
    become_spinner();
    judge_fill(&judge);
    spin(strings, &judge, judge_writes);
}

static void claimer_body(const struct strings *strings)
{
    pin();
    life_subject(strings);
}

static void idle_reader_body(const struct strings *strings)
{
    pin();
    subject_join("subject");
    strings_say(strings->report, 'r');
    life_idle(strings);
}

static void starve(void (*waiter)(const struct strings *strings),
                   void (*victim)(const struct strings *strings))
{
    const struct strings strings = strings_make();
    const struct strings victim_strings = strings_make();
    set_priority(CASE_PRIORITY);
    const pid_t spinner = life_fork(&strings, waiter);
    require(strings_hear(strings.report) == 'o');
    const pid_t subject = life_fork(&victim_strings, victim);
    require(strings_hear(victim_strings.report) == 'r');
    strings_say(strings.order, 's');
    require(strings_hear(strings.report) == 'w');
    require(kill(subject, SIGKILL) == 0);
    const int status = life_wait(spinner);
    require(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)life_wait(subject);
}

static void fifo_reader(void)
{
    starve(reader_body, claimer_body);
}

static void fifo_publisher(void)
{
    starve(publisher_body, idle_reader_body);
}

const struct life_case cases_fifo[] = {
    {"fifo-reader", "killed with a claim, on the CPU of a real-time reader that spins", fifo_reader},
    {"fifo-publisher", "a reader killed on the CPU of a real-time publisher that spins", fifo_publisher},
    {NULL, NULL, NULL},
};
