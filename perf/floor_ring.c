/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/floors.h"
#include "perf/loops.h"

struct position {
    alignas(APART) atomic_u64 next; /* message that its reader will take next, lately */
};

/* In shared memory: the readers' positions, then the slots. */
struct ring {
    struct position readers[ROLES_MAX];
    char slots[];
};

struct ring_writer {
    struct ring *ring;
    uint64_t next;
    uint64_t limit; /* free up to here, as far as this writer has looked */
    uint64_t mask;
    unsigned readers;
    unsigned yield_after;
};

struct ring_reader {
    struct ring *ring;
    uint64_t next;
    uint64_t mask;
    uint64_t publish_mask;
    struct position *position;
    unsigned yield_after;
};

struct ring_link {
    struct ring_writer out;
    struct ring_reader in;
};

/* Sequence word and payload, in whole cache lines. */
static inline size_t ring_stride(size_t size)
{
    return (8 + size + 63) & ~(size_t)63;
}

static inline char *ring_slot(struct ring *ring, uint64_t index, size_t size)
{
    return ring->slots + index * ring_stride(size);
}

static size_t ring_bytes(const struct bench_shape *shape)
{
    return sizeof(struct ring) + shape->slots * ring_stride(shape->size);
}

static __attribute__((noinline)) void ring_wait_room(struct ring_writer *writer)
{
    unsigned spins = 0;
    for (;;) {
        uint64_t slowest = writer->next;
        for (unsigned i = 0; i < writer->readers; i++) {
            uint64_t next = load64_acquire(&writer->ring->readers[i].next);
            slowest = next < slowest ? next : slowest;
        }
        writer->limit = slowest + writer->mask + 1;
        if (writer->limit > writer->next)
            return;
        spin_once(&spins, writer->yield_after);
    }
}

static inline void ring_send(void *link, size_t size, uint64_t number)
{
    struct ring_writer *writer = &((struct ring_link *)link)->out;
    if (unlikely(writer->next == writer->limit))
        ring_wait_room(writer);
    char *slot = ring_slot(writer->ring, writer->next & writer->mask, size);
    payload_write(slot + 8, size, number);
    store64_release((atomic_u64 *)(void *)slot, ++writer->next);
}

static inline bool ring_take(void *link, struct sink *sink, size_t size)
{
    struct ring_reader *reader = &((struct ring_link *)link)->in;
    const char *slot = ring_slot(reader->ring, reader->next & reader->mask, size);
    uint64_t next = reader->next + 1;
    unsigned spins = 0;
    while (load64_acquire((const atomic_u64 *)(const void *)slot) != next)
        spin_once(&spins, reader->yield_after);
    bool last = sink_take(sink, slot + 8, size);
    reader->next = next;
    if (unlikely((next & reader->publish_mask) == 0))
        store64_release(&reader->position->next, next);
    return last;
}

static void ring_join(struct ring_link *link, struct bench_run *run, struct ring *out, struct ring *in,
                      unsigned reader)
{
    uint64_t slots = run->shape.slots;
    uint64_t publish = slots >= 8 ? slots / 8 : 1;
    link->out = (struct ring_writer){
        .ring = out,
        .limit = slots,
        .mask = slots - 1,
        .readers = run->shape.readers,
        .yield_after = run->yield_after,
    };
    link->in = (struct ring_reader){
        .ring = in,
        .mask = slots - 1,
        .publish_mask = publish - 1,
        .position = &in->readers[reader],
        .yield_after = run->yield_after,
    };
}

int ring_prepare(struct bench_run *run, int variant)
{
    (void)variant;
    return memory_prepare(run, 2 * ring_bytes(&run->shape));
}

static void ring_round_trip(struct bench_role *role, struct ring_link *link)
{
    if (role->index == 0)
        LOOP_BY_SIZE(role->run->shape.size, loop_ask, role, link, ring_send, ring_take);
    else
        LOOP_BY_SIZE(role->run->shape.size, loop_answer, role, link, ring_send, ring_take);
}

static void ring_stream(struct bench_role *role, struct ring_link *link)
{
    if (role->reader < 0)
        LOOP_BY_SIZE(role->run->shape.size, loop_produce, role, link, ring_send);
    else
        LOOP_BY_SIZE(role->run->shape.size, loop_consume, role, link, ring_take);
}

void ring_body(struct bench_role *role, int variant)
{
    struct bench_run *run = role->run;
    char *memory = run->memory;
    struct ring *rings[2] = {(struct ring *)(void *)memory,
                             (struct ring *)(void *)(memory + ring_bytes(&run->shape))};
    struct ring_link link;
    (void)variant;
    if (run->shape.kind == ROUND_TRIP)
        ring_join(&link, run, rings[role->index], rings[1 - role->index], 0);
    else
        ring_join(&link, run, rings[0], rings[0], role->reader < 0 ? 0 : (unsigned)role->reader);
    role_ready(role);
    if (run->shape.kind == ROUND_TRIP)
        ring_round_trip(role, &link);
    else
        ring_stream(role, &link);
}
