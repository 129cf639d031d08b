/* SPDX-License-Identifier: Apache-2.0 */
/* shmbus_interrupt(): from signal handlers and threads, for handles that asked for it and for those that did not. */
#define _GNU_SOURCE
#include "unit_waitset.h"

#include <poll.h>
#include <signal.h>

static const enum shmbus_wait strategies[] = {SHMBUS_WAIT_ADAPTIVE, SHMBUS_WAIT_SPIN, SHMBUS_WAIT_BLOCK};

static _Atomic unsigned signals;

static void interrupt(int number)
{
    (void)number;
    const int saved = errno;
    shmbus_interrupt();
    errno = saved;
    atomic_fetch_add(&signals, 1);
}

static void note(int number)
{
    (void)number;
    atomic_fetch_add(&signals, 1);
}

/* SIGUSR1 interrupts, SIGUSR2 is an ordinary signal. Neither restarts what it ends. */
static void catch_signals(void)
{
    const struct sigaction first = {.sa_handler = interrupt};
    const struct sigaction second = {.sa_handler = note};
    check_eq(sigaction(SIGUSR1, &first, NULL), 0);
    check_eq(sigaction(SIGUSR2, &second, NULL), 0);
}

/* -------------------------------------------------------------------------------------- what may wait */

/* Handles that would wait: nothing to receive on channel "in", no room on channel "out". */
struct scene {
    shmbus_bus *bus;
    struct unit_line in, out;
    shmbus_waitset *set;
};

static struct unit_line open_line(shmbus_bus *bus, const char *name, enum shmbus_wait wait, int interruptible)
{
    struct unit_line line = {.name = ""};
    const shmbus_publisher_options p = {.channel = &unit_small, .wait = wait, .interruptible = interruptible};
    const shmbus_subscriber_options s = {
        .from = SHMBUS_FROM_OLDEST, .wait = wait, .interruptible = interruptible};
    check_eq(shmbus_publisher_open(bus, name, &p, &line.publisher), 0);
    check_eq(shmbus_subscriber_open(bus, name, &s, &line.subscriber), 0);
    return line;
}

static struct scene scene(enum shmbus_wait wait, int interruptible)
{
    catch_signals();
    struct scene scene = {.bus = unit_open()};
    scene.in = open_line(scene.bus, "in", wait, interruptible);
    scene.out = open_line(scene.bus, "out", wait, interruptible);
    check(unit_line_fill(&scene.out) > 0);
    const shmbus_waitset_options options = {.wait = wait, .interruptible = interruptible};
    check_eq(shmbus_waitset_open(&options, &scene.set), 0);
    check_eq(shmbus_waitset_add_subscriber(scene.set, scene.in.subscriber, &scene.in), 0);
    return scene;
}

static void end(const struct scene *scene)
{
    check_eq(shmbus_waitset_close(scene->set), 0);
    check_eq(shmbus_close(scene->bus), 0);
    check_eq(shmbus_remove(unit_bus), 0);
}

/* The calls that may wait: one that receives, one that sends, and a set's wait. */
#define BODIES 3u

static struct unit_call call_of(const struct scene *scene, unsigned body)
{
    static int64_t (*const bodies[BODIES])(struct unit_call *) = {unit_call_receive, unit_call_send,
                                                                  unit_call_wait};
    return (struct unit_call){.body = bodies[body],
                              .set = scene->set,
                              .line = body == 1 ? &scene->out : &scene->in,
                              .deadline = SHMBUS_FOREVER};
}

static int64_t call_now(const struct scene *scene, unsigned body, int64_t deadline)
{
    struct unit_call call = call_of(scene, body);
    call.deadline = deadline;
    return call.body(&call);
}

/* Each of them fails as it is told. */
static void check_waits(const struct scene *scene, int64_t deadline, int err)
{
    for (unsigned body = 0; body < BODIES; body++) {
        check_eq(call_now(scene, body, deadline), err);
    }
}

static int no_callback(void *context, const shmbus_message *message)
{
    (void)context;
    (void)message;
    unit_fail(__FILE__, __LINE__, "there is no message");
}

/* ------------------------------------------------------------------------------------------ interrupts */

/* Another thread waits; the signal comes to that thread, or the interrupt from this one. */
static void interrupt_one(const struct scene *at, unsigned body, bool by_signal, bool asleep)
{
    struct unit_call call = call_of(at, body);
    if (asleep) {
        unit_call_start_asleep(&call);
    } else {
        unit_call_start(&call);
        check_soon(atomic_load(&call.tid) != 0);
    }
    if (by_signal) {
        check_eq(pthread_kill(call.thread, SIGUSR1), 0);
    } else {
        shmbus_interrupt();
    }
    check_eq(unit_call_finish(&call), -EINTR);
}

UNIT(interrupt, ends_a_wait)
{
    for (unsigned i = 0; i < 3 * BODIES; i++) {
        const struct scene at = scene(strategies[i % 3], 1);
        for (unsigned round = 0; round < 10; round++) {
            interrupt_one(&at, i / 3, round % 2, strategies[i % 3] != SHMBUS_WAIT_SPIN);
            /* The others were not waiting: they are told at their next wait. */
            for (unsigned body = 0; body < BODIES; body++) {
                check(body == i / 3 || call_now(&at, body, SHMBUS_FOREVER) == -EINTR);
            }
            check_waits(&at, shmbus_deadline(1 * MS), -ETIMEDOUT);
        }
        end(&at);
    }
}

/* It came just before the call: the classic race of a flag that a handler sets. */
UNIT(interrupt, ends_the_next_wait)
{
    for (unsigned i = 0; i < 3; i++) {
        const struct scene at = scene(strategies[i], 1);
        for (unsigned round = 0; round < 5; round++) {
            check_waits(&at, shmbus_deadline(1 * MS), -ETIMEDOUT); /* nor does one from before its opening */
            check_eq(raise(SIGUSR1), 0);
            check_waits(&at, SHMBUS_FOREVER, -EINTR);
        }
        end(&at);
    }
}

UNIT(interrupt, ends_every_call_that_waits)
{
    const struct scene at = scene(SHMBUS_WAIT_BLOCK, 1);
    shmbus_message message;
    shmbus_claim_t claims[2] = {{.size = 1}, {.size = 1}};
    const struct iovec out = {.iov_base = claims, .iov_len = 1};
    char byte;
    shmbus_interrupt();
    check_eq(shmbus_recv(at.in.subscriber, &byte, 1, NULL, SHMBUS_FOREVER), -EINTR);
    check_eq(shmbus_send_batch(at.out.publisher, &out, 1, SHMBUS_FOREVER), -EINTR);
    shmbus_interrupt();
    check_eq(shmbus_next(at.in.subscriber, &message, SHMBUS_FOREVER), -EINTR);
    check_eq(shmbus_claim(at.out.publisher, claims, SHMBUS_FOREVER), -EINTR);
    shmbus_interrupt();
    check_eq(shmbus_peek(at.in.subscriber, &message, SHMBUS_FOREVER), -EINTR);
    check_eq(shmbus_claim_batch(at.out.publisher, claims, 2, SHMBUS_FOREVER), -EINTR);
    shmbus_interrupt();
    check_eq(shmbus_poll(at.in.subscriber, 1, SHMBUS_FOREVER, no_callback, NULL), -EINTR);
    end(&at);
}

/* A call that need not wait does not notice, and does not use the interrupt up. */
UNIT(interrupt, is_kept_for_a_call_that_waits)
{
    const struct scene at = scene(SHMBUS_WAIT_BLOCK, 1);
    shmbus_event event;
    unit_line_send(&at.in, 1);
    shmbus_interrupt();
    check_eq(shmbus_waitset_wait(at.set, &event, 1, SHMBUS_FOREVER), 1);
    check_eq(unit_line_receive(&at.in), 1);
    unit_line_send(&at.in, 2);
    check(shmbus_recv(at.out.subscriber, &event, sizeof event, NULL, SHMBUS_FOREVER) > 0);
    check_eq(shmbus_send(at.out.publisher, "x", 1, SHMBUS_FOREVER), 0);
    check_eq(unit_line_receive(&at.in), 2);
    check_eq(call_now(&at, 0, SHMBUS_NOWAIT), -EAGAIN);
    check_eq(call_now(&at, 1, SHMBUS_NOWAIT), -EAGAIN);
    check_waits(&at, SHMBUS_FOREVER, -EINTR);
    end(&at);
}

/* Who waits outside, with the descriptor of a set, is told as well. */
UNIT(interrupt, ends_a_wait_for_the_descriptor)
{
    const struct scene at = scene(SHMBUS_WAIT_BLOCK, 1);
    struct pollfd poll_fd = {.fd = shmbus_waitset_fd(at.set), .events = POLLIN};
    for (unsigned i = 0; i < 20; i++) {
        check_soon(call_now(&at, 2, SHMBUS_NOWAIT) == -EAGAIN);
        shmbus_interrupt();
        int result;
        do {
            check_eq(poll(&poll_fd, 1, -1), 1);
        } while ((result = (int)call_now(&at, 2, SHMBUS_NOWAIT)) == -EAGAIN);
        check_eq(result, -EINTR);
        check_eq(call_now(&at, 2, SHMBUS_NOWAIT), -EAGAIN);
    }
    end(&at);
}

/* -------------------------------------------------------------------------------- what is not for them */

/* What the call waits for comes. */
static void end_by_itself(const struct scene *at, unsigned body, struct unit_call *call)
{
    if (body == 1) {
        check(shmbus_recv(at->out.subscriber, &(char[8]){0}, 8, NULL, SHMBUS_NOWAIT) > 0);
    } else {
        unit_line_send(&at->in, 1);
    }
    check(unit_call_finish(call) >= 0);
}

UNIT(interrupt, is_not_for_those_who_did_not_ask)
{
    for (unsigned i = 0; i < 3 * BODIES; i++) {
        const struct scene at = scene(strategies[i % 3], 0);
        struct unit_call call = call_of(&at, i / 3);
        shmbus_interrupt();
        unit_call_start(&call);
        check_soon(atomic_load(&call.tid) != 0);
        for (unsigned k = 0; k < 20; k++) {
            const unsigned before = atomic_load(&signals);
            check_eq(pthread_kill(call.thread, SIGUSR1), 0);
            check_soon(atomic_load(&signals) > before);
        }
        end_by_itself(&at, i / 3, &call);
        end(&at);
    }
}

/* EINTR of the kernel stays inside the library: an ordinary signal neither ends nor disturbs a wait. */
UNIT(interrupt, is_not_what_an_ordinary_signal_does)
{
    for (unsigned i = 0; i < 3 * BODIES; i++) {
        const struct scene at = scene(strategies[i % 3], 1);
        struct unit_call call = call_of(&at, i / 3);
        unit_call_start(&call);
        check_soon(atomic_load(&call.tid) != 0);
        for (unsigned k = 0; k < 20; k++) {
            const unsigned before = atomic_load(&signals);
            check_soon(strategies[i % 3] == SHMBUS_WAIT_SPIN || unit_thread_waits(call.tid));
            check_eq(pthread_kill(call.thread, SIGUSR2), 0);
            check_soon(atomic_load(&signals) > before);
        }
        end_by_itself(&at, i / 3, &call);
        end(&at);
    }
}

/* The members of a set are not the set. */
UNIT(interrupt, of_a_member_is_not_one_of_its_set)
{
    const struct scene at = scene(SHMBUS_WAIT_BLOCK, 1);
    shmbus_waitset *set = unit_waitset(SHMBUS_WAIT_BLOCK);
    shmbus_event event;
    check_eq(shmbus_waitset_add_subscriber(set, at.in.subscriber, NULL), 0);
    shmbus_interrupt();
    check_eq(shmbus_waitset_wait(set, &event, 1, shmbus_deadline(1 * MS)), -ETIMEDOUT);
    check_waits(&at, SHMBUS_FOREVER, -EINTR);
    check_eq(shmbus_waitset_close(set), 0);
    end(&at);
}

/* ---------------------------------------------------------------------------------------------- many */

/* One interrupt reaches all who wait, on several buses. */
UNIT(interrupt, ends_all_waits)
{
    struct scene scenes[2];
    struct unit_call calls[2 * BODIES];
    char name[sizeof unit_bus];
    memcpy(name, unit_bus, sizeof name);
    scenes[0] = scene(SHMBUS_WAIT_BLOCK, 1);
    (void)strcat(unit_bus, ".2");
    scenes[1] = scene(SHMBUS_WAIT_BLOCK, 1);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 2 * BODIES; i++) {
            calls[i] = call_of(&scenes[i % 2], i / 2);
            unit_call_start_asleep(&calls[i]);
        }
        check_eq(raise(SIGUSR1), 0);
        for (unsigned i = 0; i < 2 * BODIES; i++) {
            check_eq(unit_call_finish(&calls[i]), -EINTR);
        }
    }
    end(&scenes[1]);
    memcpy(unit_bus, name, sizeof name);
    end(&scenes[0]);
}

struct storm {
    pthread_t victim;
    atomic_bool over;
};

static void *interrupt_until_over(void *context)
{
    struct storm *storm = context;
    while (!atomic_load(&storm->over)) {
        (void)pthread_kill(storm->victim, SIGUSR1);
        shmbus_interrupt();
    }
    return NULL;
}

/* Messages come through whatever interrupts there are: none is lost, none comes twice. */
UNIT(interrupt, loses_no_message)
{
    const struct scene at = scene(SHMBUS_WAIT_BLOCK, 1);
    struct storm storm = {.victim = pthread_self()};
    pthread_t thread;
    check_eq(pthread_create(&thread, NULL, interrupt_until_over, &storm), 0);
    for (uint64_t i = 0; i < 2000; i++) {
        uint64_t number = 0;
        int64_t result = shmbus_recv(at.in.subscriber, &number, sizeof number, NULL, SHMBUS_FOREVER);
        check_eq(result, -EINTR); /* the storm never ends, so this wait does */
        unit_line_send(&at.in, i);
        while ((result = shmbus_recv(at.in.subscriber, &number, sizeof number, NULL, SHMBUS_FOREVER)) < 0) {
            check_eq(result, -EINTR);
        }
        check_eq(number, i);
    }
    atomic_store(&storm.over, true);
    check_eq(pthread_join(thread, NULL), 0);
    end(&at);
}
