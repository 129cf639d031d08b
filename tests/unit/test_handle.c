/* SPDX-License-Identifier: Apache-2.0 */
/* Handles that are NULL, closed, foreign, garbage, inherited by a fork, or used while others close them. */
#define _GNU_SOURCE
#include "unit_map.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static const shmbus_channel_options multi = {.slots = 64};
static const shmbus_channel_options single = {.producers = SHMBUS_SINGLE, .slots = 64};

static int no_callback(void *context, const shmbus_message *message)
{
    (void)context;
    (void)message;
    unit_fail(__FILE__, __LINE__, "called back");
}

/* ------------------------------------------------------------------------------- handles that are none */

static void check_no_bus(void *handle, const char *word)
{
    shmbus_publisher *p = NULL;
    shmbus_subscriber *s = NULL;
    shmbus_channel_options options;
    check_fails(shmbus_channel_create(handle, "c", NULL), -EBADF, word);
    check_fails(shmbus_channel_options_of(handle, "c", &options), -EBADF, word);
    check_fails(shmbus_channel_remove(handle, "c"), -EBADF, word);
    check_fails(shmbus_group_remove(handle, "c", "g"), -EBADF, word);
    check_fails(shmbus_publisher_open(handle, "c", NULL, &p), -EBADF, word);
    check_fails(shmbus_subscriber_open(handle, "c", NULL, &s), -EBADF, word);
    check_fails(shmbus_close(handle), -EBADF, word);
    check(p == NULL && s == NULL);
}

static void check_no_publisher(void *handle, const char *word)
{
    shmbus_claim_t claim = {.size = 1};
    shmbus_publisher_stats stats;
    const struct iovec message = {.iov_base = &claim, .iov_len = 1};
    check_fails(shmbus_send(handle, "x", 1, SHMBUS_NOWAIT), -EBADF, word);
    check_fails(shmbus_send(handle, "x", 1, SHMBUS_FOREVER), -EBADF, word);
    check_fails(shmbus_send(handle, NULL, 0, SHMBUS_NOWAIT), -EBADF, word);
    check_fails(shmbus_send_batch(handle, &message, 1, SHMBUS_NOWAIT), -EBADF, word);
    check_fails(shmbus_claim(handle, &claim, SHMBUS_FOREVER), -EBADF, word);
    check_fails(shmbus_claim_batch(handle, &claim, 1, SHMBUS_NOWAIT), -EBADF, word);
    check_fails(shmbus_commit(handle, &claim), -EBADF, word);
    check_fails(shmbus_abort(handle, &claim), -EBADF, word);
    check_fails(shmbus_commit_batch(handle, &claim, 1), -EBADF, word);
    check_fails(shmbus_abort_batch(handle, &claim, 1), -EBADF, word);
    check_fails(shmbus_publisher_stats_get(handle, &stats), -EBADF, word);
    check_fails(shmbus_publisher_close(handle), -EBADF, word);
}

static void check_no_subscriber(void *handle, const char *word)
{
    shmbus_message message;
    shmbus_subscriber_stats stats;
    char byte;
    check_fails(shmbus_recv(handle, &byte, 1, NULL, SHMBUS_NOWAIT), -EBADF, word);
    check_fails(shmbus_recv(handle, &byte, 1, NULL, SHMBUS_FOREVER), -EBADF, word);
    check_fails(shmbus_peek(handle, &message, SHMBUS_NOWAIT), -EBADF, word);
    check_fails(shmbus_next(handle, &message, SHMBUS_FOREVER), -EBADF, word);
    check_fails(shmbus_release(handle), -EBADF, word);
    check_fails(shmbus_poll(handle, 1, SHMBUS_FOREVER, no_callback, NULL), -EBADF, word);
    check_fails(shmbus_subscriber_stats_get(handle, &stats), -EBADF, word);
    check_fails(shmbus_subscriber_close(handle), -EBADF, word);
}

static void check_no_handle(void *handle, const char *word)
{
    check_no_publisher(handle, word);
    check_no_subscriber(handle, word);
    check_no_bus(handle, word);
}

/* As a program's first calls: nothing of the library is set up yet. */
UNIT(handle, null_before_anything)
{
    check_no_handle(NULL, "NULL");
}

UNIT(handle, garbage_before_anything)
{
    check_no_handle((void *)(uintptr_t)0x1235, "no open");
}

static void check_nonsense(void)
{
    uint64_t random = 1;
    char on_the_stack = 0;
    check_no_handle(NULL, "NULL");
    check_no_handle(&on_the_stack, "no open");
    for (uintptr_t i = 1; i < 64; i++) {
        check_no_handle((void *)(UINT64_C(1) << i), "no open"); /* NOLINT(performance-no-int-to-ptr) */
        check_no_handle((void *)~i, "no open");                 /* NOLINT(performance-no-int-to-ptr) */
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        check_no_handle((void *)random, "no open"); /* NOLINT(performance-no-int-to-ptr) */
    }
}

UNIT(handle, null_and_garbage)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &single);
    shmbus_subscriber *subscriber = unit_subscriber(bus, NULL);
    check_nonsense(); /* before the first call that a cache could remember */
    check_eq(unit_send(publisher, 10, 0, SHMBUS_NOWAIT), 0);
    unit_receive(subscriber, 0, 10, 0);
    check_nonsense();
    check_eq(shmbus_publisher_close(publisher), 0);
    check_nonsense();
    unit_check_ledger();
    check_eq(shmbus_close(bus), 0);
}

UNIT(handle, of_another_kind)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &multi);
    shmbus_subscriber *subscriber = unit_subscriber(bus, NULL);
    for (unsigned i = 0; i < 2; i++) {
        check_no_publisher((void *)subscriber, "no open publisher");
        check_no_publisher((void *)bus, "no open publisher");
        check_no_subscriber((void *)publisher, "no open subscriber");
        check_no_subscriber((void *)bus, "no open subscriber");
        check_no_bus((void *)publisher, "no open bus");
        check_no_bus((void *)subscriber, "no open bus");
        check_eq(unit_send(publisher, 10, i, SHMBUS_NOWAIT), 0); /* now they are in the thread's cache */
        unit_receive(subscriber, i, 10, i);
    }
    check_eq(shmbus_close(bus), 0);
}

UNIT(handle, closed)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &multi);
    shmbus_subscriber *subscriber = unit_subscriber(bus, NULL);
    check_eq(unit_send(publisher, 10, 0, SHMBUS_NOWAIT), 0);
    unit_receive(subscriber, 0, 10, 0);
    check_eq(shmbus_publisher_close(publisher), 0);
    check_no_publisher(publisher, "no open publisher");
    check_eq(shmbus_subscriber_close(subscriber), 0);
    check_no_subscriber(subscriber, "no open subscriber");
    check_eq(shmbus_close(bus), 0);
    check_no_bus(bus, "no open bus");
}

/* More handles than any cache holds, in every order. */
UNIT(handle, many)
{
    enum {
        COUNT = 30
    };
    shmbus_bus *bus = unit_open();
    const shmbus_channel_options wide = {.slots = 1024, .groups = COUNT, .publishers = COUNT};
    shmbus_publisher *publishers[COUNT];
    shmbus_subscriber *subscribers[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        publishers[i] = unit_publisher(bus, &wide);
        subscribers[i] = unit_subscriber(bus, NULL);
    }
    for (uint64_t i = 0; i < 500; i++) {
        check_eq(unit_send(publishers[i * 7 % COUNT], 20, i, SHMBUS_NOWAIT), 0);
        for (unsigned j = 0; j < COUNT; j++) {
            unit_receive(subscribers[(j + i) % COUNT], i, 20, i);
        }
    }
    for (unsigned i = 0; i < COUNT; i++) {
        check_eq(shmbus_publisher_close(publishers[i]), 0);
        for (unsigned j = 0; j < COUNT; j++) {
            check_eq(shmbus_send(publishers[j], "x", 1, SHMBUS_NOWAIT), j <= i ? -EBADF : 0);
        }
    }
    check_eq(shmbus_close(bus), 0);
}

/* --------------------------------------------------------------------------------------------- forks */

struct inherited {
    shmbus_bus *bus;
    shmbus_publisher *publisher;
    shmbus_subscriber *subscriber;
};

static void use_inherited(void *context)
{
    const struct inherited *inherited = context;
    check_no_publisher(inherited->publisher, "fork");
    check_no_subscriber(inherited->subscriber, "fork");
    check_no_bus(inherited->bus, "fork");
    shmbus_bus *bus = unit_open();
    shmbus_publisher *refused = NULL;
    check_fails(shmbus_publisher_open(bus, "c", NULL, &refused), -EBUSY, "single", "participant 0");
    shmbus_subscriber *subscriber = unit_subscriber(bus, NULL);
    unit_receive(subscriber, 0, 10, 0);
    check_no_publisher(inherited->publisher, "fork");
    check_eq(shmbus_subscriber_close(subscriber), 0);
    check_eq(shmbus_close(bus), 0);
}

static void check_fork(bool after_a_close)
{
    struct inherited inherited = {.bus = unit_open()};
    if (after_a_close) {
        check_eq(shmbus_close(unit_open()), 0); /* liburcu has a thread from now on */
    }
    inherited.publisher = unit_publisher(inherited.bus, &single);
    inherited.subscriber = unit_subscriber(inherited.bus, NULL);
    check_eq(unit_send(inherited.publisher, 10, 0, SHMBUS_NOWAIT), 0);
    unit_join(unit_fork(use_inherited, &inherited));
    /* The parent's go on, alive. */
    unit_receive(inherited.subscriber, 0, 10, 0);
    check_eq(unit_send(inherited.publisher, 10, 1, SHMBUS_NOWAIT), 0);
    unit_receive(inherited.subscriber, 1, 10, 1);
    check_eq(unit_channel_info().publishers, 1);
    check(unit_publisher_info(0).alive);
    check_eq(shmbus_close(inherited.bus), 0);
}

UNIT(handle, inherited_by_a_fork)
{
    check_fork(false);
}

UNIT(handle, inherited_by_a_fork_of_threads)
{
    check_fork(true);
}

struct family {
    struct unit_gate ready, end;
};

/* The process that is killed; its child lives on, with all that it inherited but the lock. */
static void die_before_child(void *context)
{
    const struct family *family = context;
    shmbus_bus *bus = unit_open();
    (void)unit_publisher(bus, &single);
    (void)unit_subscriber(bus, "g");
    if (fork() == 0) {
        (void)alarm(UNIT_SECONDS);
        unit_gate_open(&family->ready);
        unit_gate_wait(&family->end);
        _exit(0);
    }
    unit_wait_to_be_killed(&family->ready);
}

UNIT(handle, of_a_dead_parent_with_a_living_child)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        cr_skip_test("no sub-reaper here");
    }
    struct family family = {.ready = unit_gate(), .end = unit_gate()};
    const pid_t parent = unit_fork(die_before_child, &family);
    unit_gate_wait(&family.ready);
    unit_gate_wait(&family.ready);
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = NULL;
    check_fails(shmbus_publisher_open(bus, "c", NULL, &publisher), -EBUSY, "single");
    unit_kill(parent);
    check_eq(unit_publisher_info(0).alive, 0);
    check_eq(shmbus_publisher_open(bus, "c", NULL, &publisher), 0);
    shmbus_subscriber *subscriber = unit_subscriber(bus, "g");
    check_eq(unit_send(publisher, 10, 0, SHMBUS_NOWAIT), 0);
    unit_receive(subscriber, 0, 10, 0);
    unit_gate_open(&family.end);
    int status = -1;
    check(waitpid(-1, &status, 0) > 0);
    check_eq(status, 0);
    check_eq(shmbus_close(bus), 0);
}

/* ------------------------------------------------------------------------------------------- threads */

#define THREADS 4
#define ROUNDS 60

static pthread_barrier_t barrier;

static void *open_use_close(void *context)
{
    shmbus_bus *bus = *(shmbus_bus **)context;
    for (unsigned i = 0; i < ROUNDS; i++) {
        shmbus_bus *own = i % 3 ? NULL : unit_open();
        shmbus_publisher *publisher = unit_publisher(own ? own : bus, NULL);
        shmbus_subscriber *subscriber = NULL;
        check_eq(shmbus_subscriber_open(own ? own : bus, "c", NULL, &subscriber), 0);
        for (uint64_t j = 0; j < 10; j++) {
            char buffer[64];
            check_eq(shmbus_send(publisher, &j, sizeof j, SHMBUS_NOWAIT), 0);
            check_eq(shmbus_recv(subscriber, buffer, sizeof buffer, NULL, SHMBUS_FOREVER), sizeof j);
        }
        check_eq(shmbus_subscriber_close(subscriber), 0);
        check_eq(own && i % 2 ? 0 : shmbus_publisher_close(publisher), 0);
        check_eq(own ? shmbus_close(own) : 0, 0);
    }
    return NULL;
}

UNIT(handle, threads_open_use_and_close)
{
    shmbus_bus *bus = unit_open();
    pthread_t threads[THREADS];
    /* A ring for all messages of all threads: nobody waits for a group that its own thread would have to read. */
    check_eq(shmbus_channel_create(bus, "c", &(shmbus_channel_options){.slots = 4096}), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        check_eq(pthread_create(&threads[i], NULL, open_use_close, &bus), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        check_eq(pthread_join(threads[i], NULL), 0);
    }
    check_eq(unit_channel_info().publishers, 0);
    check_eq(unit_channel_info().members, 0);
    check_eq(unit_channel_info().groups, 0);
    check_eq(shmbus_close(bus), 0);
}

/* What the threads of one round share; `what` is closed by all of them at once. */
struct shared {
    shmbus_bus *bus;
    shmbus_publisher *publisher;
    shmbus_subscriber *subscriber;
    unsigned what;
};

static int close_what(const struct shared *shared)
{
    switch (shared->what) {
    case 0:
        return shmbus_publisher_close(shared->publisher);
    case 1:
        return shmbus_subscriber_close(shared->subscriber);
    default:
        return shmbus_close(shared->bus);
    }
}

static void *close_together(void *context)
{
    (void)pthread_barrier_wait(&barrier);
    return (void *)(intptr_t)close_what(context); /* NOLINT(performance-no-int-to-ptr) */
}

UNIT(handle, is_closed_by_one_of_many_threads)
{
    check_eq(pthread_barrier_init(&barrier, NULL, THREADS), 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct shared shared = {.bus = unit_open(), .what = round % 3};
        shared.publisher = unit_publisher(shared.bus, &multi);
        shared.subscriber = unit_subscriber(shared.bus, NULL);
        pthread_t threads[THREADS];
        for (unsigned i = 0; i < THREADS; i++) {
            check_eq(pthread_create(&threads[i], NULL, close_together, &shared), 0);
        }
        unsigned closed = 0;
        for (unsigned i = 0; i < THREADS; i++) {
            void *result;
            check_eq(pthread_join(threads[i], &result), 0);
            check((intptr_t)result == 0 || (intptr_t)result == -EBADF);
            closed += result == NULL;
        }
        check_eq(closed, 1);
        check(shared.what == 2 || shmbus_close(shared.bus) == 0);
    }
}

static void *send_until_closed(void *context)
{
    const struct shared *shared = context;
    char buffer[200] = {0};
    (void)pthread_barrier_wait(&barrier);
    int err = 0;
    for (uint64_t i = 0; err == 0; i++) {
        err =
            shmbus_send(shared->publisher, buffer, i % sizeof buffer, i % 2 ? SHMBUS_FOREVER : SHMBUS_NOWAIT);
        err = err == -EAGAIN ? 0 : err;
    }
    check(err == -EBADF || err == -ECANCELED);
    return NULL;
}

static void *receive_until_closed(void *context)
{
    const struct shared *shared = context;
    char buffer[200];
    (void)pthread_barrier_wait(&barrier);
    int64_t size = 0;
    for (uint64_t i = 0; size >= 0; i++) {
        size = shmbus_recv(shared->subscriber, buffer, sizeof buffer, NULL,
                           i % 2 ? SHMBUS_FOREVER : SHMBUS_NOWAIT);
        size = size == -EAGAIN ? 0 : size;
    }
    check(size == -EBADF || size == -ECANCELED);
    return NULL;
}

/* One thread sends, one receives, both as fast as they can; a third closes what they use. */
UNIT(handle, is_closed_while_others_use_it)
{
    check_eq(pthread_barrier_init(&barrier, NULL, 3), 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct shared shared = {.bus = unit_open()};
        shared.publisher = unit_publisher(shared.bus, round % 2 ? &single : &multi);
        shared.subscriber = round / 2 % 2 ? unit_worker(shared.bus, "g") : unit_subscriber(shared.bus, "g");
        pthread_t sender, receiver;
        check_eq(pthread_create(&sender, NULL, send_until_closed, &shared), 0);
        check_eq(pthread_create(&receiver, NULL, receive_until_closed, &shared), 0);
        (void)pthread_barrier_wait(&barrier);
        for (unsigned i = 0; i < round; i++) {
            (void)sched_yield();
        }
        for (unsigned i = 0; i < 3; i++) {
            shared.what = (round + i) % 3; /* the bus first, in the middle, or last */
            const int err = close_what(&shared);
            check(err == 0 || err == -EBADF);
        }
        check_eq(pthread_join(sender, NULL), 0);
        check_eq(pthread_join(receiver, NULL), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

static void *receive_once(void *context)
{
    const struct shared *shared = context;
    char byte;
    const int64_t result = shmbus_recv(shared->subscriber, &byte, 1, NULL, SHMBUS_FOREVER);
    return (void *)(intptr_t)result; /* NOLINT(performance-no-int-to-ptr) */
}

static void *send_once(void *context)
{
    const struct shared *shared = context;
    const int64_t result = shmbus_send(shared->publisher, "x", 1, SHMBUS_FOREVER);
    return (void *)(intptr_t)result; /* NOLINT(performance-no-int-to-ptr) */
}

/* Both sleep: the one for a message, the other for room. Closing either, or the bus, ends the wait at once. */
UNIT(handle, is_closed_while_others_sleep_on_it)
{
    for (unsigned round = 0; round < 6; round++) {
        struct shared shared = {.bus = unit_open(), .what = round % 3 == 2 ? 2 : 0};
        shared.publisher = unit_publisher(shared.bus, round / 3 ? &single : &multi);
        (void)unit_subscriber(shared.bus, "slow");
        while (shmbus_send(shared.publisher, "x", 1, SHMBUS_NOWAIT) == 0) {
        }
        check_eq(shmbus_subscriber_open(shared.bus, "c", NULL, &shared.subscriber), 0);
        pthread_t sender, receiver;
        check_eq(pthread_create(&sender, NULL, send_once, &shared), 0);
        check_eq(pthread_create(&receiver, NULL, receive_once, &shared), 0);
        check_soon(unit_publisher_info(0).stats.sleeps > 0 && unit_member_info(1).stats.sleeps > 0);
        const struct ring ring = unit_ring(unit_map());
        check_soon(unit_asleep(&ring.shared->data) && unit_asleep(&ring.shared->space));
        const uint32_t events =
            load32_acquire(&ring.shared->data.event) + load32_acquire(&ring.shared->space.event);
        check_eq(close_what(&shared), 0);
        shared.what = 1;
        check_eq(close_what(&shared), round % 3 == 2 ? -EBADF : 0);
        /* Woken, not left to the end of their sleep. */
        check(load32_acquire(&ring.shared->data.event) + load32_acquire(&ring.shared->space.event) - events >=
              2);
        void *sent, *received;
        check_eq(pthread_join(sender, &sent), 0);
        check_eq(pthread_join(receiver, &received), 0);
        /* A closing bus lets go of the slow reader too, perhaps before the sender: then it has room. */
        const bool let_go = round % 3 == 2;
        check((intptr_t)sent == -ECANCELED || (let_go && (intptr_t)sent == 0));
        check((intptr_t)received == -ECANCELED || (let_go && (intptr_t)received == 1));
        check_eq(unit_channel_info().publishers, 0);
        check_eq(shmbus_remove(unit_bus), 0);
        check_eq(round % 3 == 2 ? 0 : shmbus_close(shared.bus), 0);
    }
}
