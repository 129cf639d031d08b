/* SPDX-License-Identifier: Apache-2.0 */
/* What it costs that people can look: sampled latencies, and the looking itself. What a bridge costs. */
#include "perf/cases.h"
#include "perf/floors.h"
#include "perf/peer_exec.h"
#include "perf/watchers.h"

#include <stdio.h>

#define SECONDS_SAMPLED 0.4
#define SECONDS_BRIDGED 0.5
#define SECONDS_WATCHED 3.0 /* six looks of each looker */

static struct bench_case case_tools(const char *name, enum bench_kind kind, size_t size, double seconds)
{
    struct bench_case item = {
        .shape = {.kind = kind, .size = size, .senders = 1, .readers = 1, .seconds = seconds, .limit = 20},
    };
    snprintf(item.name, sizeof item.name, "tools/%s", name);
    case_shape_memory(&item.shape);
    return item;
}

/* 48 B is the largest message that leaves room for the time in a slot of 64. */
static unsigned cases_of_sampling(struct bench_case cases[])
{
    unsigned count = 0;
#ifdef BENCH_WITHOUT_PARTS
    cases[count++] = case_tools("sampling/48", STREAM, 48, SECONDS_SAMPLED);
    cases[count++] = case_tools("sampling/rtt/48", ROUND_TRIP, 48, SECONDS_SAMPLED);
    for (unsigned i = 0; i < count; i++) {
        cases[i].title = "with and without the code that samples latencies";
        case_add(&cases[i], "no sampling code", BUS_SEND_NEXT, bus_prepare, without_sampling_body,
                 bus_finish);
        case_add(&cases[i], "shmbus send", BUS_SEND_NEXT, bus_prepare, bus_body, bus_finish);
    }
#else
    (void)cases;
#endif
    return count;
}

static struct bench_case case_watched(void)
{
    struct bench_case item = case_tools("watched/48", STREAM, 48, SECONDS_WATCHED);
    item.title = "one way, while shmbus top and shmbus stat look twice a second";
    case_add(&item, "shmbus send", BUS_SEND_NEXT, bus_prepare, bus_body, bus_finish);
    case_add(&item, "  watched", BUS_SEND_NEXT, watchers_prepare, bus_body, watchers_finish);
    return item;
}

/* Two programs work between the roles, on the same CPUs: who waits gives its CPU away. */
static struct bench_case case_exec(void)
{
    struct bench_case item = {
        .name = "bridge/exec",
        .shape = {.kind = STREAM,
                  .size = ECHO_LINE,
                  .senders = 1,
                  .readers = 1,
                  .seconds = SECONDS_BRIDGED,
                  .limit = 20,
                  .waiting = true},
        .title = "lines of 55 B to a program that echoes them, and back",
    };
    case_shape_memory(&item.shape);
    case_add(&item, "pipes", 0, pipe_prepare, pipe_body, pipe_finish);
    case_add(&item, "shmbus exec", 0, exec_prepare, exec_body, exec_finish);
    return item;
}

unsigned cases_of_tools(struct bench_case cases[])
{
    unsigned count = cases_of_sampling(cases);
    if (watchers_available())
        cases[count++] = case_watched();
    if (exec_available())
        cases[count++] = case_exec();
    return count;
}
