/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/floors.h"
#include "perf/loops.h"

#include <ck_ring.h>

/*
 * ck_ring copies a message in and out; the payload is built and compared in a private buffer. A type of
 * its own for each size: CK_RING_PROTOTYPE takes no length.
 */
struct ck_memory {
    alignas(APART) struct ck_ring ring;
    alignas(APART) char slots[];
};

struct ck_link {
    struct ck_memory *out;
    struct ck_memory *in;
    unsigned yield_after;
    alignas(64) char buffer[4096];
};

#define CK_FUNCTIONS(bytes, flavour)                                                                         \
    static inline void ck_##flavour##_send_##bytes(void *link, size_t size, uint64_t number)                 \
    {                                                                                                        \
        struct ck_link *ck = link;                                                                           \
        struct message_##bytes *buffer = (void *)ck->buffer;                                                 \
        unsigned spins = 0;                                                                                  \
        payload_write(ck->buffer, size, number);                                                             \
        while (!ck_ring_enqueue_##flavour##_##bytes(&ck->out->ring, (void *)ck->out->slots, buffer))         \
            spin_once(&spins, ck->yield_after);                                                              \
    }                                                                                                        \
    static inline void ck_##flavour##_fetch_##bytes(struct ck_link *ck)                                      \
    {                                                                                                        \
        struct message_##bytes *buffer = (void *)ck->buffer;                                                 \
        unsigned spins = 0;                                                                                  \
        while (!ck_ring_dequeue_##flavour##_##bytes(&ck->in->ring, (void *)ck->in->slots, buffer))           \
            spin_once(&spins, ck->yield_after);                                                              \
    }                                                                                                        \
    static inline bool ck_##flavour##_take_##bytes(void *link, struct sink *sink, size_t size)               \
    {                                                                                                        \
        struct ck_link *ck = link;                                                                           \
        ck_##flavour##_fetch_##bytes(ck);                                                                    \
        return sink_take(sink, ck->buffer, size);                                                            \
    }

#define CK_BODY(bytes, flavour)                                                                              \
    static void ck_##flavour##_body_##bytes(struct bench_role *role, struct ck_link *link)                   \
    {                                                                                                        \
        if (role->run->shape.kind == STREAM && role->reader < 0)                                             \
            loop_produce(role, link, ck_##flavour##_send_##bytes, bytes);                                    \
        else if (role->run->shape.kind == STREAM)                                                            \
            loop_consume(role, link, ck_##flavour##_take_##bytes, bytes);                                    \
        else if (role->index == 0)                                                                           \
            loop_ask(role, link, ck_##flavour##_send_##bytes, ck_##flavour##_take_##bytes, bytes);           \
        else                                                                                                 \
            loop_answer(role, link, ck_##flavour##_send_##bytes, ck_##flavour##_take_##bytes, bytes);        \
    }

#define CK_SIZE(bytes)                                                                                       \
    struct message_##bytes {                                                                                 \
        uint64_t words[(bytes) / 8];                                                                         \
    };                                                                                                       \
    CK_RING_PROTOTYPE(bytes, message_##bytes)                                                                \
    CK_FUNCTIONS(bytes, spsc)                                                                                \
    CK_FUNCTIONS(bytes, mpmc)                                                                                \
    CK_BODY(bytes, spsc)                                                                                     \
    CK_BODY(bytes, mpmc)

CK_SIZE(8)
CK_SIZE(56)
CK_SIZE(64)
CK_SIZE(256)
CK_SIZE(512)
CK_SIZE(1024)
CK_SIZE(4096)

/* Fan-in, which is measured at 64 B only. */
static inline bool ck_take_any_64(void *link, struct sink *sink, size_t size)
{
    ck_mpmc_fetch_64(link);
    return sink_take_any(sink, ((struct ck_link *)link)->buffer, size);
}

static void ck_body_fan_in(struct bench_role *role, struct ck_link *link)
{
    if (role->reader < 0)
        loop_produce(role, link, ck_mpmc_send_64, 64);
    else
        loop_consume(role, link, ck_take_any_64, 64);
}

typedef void (*ck_body_function)(struct bench_role *role, struct ck_link *link);

static const struct ck_size {
    size_t size;
    ck_body_function bodies[2]; /* by variant */
} ck_sizes[] = {
    {8, {ck_spsc_body_8, ck_mpmc_body_8}},          {56, {ck_spsc_body_56, ck_mpmc_body_56}},
    {64, {ck_spsc_body_64, ck_mpmc_body_64}},       {256, {ck_spsc_body_256, ck_mpmc_body_256}},
    {512, {ck_spsc_body_512, ck_mpmc_body_512}},    {1024, {ck_spsc_body_1024, ck_mpmc_body_1024}},
    {4096, {ck_spsc_body_4096, ck_mpmc_body_4096}},
};

static ck_body_function ck_find_body(size_t size, int variant)
{
    for (size_t i = 0; i < sizeof ck_sizes / sizeof ck_sizes[0]; i++)
        if (ck_sizes[i].size == size)
            return ck_sizes[i].bodies[variant];
    return NULL;
}

bool ck_ring_has(size_t size)
{
    return ck_find_body(size, CK_SPSC) != NULL;
}

static size_t ck_bytes(const struct bench_shape *shape)
{
    return (sizeof(struct ck_memory) + shape->slots * shape->size + APART - 1) / APART * APART;
}

static struct ck_memory *ck_memory_of(struct bench_run *run, unsigned which)
{
    return (struct ck_memory *)(void *)((char *)run->memory + which * ck_bytes(&run->shape));
}

int ck_prepare(struct bench_run *run, int variant)
{
    (void)variant;
    if (memory_prepare(run, 2 * ck_bytes(&run->shape)) != 0)
        return -1;
    for (unsigned i = 0; i < 2; i++)
        ck_ring_init(&ck_memory_of(run, i)->ring, run->shape.slots);
    return 0;
}

void ck_body(struct bench_role *role, int variant)
{
    struct bench_run *run = role->run;
    bool round_trip = run->shape.kind == ROUND_TRIP;
    struct ck_link link = {
        .out = ck_memory_of(run, round_trip ? role->index : 0),
        .in = ck_memory_of(run, round_trip ? 1 - role->index : 0),
        .yield_after = run->yield_after,
    };
    ck_body_function body = run->shape.senders > 1 ? ck_body_fan_in : ck_find_body(run->shape.size, variant);
    role_ready(role);
    body(role, &link);
}
