/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/cases.h"
#include "perf/floors.h"
#include "perf/peer_bus.h"

#include <stdio.h>

#define US INT64_C(1000)
#define SECONDS_ROUND_TRIP 0.4
#define SECONDS_LONG_REPLY 1.0
#define SECONDS_SENDER 0.4
#define SECONDS_WAKE_UP 1.0
#define SLOTS_FEW 64u /* a round trip warms up for as many messages */

static void add_bus(struct bench_case *item, const char *name, int variant)
{
    case_add(item, name, variant, bus_prepare, bus_body, bus_finish);
}

static struct bench_case case_round_trip(const char *name, size_t size)
{
    struct bench_case item = {
        .shape = {.kind = ROUND_TRIP,
                  .size = size,
                  .senders = 1,
                  .readers = 1,
                  .seconds = SECONDS_ROUND_TRIP,
                  .limit = 20,
                  .waiting = true},
    };
    snprintf(item.name, sizeof item.name, "wait/%s", name);
    case_shape_memory(&item.shape);
    item.shape.slots = SLOTS_FEW;
    return item;
}

/* Answers come at once, by every strategy. */
static struct bench_case case_at_once(const char *name, bool one_cpu)
{
    struct bench_case item = case_round_trip(name, 64);
    item.title = "round trip of 64 B, answered at once";
    item.shape.one_cpu = one_cpu;
    case_add(&item, "futex", 0, futex_prepare, futex_body, memory_finish);
    add_bus(&item, "shmbus block", BUS_SEND_NEXT | BUS_BLOCK);
    add_bus(&item, "shmbus adaptive", BUS_SEND_NEXT | BUS_ADAPTIVE);
    add_bus(&item, "shmbus spin", BUS_SEND_NEXT);
    return item;
}

/* Answers come soon enough to spin for: the floor is who does nothing else. */
static struct bench_case case_short_reply(const char *name, int64_t reply_ns)
{
    struct bench_case item = case_round_trip(name, 64);
    item.title = "round trip of 64 B, the answerer works for that long";
    item.shape.reply_ns = reply_ns;
    add_bus(&item, "shmbus spin", BUS_SEND_NEXT);
    add_bus(&item, "shmbus adaptive", BUS_SEND_NEXT | BUS_ADAPTIVE);
    add_bus(&item, "shmbus block", BUS_SEND_NEXT | BUS_BLOCK);
    return item;
}

/*
 * Answers come later: the floor is who sleeps at once. The answerer sleeps then, so that CPU time is waiting, and
 * waits for the next question as if by BUS_BLOCK in all contestants: how it waits costs the asker CPU time as well,
 * for wake-ups, and for the membarriers that interrupt it.
 */
static struct bench_case case_long_reply(const char *name, int64_t reply_ns)
{
    struct bench_case item = case_round_trip(name, 64);
    item.title = "round trip of 64 B, the answerer rests for that long";
    item.shape.reply_ns = reply_ns;
    item.shape.reply_rests = true;
    item.shape.seconds = SECONDS_LONG_REPLY;
    add_bus(&item, "shmbus block", BUS_SEND_NEXT | BUS_BLOCK);
    add_bus(&item, "shmbus spin", BUS_SEND_NEXT | BUS_ANSWERER_BLOCKS);
    add_bus(&item, "shmbus adaptive", BUS_SEND_NEXT | BUS_ADAPTIVE | BUS_ANSWERER_BLOCKS);
    return item;
}

#ifdef BENCH_WITHOUT_PARTS
/* All are awake: what it costs a sender that somebody could sleep. */
static struct bench_case case_sender(void)
{
    struct bench_case item = {
        .name = "wait/sender/56",
        .shape =
            {.kind = STREAM, .size = 56, .senders = 1, .readers = 1, .seconds = SECONDS_SENDER, .limit = 10},
        .title = "one way, the reader spins",
    };
    case_shape_memory(&item.shape);
    case_add(&item, "no waiting code", BUS_SEND_NEXT, bus_prepare, without_waiting_body, bus_finish);
    add_bus(&item, "shmbus send", BUS_SEND_NEXT);
    return item;
}
#endif

static struct bench_case case_wake_up(unsigned readers)
{
    struct bench_case item = {
        .shape = {.kind = WAKE_UP,
                  .size = 56,
                  .senders = 1,
                  .readers = readers,
                  .seconds = SECONDS_WAKE_UP,
                  .limit = 20,
                  .crowded = PLACE_APART,
                  .waiting = true},
        .title = "a call that wakes a group per reader, all asleep",
    };
    snprintf(item.name, sizeof item.name, "wait/wake/%ux56", readers);
    case_shape_memory(&item.shape);
    case_add(&item, "futex", 0, futex_prepare, futex_body, memory_finish);
    add_bus(&item, "shmbus send", BUS_SEND_NEXT | BUS_BLOCK);
    add_bus(&item, "shmbus batch", BUS_BATCH_POLL | BUS_BLOCK);
    return item;
}

unsigned cases_of_waiting(struct bench_case cases[])
{
    unsigned count = 0;
    cases[count++] = case_at_once("rtt/two-cpus", false);
    cases[count++] = case_at_once("rtt/one-cpu", true);
    cases[count++] = case_short_reply("reply/5us", 5 * US);
    cases[count++] = case_short_reply("reply/20us", 20 * US);
    cases[count++] = case_long_reply("reply/300us", 300 * US);
    cases[count++] = case_long_reply("reply/2ms", 2000 * US);
#ifdef BENCH_WITHOUT_PARTS
    cases[count++] = case_sender();
#endif
    cases[count++] = case_wake_up(8);
    return count;
}
