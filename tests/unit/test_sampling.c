/* SPDX-License-Identifier: Apache-2.0 */
/* Sampled latencies: which messages say when they were sent, and who counts them. */
#include "unit_map.h"

#include "latency.h"

#define SLOTS 64u

struct scene {
    shmbus_bus *bus;
    shmbus_publisher *publisher;
    shmbus_subscriber *subscriber;
    struct ring ring;
};

static struct scene open_scene(unsigned mode, uint32_t slot_size)
{
    const shmbus_channel_options options = {
        .producers = mode & 1 ? SHMBUS_SINGLE : SHMBUS_MULTI,
        .overflow = mode & 2 ? SHMBUS_OVERWRITE : SHMBUS_BLOCK,
        .slots = SLOTS,
        .slot_size = slot_size,
        .arena = 64 << 10,
    };
    struct scene scene = {.bus = unit_open()};
    check_eq(shmbus_channel_create(scene.bus, "c", &options), 0);
    scene.ring = unit_ring(unit_map());
    scene.publisher = unit_publisher(scene.bus, NULL);
    scene.subscriber = unit_subscriber(scene.bus, "readers");
    return scene;
}

static void close_scene(const struct scene *scene)
{
    check_eq(shmbus_close(scene->bus), 0);
    check_eq(shmbus_remove(unit_bus), 0);
}

#define EVERY_MODE(scene, slot_size)                                                                         \
    for (unsigned mode = 0; mode < 4; mode++)                                                                \
        for (struct scene scene = open_scene(mode, slot_size); scene.bus;                                    \
             close_scene(&scene), scene.bus = NULL)

static shmbus_latency latency_of(uint32_t member)
{
    shmbus_view *view = NULL;
    shmbus_latency latency;
    check_eq(shmbus_view_open(unit_bus, &view), 0);
    check_eq(shmbus_view_latency(view, 0, member, &latency), 0);
    shmbus_view_close(view);
    uint64_t sum = 0;
    for (unsigned i = 0; i < SHMBUS_LATENCY_BUCKETS; i++) {
        sum += latency.buckets[i];
    }
    check_eq(sum, latency.samples);
    check(latency.largest_ns <= latency.sum_ns);
    return latency;
}

static bool is_sampled(const struct scene *scene, uint64_t sequence)
{
    return (load64_acquire(ring_slot(&scene->ring, sequence)) & STAMP_SAMPLED) != 0;
}

/* Longer than from one sample to the next. */
static void let_time_pass(void)
{
    const int64_t until = shmbus_now() + 2100000;
    while (shmbus_now() < until) {
    }
}

UNIT(sampling, tells_the_truth)
{
    EVERY_MODE(scene, 64)
    {
        const int64_t before = shmbus_now();
        check_eq(unit_send(scene.publisher, 48, 7, SHMBUS_NOWAIT), 0);
        const int64_t after = shmbus_now();
        check(is_sampled(&scene, 0));
        const int64_t sent = (int64_t)load64_relaxed(ring_sent(&scene.ring, ring_slot(&scene.ring, 0)));
        check(sent >= before && sent <= after);
        let_time_pass();
        const int64_t asked = shmbus_now();
        unit_receive(scene.subscriber, 0, 48, 7);
        const shmbus_latency latency = latency_of(0);
        check_eq(latency.samples, 1);
        check(latency.sum_ns >= (uint64_t)(asked - after) &&
              latency.sum_ns <= (uint64_t)(shmbus_now() - before));
        check_eq(latency.largest_ns, latency.sum_ns);
    }
}

/* Every size: where there is room, the message is whole with the time behind it; where not, it is not sampled. */
UNIT(sampling, leaves_messages_whole)
{
    static const uint32_t slot_sizes[] = {64, 128, 256};
    for (unsigned k = 0; k < 3; k++) {
        const size_t room = slot_sizes[k] - 16;
        const size_t slot = slot_sizes[k] - 8;
        EVERY_MODE(scene, slot_sizes[k])
        {
            uint64_t samples = 0;
            for (size_t size = 0; size <= slot + 80; size++) {
                let_time_pass();
                check_eq(unit_send(scene.publisher, size, size, SHMBUS_NOWAIT), 0);
                check_eq(is_sampled(&scene, size), size <= room || size > slot);
                samples += is_sampled(&scene, size);
                unit_receive(scene.subscriber, size, size, size);
            }
            check_eq(latency_of(0).samples, samples);
        }
    }
}

UNIT(sampling, takes_one_of_4096_of_a_stream_at_least)
{
    EVERY_MODE(scene, 64)
    {
        uint64_t last = 0;
        for (uint64_t i = 0; i < 40000; i++) {
            check_eq(unit_send(scene.publisher, 40, i, SHMBUS_NOWAIT), 0);
            if (is_sampled(&scene, i)) {
                check(i - last <= LATENCY_STEP_MAX);
                last = i;
            }
            unit_receive(scene.subscriber, i, 40, i);
        }
        check(latency_of(0).samples >= 40000 / LATENCY_STEP_MAX);
        check(latency_of(0).samples < 40000);
    }
}

/* Batches and claims take other ways than single messages. */
UNIT(sampling, takes_batches_and_claims)
{
    EVERY_MODE(scene, 64)
    {
        char data[40] = {0};
        struct iovec batch[8];
        for (unsigned i = 0; i < 8; i++) {
            batch[i] = (struct iovec){data, sizeof data};
        }
        check_eq(shmbus_send_batch(scene.publisher, batch, 8, SHMBUS_NOWAIT), 8);
        check(is_sampled(&scene, 0));
        let_time_pass();
        for (unsigned i = 0; i < 12; i++) { /* the last step was 8 at most */
            shmbus_claim_t claim = {.size = 300};
            check_eq(shmbus_claim(scene.publisher, &claim, SHMBUS_NOWAIT), 0);
            check_eq(shmbus_commit(scene.publisher, &claim), 0);
        }
        unsigned sampled = 0;
        for (unsigned i = 8; i < 20; i++) {
            sampled += is_sampled(&scene, i);
        }
        check(sampled > 0);
        shmbus_claim_t claim = {.size = 8};
        let_time_pass();
        check_eq(shmbus_claim(scene.publisher, &claim, SHMBUS_NOWAIT), 0);
        check_eq(shmbus_abort(scene.publisher, &claim), 0);
        check(!is_sampled(&scene, 20));
    }
}

UNIT(sampling, counts_a_message_once)
{
    EVERY_MODE(scene, 64)
    {
        shmbus_message message;
        check_eq(unit_send(scene.publisher, 8, 1, SHMBUS_NOWAIT), 0);
        for (unsigned i = 0; i < 5; i++) {
            check_eq(shmbus_peek(scene.subscriber, &message, SHMBUS_NOWAIT), 0);
        }
        check_eq(shmbus_release(scene.subscriber), 0);
        check_eq(latency_of(0).samples, 1);
        check_eq(shmbus_peek(scene.subscriber, &message, SHMBUS_NOWAIT), -EAGAIN);
        check_eq(latency_of(0).samples, 1);
    }
}

UNIT(sampling, is_each_members_own)
{
    EVERY_MODE(scene, 64)
    {
        shmbus_subscriber *second = unit_worker(scene.bus, "workers");
        check_eq(unit_send(scene.publisher, 8, 1, SHMBUS_NOWAIT), 0);
        unit_receive(second, 0, 8, 1);
        check_eq(latency_of(0).samples, 0);
        check_eq(latency_of(1).samples, 1);
        check_eq(shmbus_subscriber_close(second), 0);
        second = unit_worker(scene.bus, "others");
        check_eq(latency_of(1).samples, 0); /* who takes the entry starts anew */
        check_eq(latency_of(1).sum_ns, 0);
    }
}

UNIT(sampling, tells_how_far_a_reader_was_behind)
{
    struct scene scene = open_scene(0, 64);
    for (uint64_t i = 0; i < 30; i++) {
        let_time_pass(); /* so that each is sampled */
        check_eq(unit_send(scene.publisher, 8, i, SHMBUS_NOWAIT), 0);
    }
    for (uint64_t i = 0; i < 30; i++) {
        unit_receive(scene.subscriber, i, 8, i);
    }
    check_eq(unit_member_info(0).stats.largest_lag, 30);
    check_eq(latency_of(0).samples, 30);
    close_scene(&scene);
}

/* The age of what a group has not given back comes from the same. */
UNIT(sampling, tells_how_old_the_oldest_message_is)
{
    EVERY_MODE(scene, 64)
    {
        shmbus_message message;
        const int64_t before = shmbus_now();
        check_eq(unit_send(scene.publisher, 8, 1, SHMBUS_NOWAIT), 0);
        const int64_t after = shmbus_now();
        let_time_pass();
        check_eq(unit_send(scene.publisher, 8, 2, SHMBUS_NOWAIT), 0);
        check_eq(shmbus_peek(scene.subscriber, &message, SHMBUS_NOWAIT), 0);
        const shmbus_group_info group = unit_group_info("readers");
        check_eq(group.position, 0);
        check(group.oldest_ns >= before && group.oldest_ns <= after);
        check_eq(shmbus_release(scene.subscriber), 0);
    }
}
