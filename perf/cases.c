/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/cases.h"
#include "perf/floors.h"
#include "perf/peer_bus.h"

#include <stdio.h>
#include <string.h>

#define SLOTS_SMALL 4096u
#define ARENA_LEAST (UINT64_C(512) << 10)
#define BATCH_MOST 64u
#define SECONDS_ROUND_TRIP 0.15
#define SECONDS_STREAM 0.2
#define SECONDS_SHARED 0.3 /* more processes than CPUs */

/*
 * One rule for all: what fits a slot of up to 256 B beside its stamp lies in one of 4096 slots. Larger
 * messages get an arena of 4 of them, at least 512 KiB; the floor ring and ck_ring get as many slots as
 * such messages fit into these bytes.
 */
void case_shape_memory(struct bench_shape *shape)
{
    shape->slots = SLOTS_SMALL;
    shape->slot_size = 64;
    while (shape->slot_size < 256 && shape->size + 8 > shape->slot_size)
        shape->slot_size *= 2;
    shape->batch = BATCH_MOST;
    if (shape->size + 8 <= shape->slot_size)
        return;
    shape->slot_size = 64;
    shape->arena = 4 * shape->size > ARENA_LEAST ? 4 * shape->size : ARENA_LEAST;
    shape->slots = (uint32_t)(shape->arena / shape->size);
    while (shape->batch > 1 && shape->batch * shape->size > shape->arena / 8)
        shape->batch /= 2;
}

void case_add(struct bench_case *item, const char *name, int variant, int (*prepare)(struct bench_run *, int),
              void (*body)(struct bench_role *, int), void (*finish)(struct bench_run *, int))
{
    item->contestants[item->count++] = (struct contestant){
        .name = name, .variant = variant, .prepare = prepare, .body = body, .finish = finish};
}

static void add_line(struct bench_case *item, const char *name, int variant)
{
    case_add(item, name, variant, line_prepare, line_body, memory_finish);
}

static void add_ring(struct bench_case *item, const char *name)
{
    case_add(item, name, 0, ring_prepare, ring_body, memory_finish);
}

static void add_ck(struct bench_case *item, const char *name, int variant)
{
    if (ck_ring_has(item->shape.size))
        case_add(item, name, variant, ck_prepare, ck_body, memory_finish);
}

static void add_bus(struct bench_case *item, const char *name, int variant)
{
    case_add(item, name, variant, bus_prepare, bus_body, bus_finish);
}

static struct bench_case case_round_trip(size_t size)
{
    struct bench_case item = {
        .shape = {.kind = ROUND_TRIP,
                  .size = size,
                  .senders = 1,
                  .readers = 1,
                  .seconds = SECONDS_ROUND_TRIP,
                  .limit = 10},
        .title = "round trip",
    };
    snprintf(item.name, sizeof item.name, "rtt/%zu", size);
    case_shape_memory(&item.shape);
    if (size == LINE_PAYLOAD_MAX) {
        add_line(&item, "line 56 B", LINE_PAYLOAD);
        add_line(&item, "line", LINE_WORD);
    }
    add_ring(&item, "ring");
    add_ck(&item, "ck_ring spsc", CK_SPSC);
    add_ck(&item, "ck_ring mpmc", CK_MPMC);
    add_bus(&item, "shmbus send", BUS_SINGLE | BUS_SEND_NEXT);
    add_bus(&item, "shmbus claim", BUS_SINGLE | BUS_CLAIM_NEXT);
    add_bus(&item, "shmbus send+recv", BUS_SINGLE | BUS_SEND_RECV);
    add_bus(&item, "shmbus multi send", BUS_MULTI | BUS_SEND_NEXT);
    add_bus(&item, "shmbus multi claim", BUS_MULTI | BUS_CLAIM_NEXT);
    return item;
}

static struct bench_case case_stream(size_t size)
{
    struct bench_case item = {
        .shape = {.kind = STREAM,
                  .size = size,
                  .senders = 1,
                  .readers = 1,
                  .seconds = SECONDS_STREAM,
                  .limit = 10},
        .title = "one way",
    };
    snprintf(item.name, sizeof item.name, "stream/%zu", size);
    case_shape_memory(&item.shape);
    add_ring(&item, "ring");
    add_ck(&item, "ck_ring spsc", CK_SPSC);
    add_ck(&item, "ck_ring mpmc", CK_MPMC);
    add_bus(&item, "shmbus send", BUS_SINGLE | BUS_SEND_NEXT);
    add_bus(&item, "shmbus claim", BUS_SINGLE | BUS_CLAIM_NEXT);
    add_bus(&item, "shmbus send+recv", BUS_SINGLE | BUS_SEND_RECV);
    if (item.shape.batch > 1)
        add_bus(&item, "shmbus batch", BUS_SINGLE | BUS_BATCH_POLL);
    add_bus(&item, "shmbus multi send", BUS_MULTI | BUS_SEND_NEXT);
    add_bus(&item, "shmbus multi claim", BUS_MULTI | BUS_CLAIM_NEXT);
    if (item.shape.batch > 1)
        add_bus(&item, "shmbus multi batch", BUS_MULTI | BUS_BATCH_POLL);
    return item;
}

static struct bench_case case_fan_in(unsigned senders)
{
    struct bench_case item = {
        .shape = {.kind = STREAM,
                  .size = 64,
                  .senders = senders,
                  .readers = 1,
                  .seconds = SECONDS_SHARED,
                  .limit = 2,
                  .crowded = PLACE_APART},
        .title = "many senders, one reader",
    };
    snprintf(item.name, sizeof item.name, "fanin/%ux64", senders);
    case_shape_memory(&item.shape);
    add_ck(&item, "ck_ring mpmc", CK_MPMC);
    add_bus(&item, "shmbus multi send", BUS_MULTI | BUS_SEND_NEXT);
    add_bus(&item, "shmbus multi batch", BUS_MULTI | BUS_BATCH_POLL);
    add_bus(&item, "  send, adaptive", BUS_MULTI | BUS_SEND_NEXT | BUS_ADAPTIVE);
    add_bus(&item, "  batch, adaptive", BUS_MULTI | BUS_BATCH_POLL | BUS_ADAPTIVE);
    return item;
}

static struct bench_case case_broadcast(unsigned readers)
{
    struct bench_case item = {
        .shape = {.kind = STREAM,
                  .size = 64,
                  .senders = 1,
                  .readers = readers,
                  .seconds = SECONDS_SHARED,
                  .limit = 10,
                  .crowded = PLACE_TURNS},
        .title = "one sender, a group per reader",
    };
    snprintf(item.name, sizeof item.name, "broadcast/%ux64", readers);
    case_shape_memory(&item.shape);
    add_ring(&item, "broadcast ring");
    add_bus(&item, "shmbus send", BUS_SINGLE | BUS_SEND_NEXT);
    add_bus(&item, "shmbus batch", BUS_SINGLE | BUS_BATCH_POLL);
    add_bus(&item, "  send, adaptive", BUS_SINGLE | BUS_SEND_NEXT | BUS_ADAPTIVE);
    add_bus(&item, "  batch, adaptive", BUS_SINGLE | BUS_BATCH_POLL | BUS_ADAPTIVE);
    add_bus(&item, "shmbus multi send", BUS_MULTI | BUS_SEND_NEXT);
    return item;
}

struct bench_case case_probe(void)
{
    struct bench_case item = {
        .name = "probe",
        .shape = {.kind = ROUND_TRIP, .senders = 1, .readers = 1, .slots = 1, .seconds = 0.003, .limit = 5},
    };
    add_line(&item, "line", LINE_WORD);
    return item;
}

unsigned cases_list(struct bench_case cases[CASES_MAX], double shorter, enum placement crowded)
{
    static const size_t round_trips[] = {8, 56, 64, 256, 1024, 4096, 65536, 1048576};
    static const size_t streams[] = {8, 56, 64, 512, 4096, 65536, 1048576};
    unsigned count = 0;
    for (size_t i = 0; i < sizeof round_trips / sizeof round_trips[0]; i++)
        cases[count++] = case_round_trip(round_trips[i]);
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++)
        cases[count++] = case_stream(streams[i]);
    cases[count++] = case_fan_in(2);
    cases[count++] = case_fan_in(8);
    cases[count++] = case_broadcast(4);
    count += cases_of_waiting(cases + count);
    count += cases_of_tools(cases + count);
    for (unsigned i = 0; i < count; i++) {
        cases[i].shape.seconds /= shorter;
        if (crowded != PLACE_EACH)
            cases[i].shape.crowded = crowded;
    }
    return count;
}
