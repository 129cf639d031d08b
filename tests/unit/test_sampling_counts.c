/* SPDX-License-Identifier: Apache-2.0 */
/* Sampled messages: who counts them, once, and what for. */
#include "unit_sampling.h"

/* Seen often and taken once is counted once, by whichever call. */
UNIT(sampling_counts, counts_once)
{
    for (unsigned m = 0; m < MODES; m++) {
        const shmbus_channel_options options = mode(m);
        struct scene scene = open_scene(&options);
        shmbus_subscriber *const readers[] = {scene.subscriber, unit_worker(scene.bus, "w")};
        shmbus_message message;
        unsigned char byte;
        for (unsigned round = 1; round <= 5; round++) {
            be_slow();
            send_one(&scene, round % 2 ? 20 : 1000);
            check(sampled(&scene, scene.next - 1));
            for (unsigned who = 0; who < 2; who++) {
                check_fails(shmbus_recv(readers[who], &byte, 1, NULL, SHMBUS_NOWAIT), -EMSGSIZE, "buffer 1");
                check_fails(shmbus_recv(readers[who], &byte, 1, NULL, SHMBUS_NOWAIT), -EMSGSIZE, "buffer 1");
                for (unsigned i = 0; i < 5; i++) {
                    check_eq(shmbus_peek(readers[who], &message, SHMBUS_NOWAIT), 0);
                    check_eq(message.sequence, scene.next - 1);
                }
                check_eq(shmbus_release(readers[who]), 0);
                check_eq(samples_of(who), round);
            }
        }
        close_scene(&scene);
    }
}

static int stop_after_one(void *context, const shmbus_message *message)
{
    (void)message;
    ++*(unsigned *)context;
    return 1;
}

UNIT(sampling_counts, counts_what_poll_and_next_see)
{
    for (unsigned m = 0; m < MODES; m++) {
        const shmbus_channel_options options = mode(m);
        struct scene scene = open_scene(&options);
        shmbus_subscriber *const readers[] = {scene.subscriber, unit_worker(scene.bus, "w")};
        for (unsigned i = 0; i < 12; i++) {
            be_slow();
            send_one(&scene, i % 3 ? 20 : 200);
        }
        for (unsigned who = 0; who < 2; who++) {
            unsigned seen = 0;
            shmbus_message message;
            for (unsigned i = 1; i <= 6; i++) {
                check_eq(shmbus_poll(readers[who], 8, SHMBUS_NOWAIT, stop_after_one, &seen), 1);
                check_eq(samples_of(who), i);
            }
            for (unsigned i = 7; i <= 12; i++) {
                check_eq(shmbus_next(readers[who], &message, SHMBUS_NOWAIT), 0);
                check_eq(samples_of(who), i);
            }
            check_eq(shmbus_next(readers[who], &message, SHMBUS_NOWAIT), -EAGAIN);
            check_eq(samples_of(who), 12);
        }
        close_scene(&scene);
    }
}

/* Each of a shared group's members has what it saw itself. */
UNIT(sampling_counts, counts_where_it_was_seen)
{
    for (unsigned m = 0; m < MODES; m++) {
        const shmbus_channel_options options = mode(m);
        struct scene scene = open_scene(&options);
        shmbus_subscriber *const workers[] = {unit_worker(scene.bus, "w"), unit_worker(scene.bus, "w"),
                                              unit_worker(scene.bus, "w")};
        for (unsigned i = 0; i < 12; i++) {
            be_slow();
            send_one(&scene, 20);
            unit_receive(workers[i % 4 ? i % 4 - 1 : 0], scene.next - 1, 20, scene.next - 1);
        }
        const unsigned seen[] = {0, 6, 3, 3};
        for (unsigned i = 0; i < 4; i++) {
            check_eq(samples_of(i), seen[i]);
        }
        close_scene(&scene);
    }
}

/* The sum of all buckets is what was waited: a reader that comes so late counts so much. */
UNIT(sampling_counts, measures_the_time)
{
    const shmbus_channel_options options = mode(0);
    struct scene scene = open_scene(&options);
    uint64_t least = 0, most = 0;
    for (unsigned i = 0; i < 10; i++) {
        be_slow();
        const int64_t before = shmbus_now();
        send_one(&scene, 20);
        const int64_t between = shmbus_now();
        be_slow();
        const int64_t late = shmbus_now();
        receive_last(&scene, 20);
        least += (uint64_t)(late - between);
        most += (uint64_t)(shmbus_now() - before);
    }
    const shmbus_latency latency = latency_of(0);
    check_eq(latency.samples, 10);
    check(latency.sum_ns >= least && latency.sum_ns <= most);
    check(latency.largest_ns >= GAP_NS && latency.largest_ns <= most);
    for (unsigned i = 0; i < latency_bucket(GAP_NS); i++) {
        check_eq(latency.buckets[i], 0);
    }
    close_scene(&scene);
}

/* Who gets the entry of one that left starts with nothing. */
UNIT(sampling_counts, starts_with_nothing)
{
    const shmbus_channel_options options = mode(0);
    struct scene scene = open_scene(&options);
    for (unsigned i = 0; i < 10; i++) {
        send_one(&scene, 20);
    }
    (void)receive_all(&scene, scene.next - 10, 10, 20);
    check(samples_of(0) > 0 && unit_member_info(0).stats.largest_lag == 10);
    check_eq(shmbus_subscriber_close(scene.subscriber), 0);
    (void)unit_subscriber(scene.bus, "other");
    const shmbus_latency latency = latency_of(0);
    check_eq(latency.samples, 0);
    check_eq(latency.sum_ns, 0);
    check_eq(latency.largest_ns, 0);
    check_eq(unit_member_info(0).stats.largest_lag, 0);
    check_eq(unit_member_info(0).stats.spins, 0);
    close_scene(&scene);
}

/* The lag is that at sampled messages, each of `count` that are sent at once: the most of them all. */
static uint64_t most_lag(struct scene *scene, unsigned count)
{
    uint64_t most = 0;
    be_slow();
    for (unsigned i = 0; i < count; i++) {
        send_one(scene, 20);
    }
    for (unsigned left = count; most == 0 && left > 0; left--) {
        most = sampled(scene, scene->next - left) ? left : 0;
    }
    return most;
}

UNIT(sampling_counts, tells_the_largest_lag)
{
    for (unsigned m = 0; m < MODES; m++) {
        const shmbus_channel_options options = mode(m);
        struct scene scene = open_scene(&options);
        const unsigned lags[] = {3, 1, 20, 7, 40, 39, 63, 12};
        uint64_t largest = 0;
        for (unsigned round = 0; round < sizeof lags / sizeof *lags; round++) {
            const uint64_t most = most_lag(&scene, lags[round]);
            check(round > 0 || most == lags[0]); /* the first is always sampled */
            largest = most > largest ? most : largest;
            (void)receive_all(&scene, scene.next - lags[round], lags[round], 20);
            shmbus_subscriber_stats stats;
            check_eq(shmbus_subscriber_stats_get(scene.subscriber, &stats), 0);
            check_eq(stats.largest_lag, largest);
            check_eq(unit_member_info(0).stats.largest_lag, largest);
        }
        close_scene(&scene);
    }
}

UNIT(sampling_counts, refuses_what_is_no_member)
{
    const shmbus_channel_options options = mode(0);
    struct scene scene = open_scene(&options);
    shmbus_view *view = NULL;
    shmbus_latency latency;
    check_eq(shmbus_view_open(unit_bus, &view), 0);
    check_fails(shmbus_view_latency(view, 0, 0, NULL), -EINVAL, "NULL");
    check_fails(shmbus_view_latency(NULL, 0, 0, &latency), -EINVAL, "NULL");
    check_fails(shmbus_view_latency(view, 1, 0, &latency), -ENOENT, "channel number 1");
    check_fails(shmbus_view_latency(view, 0, UINT32_MAX, &latency), -EINVAL, "4294967295");
    shmbus_view_close(view);
    close_scene(&scene);
}
