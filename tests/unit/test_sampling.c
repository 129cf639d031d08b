/* SPDX-License-Identifier: Apache-2.0 */
/* Sampled messages: which ones say when they were sent, that nothing else of them changes, and who counts them. */
#include "unit_sampling.h"
#include "unit_waitset.h"

#include <sys/uio.h>

/* -------------------------------------------------------------------------------- which, and what of it */

/* Is there room for the time behind a message of `size` bytes, or is the message in the arena? */
static bool has_room(const struct ring *ring, size_t size)
{
    return size + sizeof(uint64_t) <= ring->inline_max || size > ring->inline_max;
}

/* The first message is sampled, whatever its size; the time lies behind it, and it stays whole. */
UNIT(sampling, every_size_in_every_mode)
{
    for (unsigned m = 0; m < MODES; m++) {
        const shmbus_channel_options options = mode(m);
        for (size_t size = 0; size <= options.largest; size += size < 300 ? 1 : 379) {
            struct scene scene = open_scene(&options);
            const int64_t before = shmbus_now();
            send_one(&scene, size);
            const int64_t after = shmbus_now();
            check_eq(sampled(&scene, scene.next - 1), has_room(&scene.ring, size));
            if (has_room(&scene.ring, size)) {
                check(sent(&scene, scene.next - 1) >= before && sent(&scene, scene.next - 1) <= after);
            }
            receive_last(&scene, size);
            const shmbus_latency latency = latency_of(0);
            check_eq(latency.samples, has_room(&scene.ring, size));
            check(latency.largest_ns <= (uint64_t)(shmbus_now() - before));
            check_eq(latency.sum_ns, latency.largest_ns);
            close_scene(&scene);
        }
    }
}

UNIT(sampling, takes_all_of_a_slow_stream)
{
    for (unsigned m = 0; m < MODES; m++) {
        const shmbus_channel_options options = mode(m);
        struct scene scene = open_scene(&options);
        for (unsigned i = 1; i <= 20; i++) {
            const size_t size = i % 3 == 0 ? 1000 + i : i;
            be_slow();
            send_one(&scene, size);
            check(sampled(&scene, scene.next - 1));
            receive_last(&scene, size);
            check_eq(samples_of(0), i);
        }
        close_scene(&scene);
    }
}

/* A fast stream pays for few: never less than one in so many, however long it goes on. */
static void check_fast(const shmbus_channel_options *options, size_t size)
{
    const uint64_t count = 40 * LATENCY_STEP_MAX;
    struct scene scene = open_scene(options);
    uint64_t last = 0, gap = 0, found = 0;
    for (uint64_t i = 0; i < count; i++) {
        send_one(&scene, size);
        if (sampled(&scene, scene.next - 1)) {
            check(i - last <= LATENCY_STEP_MAX);
            check(gap == 0 || i - last <= 2 * gap); /* slowly up */
            gap = i - last;
            last = i;
            found++;
        }
        receive_last(&scene, size);
    }
    check(count - last <= LATENCY_STEP_MAX);
    check(found >= count / LATENCY_STEP_MAX && found < count);
    check_eq(samples_of(0), found);
    close_scene(&scene);
}

UNIT(sampling, takes_few_of_a_fast_stream)
{
    for (unsigned m = 0; m < 4; m++) {
        const shmbus_channel_options options = mode(m);
        check_fast(&options, 16);
    }
}

UNIT(sampling, takes_few_of_a_fast_stream_in_the_arena)
{
    for (unsigned m = 0; m < 4; m++) {
        const shmbus_channel_options options = mode(m);
        check_fast(&options, 100);
    }
}

/* Is the next message of this size sent without a claim, through the window? */
static bool is_fast(const struct scene *scene, uint64_t from)
{
    const position intent = load64_acquire(&scene->ring.publishers[0].intent);
    return position_sequence(intent) <= (uint32_t)from;
}

/* Messages that fill their slot: none says when it was sent, and they go the short way all the same. */
UNIT(sampling, leaves_full_slots_alone)
{
    for (unsigned m = 0; m < MODES; m++) {
        const shmbus_channel_options options = mode(m);
        for (size_t size = options.slot_size - 15; size <= options.slot_size - 8; size++) {
            struct scene scene = open_scene(&options);
            unsigned fast = 0;
            for (unsigned i = 0; i < 3000; i++) {
                send_one(&scene, size);
                fast += (m & 3) == 1 && is_fast(&scene, scene.next - 1);
                check(!sampled(&scene, scene.next - 1));
                receive_last(&scene, size);
            }
            check((m & 3) != 1 || fast > 1000);
            check_eq(samples_of(0), 0);
            close_scene(&scene);
        }
    }
}

/* Behind one that has no room comes one that has, in the stream of one publisher and of two. */
UNIT(sampling, goes_on_behind_a_full_slot)
{
    for (unsigned m = 0; m < MODES; m++) {
        const shmbus_channel_options options = mode(m);
        struct scene scene = open_scene(&options);
        be_slow();
        send_one(&scene, options.slot_size - 8);
        check(!sampled(&scene, scene.next - 1));
        be_slow();
        send_one(&scene, options.slot_size - 16);
        check(sampled(&scene, scene.next - 1));
        close_scene(&scene);
    }
}

/* --------------------------------------------------------------------------------- all ways of sending */

UNIT(sampling, of_a_claim_by_its_final_size)
{
    for (unsigned m = 0; m < MODES; m++) {
        const shmbus_channel_options options = mode(m);
        const size_t full = options.slot_size - 8;
        const struct {
            size_t claimed, committed;
            bool room;
        } cases[] = {{full, full, false}, {full, full - 7, false}, {full, full - 8, true}, {full, 0, true},
                     {1000, full, true},  {1000, 1, true},         {1000, 1000, true},     {0, 0, true}};
        for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct scene scene = open_scene(&options);
            shmbus_claim_t claim = {.size = cases[i].claimed};
            check_eq(shmbus_claim(scene.publisher, &claim, SHMBUS_NOWAIT), 0);
            unit_fill(claim.data, cases[i].committed, claim.sequence);
            claim.size = cases[i].committed;
            check_eq(shmbus_commit(scene.publisher, &claim), 0);
            check_eq(sampled(&scene, scene.next), cases[i].room);
            unit_receive(scene.subscriber, scene.next, claim.size, scene.next);
            check_eq(samples_of(0), cases[i].room);
            close_scene(&scene);
        }
    }
}

static unsigned count_sampled(const struct scene *scene, uint64_t first, unsigned count)
{
    unsigned found = 0;
    for (unsigned i = 0; i < count; i++) {
        found += sampled(scene, first + i);
    }
    return found;
}

/* Of a batch of claims, committed from the last to the first: never two of one instant, and what is sampled is counted. */
UNIT(sampling, of_batches_of_claims)
{
    for (unsigned m = 0; m < MODES; m++) {
        const shmbus_channel_options options = mode(m);
        struct scene scene = open_scene(&options);
        shmbus_claim_t claims[16];
        for (unsigned i = 0; i < 16; i++) {
            claims[i].size = 20;
        }
        check_eq(shmbus_claim_batch(scene.publisher, claims, 16, SHMBUS_NOWAIT), 16);
        for (unsigned i = 16; i-- > 0;) {
            unit_fill(claims[i].data, 20, claims[i].sequence);
            check_eq(shmbus_commit(scene.publisher, &claims[i]), 0);
        }
        check(sampled(&scene, scene.next + 15)); /* the first that was finished */
        const unsigned found = count_sampled(&scene, scene.next, 16);
        check_eq(found, 1); /* those before it are none of its followers */
        check_eq(receive_all(&scene, scene.next, 16, 20), found);
        close_scene(&scene);
    }
}

UNIT(sampling, of_send_batch)
{
    for (unsigned m = 0; m < MODES; m++) {
        const shmbus_channel_options options = mode(m);
        struct scene scene = open_scene(&options);
        static unsigned char data[40][24];
        struct iovec messages[40];
        for (unsigned i = 0; i < 40; i++) {
            unit_fill(data[i], 24, scene.next + i);
            messages[i] = (struct iovec){data[i], 24};
        }
        check_eq(shmbus_send_batch(scene.publisher, messages, 40, SHMBUS_NOWAIT), 40);
        check(sampled(&scene, scene.next));
        const unsigned found = count_sampled(&scene, scene.next, 40);
        check(found >= 1 && found < 40);
        check_eq(receive_all(&scene, scene.next, 40, 24), found);
        close_scene(&scene);
    }
}

/* What is given up says nothing, and its turn goes to the next one. */
UNIT(sampling, passes_over_the_aborted)
{
    for (unsigned m = 0; m < MODES; m++) {
        const shmbus_channel_options options = mode(m);
        struct scene scene = open_scene(&options);
        for (unsigned i = 0; i < 5; i++) {
            shmbus_claim_t claim = {.size = i % 2 ? 1000 : 20};
            check_eq(shmbus_claim(scene.publisher, &claim, SHMBUS_NOWAIT), 0);
            check_eq(shmbus_abort(scene.publisher, &claim), 0);
            check(!sampled(&scene, scene.next));
            scene.next++;
        }
        send_one(&scene, 20);
        check(sampled(&scene, scene.next - 1));
        receive_last(&scene, 20);
        check_eq(samples_of(0), 1);
        close_scene(&scene);
    }
}

/* Two publishers of one channel have each their own pace, and none hides the other's. */
UNIT(sampling, of_two_publishers)
{
    for (unsigned m = 0; m < MODES; m += 2) {
        const shmbus_channel_options options = mode(m);
        struct scene scene = open_scene(&options);
        shmbus_publisher *const publishers[] = {scene.publisher, unit_publisher(scene.bus, NULL)};
        uint64_t found = 0;
        for (unsigned i = 0; i < 3000; i++) {
            const bool slow = i % 100 == 99; /* the second sends one message in a hundred */
            if (slow) {
                be_slow();
            }
            scene.publisher = publishers[slow];
            send_one(&scene, 20);
            check(!slow || sampled(&scene, scene.next - 1));
            found += sampled(&scene, scene.next - 1);
            receive_last(&scene, 20);
        }
        check_eq(samples_of(0), found);
        close_scene(&scene);
    }
}

/* A stream that was fast and now has a reader that sleeps: it is not long until it is sampled again. */
UNIT(sampling, goes_on_soon_behind_a_wake_up)
{
    for (unsigned m = 0; m < 4; m++) {
        const shmbus_channel_options options = mode(m);
        struct scene scene = open_scene(&options);
        struct unit_line line = {.subscriber = scene.subscriber};
        for (unsigned i = 0; i < 4 * LATENCY_STEP_MAX; i++) { /* fast, for long */
            send_one(&scene, 20);
            receive_last(&scene, 20);
        }
        struct unit_call call = {.body = unit_call_receive, .line = &line, .deadline = SHMBUS_FOREVER};
        unit_call_start_asleep(&call);
        check_soon(unit_asleep(&scene.ring.shared->data));
        uint64_t word = 0;
        check_eq(shmbus_send(scene.publisher, &word, sizeof word, SHMBUS_NOWAIT), 0);
        bool found = sampled(&scene, scene.next++);
        check_eq(unit_call_finish(&call), sizeof word);
        for (unsigned i = 0; i <= LATENCY_STEP_WOKEN && !found; i++) {
            send_one(&scene, 20);
            found = sampled(&scene, scene.next - 1);
            receive_last(&scene, 20);
        }
        check(found);
        close_scene(&scene);
    }
}
