/* SPDX-License-Identifier: Apache-2.0 */
/* What one thread does to a set, or to what is in it, at the very moment when another uses it. */
#include "unit_waitset.h"

#include "atomics.h"
#include "os_clock.h"

#define FOR_NS (500 * MS) /* how long a race is run: each round is another try */

struct race {
    shmbus_bus *bus;
    shmbus_waitset *set;
    shmbus_subscriber *subscriber;
    atomic_uint opened; /* rounds */
    atomic_uint closed;
    atomic_bool over;
};

static void *close_one_a_round(void *context)
{
    struct race *race = context;
    for (unsigned round = 1; !race->over; round++) {
        while (race->opened != round && !race->over) {
        }
        if (race->opened == round) {
            check_eq(shmbus_subscriber_close(race->subscriber), 0);
            race->closed = round;
        }
    }
    return NULL;
}

/*
 * The one that is added is closed at any moment: it must not stay in the set, with a channel that was freed with its
 * last user. True: it came in.
 */
static bool add_while_it_is_closed(struct race *race, unsigned round)
{
    race->subscriber = unit_subscriber_of(race->bus, "a");
    race->opened = round;
    for (unsigned i = 0; i < round % 32; i++) { /* a different moment each time */
        cpu_relax();
    }
    const bool added = shmbus_waitset_add_subscriber(race->set, race->subscriber, NULL) == 0;
    check_soon(race->closed == round);
    shmbus_event event;
    check_eq(shmbus_waitset_wait(race->set, &event, 1, SHMBUS_NOWAIT), -EAGAIN);
    return added;
}

UNIT(waitset_races, a_member_is_closed_while_it_is_added)
{
    struct race race = {.bus = unit_open(), .set = unit_waitset(SHMBUS_WAIT_SPIN)};
    pthread_t thread;
    check_eq(pthread_create(&thread, NULL, close_one_a_round, &race), 0);
    const int64_t until = os_clock_monotonic() + FOR_NS;
    unsigned added = 0;
    for (unsigned round = 1; os_clock_monotonic() < until || added == 0; round++) {
        added += add_while_it_is_closed(&race, round);
    }
    race.over = true;
    check_eq(pthread_join(thread, NULL), 0);
    check_eq(shmbus_waitset_close(race.set), 0);
    check_eq(shmbus_close(race.bus), 0);
}

static void *wait_often(void *context)
{
    struct race *race = context;
    shmbus_event event;
    for (;;) {
        const int result = shmbus_waitset_wait(race->set, &event, 1, shmbus_deadline(MS / 100));
        if (result == -EBADF || result == -ECANCELED) {
            return NULL;
        }
        check(result == -ETIMEDOUT || result == -EBUSY);
    }
}

/* One of two threads is refused, whichever comes first; and a close ends both, once. */
UNIT(waitset_races, two_threads_wait_while_the_set_is_closed)
{
    const int64_t until = os_clock_monotonic() + FOR_NS;
    do {
        struct race race = {.set = unit_waitset(SHMBUS_WAIT_SPIN)};
        check(shmbus_waitset_fd(race.set) >= 0);
        pthread_t threads[2];
        for (unsigned i = 0; i < 2; i++) {
            check_eq(pthread_create(&threads[i], NULL, wait_often, &race), 0);
        }
        const int64_t close_at = os_clock_monotonic() + MS;
        check_soon(os_clock_monotonic() >= close_at);
        check_eq(shmbus_waitset_close(race.set), 0);
        for (unsigned i = 0; i < 2; i++) {
            check_eq(pthread_join(threads[i], NULL), 0);
        }
    } while (os_clock_monotonic() < until);
}

/* What recv() refuses as too large is there still, and is not peeked. */
static void refuse(shmbus_bus *bus, struct unit_line line)
{
    shmbus_waitset *set = unit_waitset_of(&line, 1);
    for (unsigned size = 8; size <= 2048; size *= 16) {
        char large[2048] = {0}, small[4];
        check_eq(shmbus_send(line.publisher, large, size, SHMBUS_NOWAIT), 0);
        unit_only_ready(set, &line);
        check_fails(shmbus_recv(line.subscriber, small, sizeof small, NULL, SHMBUS_NOWAIT), -EMSGSIZE, "4");
        unit_only_ready(set, &line);
        check_fails(shmbus_release(line.subscriber), -EINVAL, "no message is peeked");
        shmbus_message message;
        check_eq(shmbus_next(line.subscriber, &message, SHMBUS_NOWAIT), 0);
        check_eq(message.size, size);
        unit_none_ready(set);
        check_fails(shmbus_recv(line.subscriber, small, sizeof small, NULL, SHMBUS_NOWAIT), -EMSGSIZE, "4");
        unit_none_ready(set); /* it was peeked before */
        check_eq(shmbus_recv(line.subscriber, large, sizeof large, NULL, SHMBUS_NOWAIT), size);
        unit_none_ready(set);
    }
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

UNIT(waitset_races, a_message_that_is_too_large_is_told_again)
{
    shmbus_bus *bus = unit_open();
    refuse(bus, unit_line(bus, "a"));
}

UNIT(waitset_races, a_copy_that_is_too_large_is_told_again)
{
    shmbus_bus *bus = unit_open();
    const shmbus_channel_options options = {.producers = SHMBUS_SINGLE, .overflow = SHMBUS_OVERWRITE};
    check_eq(shmbus_channel_create(bus, "a", &options), 0);
    struct unit_line line = {.name = "a"};
    check_eq(shmbus_publisher_open(bus, "a", NULL, &line.publisher), 0);
    check_eq(shmbus_subscriber_open(bus, "a", NULL, &line.subscriber), 0);
    refuse(bus, line);
}

/* The interrupt ends the batch; the count of what was sent is told first. */
UNIT(waitset_races, an_interrupt_that_ends_a_batch_is_told_by_the_next_call)
{
    shmbus_bus *bus = unit_open();
    const shmbus_publisher_options options = {.channel = &unit_small, .interruptible = 1};
    shmbus_publisher *publisher;
    check_eq(shmbus_publisher_open(bus, "a", &options, &publisher), 0);
    (void)unit_subscriber_of(bus, "a");
    struct iovec messages[32];
    for (unsigned i = 0; i < 32; i++) {
        messages[i] = (struct iovec){.iov_base = &messages, .iov_len = 1};
    }
    shmbus_interrupt();
    const int sent = shmbus_send_batch(publisher, messages, 32, SHMBUS_FOREVER);
    check(sent > 0 && sent < 32);
    check_eq(shmbus_send(publisher, "x", 1, SHMBUS_FOREVER), -EINTR);
    check_eq(shmbus_send(publisher, "x", 1, shmbus_deadline(MS)), -ETIMEDOUT);
    check_eq(shmbus_close(bus), 0);
}

/* A member that died or left has left messages to the others: seen also by who has no time to wait. */
UNIT(waitset_races, a_deadline_that_is_over_allows_a_thorough_look)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &unit_small);
    shmbus_subscriber *leaves = unit_worker(bus, "g"), *stays = unit_worker(bus, "g");
    shmbus_waitset *set = unit_waitset(SHMBUS_WAIT_ADAPTIVE);
    check_eq(shmbus_waitset_add_subscriber(set, stays, stays), 0);
    check_eq(shmbus_send(publisher, "x", 1, SHMBUS_NOWAIT), 0);
    shmbus_message message;
    check_eq(shmbus_peek(leaves, &message, SHMBUS_NOWAIT), 0);
    check_eq(shmbus_subscriber_close(leaves), 0);
    shmbus_event event;
    check_eq(shmbus_waitset_wait(set, &event, 1, shmbus_deadline(0)), 1);
    check(event.tag == stays);
    check_eq(shmbus_peek(stays, &message, SHMBUS_NOWAIT), 0);
    check_eq(message.flags, UNIT_REDELIVERED(1));
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}
