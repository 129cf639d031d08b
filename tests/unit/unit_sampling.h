/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sampled messages: a channel of any mode with its publisher and its reader, and what its segment says of them.
 *
 * concurrency   the test's own thread
 * killed        nothing stays but the test's bus
 */
#ifndef SHMBUS_TESTS_UNIT_SAMPLING_H
#define SHMBUS_TESTS_UNIT_SAMPLING_H

#include "unit_map.h"

#include "latency.h"

#define SLOTS 64u
#define GAP_NS 2000000 /* a publisher that sends less often than that is sampled whole */

/* One channel "c" with a publisher and an exclusive reader, and what its segment says. */
struct scene {
    shmbus_bus *bus;
    shmbus_publisher *publisher;
    shmbus_subscriber *subscriber;
    struct ring ring;
    uint64_t next; /* sequence */
};

static inline struct scene open_scene(const shmbus_channel_options *options)
{
    struct scene scene = {.bus = unit_open(), .next = options->first_sequence};
    scene.publisher = unit_publisher(scene.bus, options);
    scene.subscriber = unit_subscriber(scene.bus, "g");
    scene.ring = unit_ring(unit_map());
    return scene;
}

static inline void close_scene(const struct scene *scene)
{
    check_eq(shmbus_close(scene->bus), 0);
    check_eq(shmbus_remove(unit_bus), 0);
}

/* Each of the 12 modes, one after the other. */
#define MODES 12u

static inline shmbus_channel_options mode(unsigned index)
{
    return (shmbus_channel_options){
        .producers = index & 1 ? SHMBUS_SINGLE : SHMBUS_MULTI,
        .overflow = index & 2 ? SHMBUS_OVERWRITE : SHMBUS_BLOCK,
        .slots = SLOTS,
        .slot_size = 64u << (index / 4),
        .arena = 64 << 10,
        .largest = 4096,
        .first_sequence = (UINT64_C(1) << 32) - 200,
    };
}

static inline bool sampled(const struct scene *scene, uint64_t sequence)
{
    return (load64_acquire(ring_slot(&scene->ring, sequence)) & STAMP_SAMPLED) != 0;
}

/* When message `sequence` was sent, as its slot says. */
static inline int64_t sent(const struct scene *scene, uint64_t sequence)
{
    return (int64_t)load64_relaxed(ring_sent(&scene->ring, ring_slot(&scene->ring, sequence)));
}

static inline shmbus_latency latency_of(uint32_t member)
{
    shmbus_view *view = NULL;
    shmbus_latency latency;
    check_eq(shmbus_view_open(unit_bus, &view), 0);
    check_eq(shmbus_view_latency(view, 0, member, &latency), 0);
    shmbus_view_close(view);
    return latency;
}

static inline uint64_t samples_of(uint32_t member)
{
    return latency_of(member).samples;
}

/* So late that the next message is the first of a slow stream. */
static inline void be_slow(void)
{
    const int64_t end = shmbus_now() + GAP_NS;
    while (shmbus_now() < end) {
        /* a stretch of time is what this is about: it is measured, not waited for */
    }
}

static inline void send_one(struct scene *scene, size_t size)
{
    check_eq(unit_send(scene->publisher, size, scene->next, SHMBUS_NOWAIT), 0);
    scene->next++;
}

static inline void receive_last(const struct scene *scene, size_t size)
{
    unit_receive(scene->subscriber, scene->next - 1, size, scene->next - 1);
}

/* What the reader counted, once it has taken these. */
static inline unsigned receive_all(const struct scene *scene, uint64_t first, unsigned count, size_t size)
{
    for (unsigned i = 0; i < count; i++) {
        unit_receive(scene->subscriber, first + i, size, first + i);
    }
    return (unsigned)samples_of(0);
}

#endif
