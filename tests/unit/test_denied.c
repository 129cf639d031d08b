/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fallbacks, where the kernel really refuses what the library would like to use: a process under a seccomp filter
 * talks to one without, both asleep most of the time.
 *
 * Of membarrier() only the commands of shmbus are denied: liburcu, which has its own, is not the subject.
 */
#define _GNU_SOURCE
#include "unit_seccomp.h"
#include "unit_waitset.h"

#include <linux/membarrier.h>
#include <poll.h>
#include <sys/syscall.h>

#define WIDTH 3u      /* channels in each direction, the last one on a bus of its own */
#define ROUNDS 200u   /* numbers that go there and back, each way of waiting */
#define BURST 8u * 4u /* numbers sent one after the other into rings of 8 */

/* -------------------------------------------------------------------------------------------- denials */

#define NO_REGISTER 1u
#define NO_BARRIER 2u
#define NO_WAITV 4u
#define NO_URING 8u
#define NO_THREADS 16u

static void deny_call(scmp_filter_ctx filter, int number, int err)
{
    check_eq(seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint16_t)err), number, 0), 0);
}

static void deny_barrier(scmp_filter_ctx filter, unsigned command, int err)
{
    const struct scmp_arg_cmp is_command = {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = command};
    const uint32_t action = SCMP_ACT_ERRNO((uint16_t)err);
    check_eq(seccomp_rule_add_array(filter, action, SCMP_SYS(membarrier), 1, &is_command), 0);
    check_eq(seccomp_load(filter), 0);
    check_eq(syscall(SYS_membarrier, command, 0, 0), -1);
    check_eq(errno, err);
}

/* From now on, and for good, this process gets `err` for each of `what`. */
static void deny(unsigned what, int err)
{
    if (what == 0) {
        return;
    }
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    check(filter != NULL);
    if (what & NO_WAITV) {
        deny_call(filter, SCMP_SYS(futex_waitv), err);
    }
    if (what & NO_URING) {
        deny_call(filter, SCMP_SYS(io_uring_setup), err);
    }
    if (what & NO_THREADS) {
        deny_call(filter, SCMP_SYS(clone), err);
        deny_call(filter, SCMP_SYS(clone3), err);
    }
    check_eq(seccomp_load(filter), 0);
    if (what & NO_REGISTER) {
        deny_barrier(filter, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, err);
    }
    if (what & NO_BARRIER) {
        deny_barrier(filter, MEMBARRIER_CMD_GLOBAL_EXPEDITED, err);
    }
    seccomp_release(filter);
}

/* ---------------------------------------------------------------------------------------------- peers */

struct plan {
    const char *name;
    unsigned denied;
    int err;
    int fenced;
    bool asks; /* the other one answers */
    struct unit_gate ready, go;
};

struct peer {
    shmbus_bus *buses[2];
    struct unit_line in[WIDTH], out[WIDTH];
    shmbus_waitset *set;
    int fd;
    uint64_t received;
    uint64_t sent;
};

static void open_buses(struct peer *peer, const struct plan *plan)
{
    const shmbus_bus_options options = {.participant_name = plan->name, .fenced = plan->fenced};
    char second[sizeof unit_bus + 2];
    (void)snprintf(second, sizeof second, "%s.2", unit_bus);
    check_eq(shmbus_open(unit_bus, &options, &peer->buses[0]), 0);
    check_eq(shmbus_open(second, &options, &peer->buses[1]), 0);
}

static void open_peer(struct peer *peer, const struct plan *plan)
{
    static const char *const asks[WIDTH] = {"ask0", "ask1", "ask2"};
    static const char *const answers[WIDTH] = {"answer0", "answer1", "answer2"};
    open_buses(peer, plan);
    peer->set = unit_waitset(SHMBUS_WAIT_BLOCK);
    for (unsigned i = 0; i < WIDTH; i++) {
        shmbus_bus *bus = peer->buses[i == WIDTH - 1];
        peer->in[i].subscriber = unit_subscriber_of(bus, plan->asks ? answers[i] : asks[i]);
        peer->out[i].publisher = unit_publisher_of(bus, plan->asks ? asks[i] : answers[i]);
        check_eq(shmbus_waitset_add_subscriber(peer->set, peer->in[i].subscriber, &peer->in[i]), 0);
    }
}

static void close_peer(const struct peer *peer)
{
    check_eq(shmbus_waitset_close(peer->set), 0);
    check_eq(shmbus_close(peer->buses[0]), 0);
    check_eq(shmbus_close(peer->buses[1]), 0);
}

/* ------------------------------------------------------------------------------------ ways of waiting */

/* Number n comes on channel n % WIDTH. */
static void receive(struct peer *peer, int64_t deadline)
{
    uint64_t number = 0;
    shmbus_subscriber *from = peer->in[peer->received % WIDTH].subscriber;
    check_eq(shmbus_recv(from, &number, sizeof number, NULL, deadline), sizeof number);
    check_eq(number, peer->received);
    peer->received++;
}

static void await_directly(struct peer *peer)
{
    receive(peer, SHMBUS_FOREVER);
}

static void await_by_set(struct peer *peer)
{
    shmbus_event events[WIDTH];
    check_eq(shmbus_waitset_wait(peer->set, events, WIDTH, SHMBUS_FOREVER), 1);
    check(events[0].tag == &peer->in[peer->received % WIDTH]);
    receive(peer, SHMBUS_NOWAIT);
}

static void await_by_fd(struct peer *peer)
{
    shmbus_event event;
    for (;;) {
        struct pollfd poll_fd = {.fd = peer->fd, .events = POLLIN};
        check_eq(poll(&poll_fd, 1, -1), 1);
        const int count = shmbus_waitset_wait(peer->set, &event, 1, SHMBUS_NOWAIT);
        if (count == 1) {
            break;
        }
        check_eq(count, -EAGAIN);
    }
    check(event.tag == &peer->in[peer->received % WIDTH]);
    receive(peer, SHMBUS_NOWAIT);
}

static void give(struct peer *peer)
{
    shmbus_publisher *to = peer->out[peer->sent % WIDTH].publisher;
    check_eq(shmbus_send(to, &peer->sent, sizeof peer->sent, SHMBUS_FOREVER), 0);
    peer->sent++;
}

static void round_trips(struct peer *peer, bool asks, void (*await)(struct peer *))
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (asks) {
            give(peer);
            await(peer);
        } else {
            await(peer);
            give(peer);
        }
    }
}

/* One floods, the other reads: now publishers sleep as well. */
static void bursts(struct peer *peer, bool first)
{
    for (unsigned turn = 0; turn < 10; turn++) {
        for (unsigned i = 0; i < BURST; i++) {
            if (first == (turn % 2 == 0)) {
                give(peer);
            } else {
                await_directly(peer);
            }
        }
    }
}

static void user_wakes(struct peer *peer)
{
    for (unsigned i = 0; i < 20; i++) {
        struct unit_call call = {.body = unit_call_wait, .set = peer->set, .deadline = SHMBUS_FOREVER};
        unit_call_start_asleep(&call);
        check_eq(shmbus_waitset_wake(peer->set), 0);
        check_eq(unit_call_finish(&call), 0);
    }
}

/* A set that waits for nothing but an interrupt: two words to sleep on. */
static void interrupts(void)
{
    const shmbus_waitset_options options = {.wait = SHMBUS_WAIT_BLOCK, .interruptible = 1};
    shmbus_waitset *set = NULL;
    check_eq(shmbus_waitset_open(&options, &set), 0);
    for (unsigned i = 0; i < 20; i++) {
        struct unit_call call = {.body = unit_call_wait, .set = set, .deadline = SHMBUS_FOREVER};
        unit_call_start_asleep(&call);
        shmbus_interrupt();
        check_eq(unit_call_finish(&call), -EINTR);
    }
    check_eq(shmbus_waitset_close(set), 0);
}

static void run_peer(void *context)
{
    const struct plan *plan = context;
    struct peer peer = {.fd = -1};
    deny(plan->denied, plan->err);
    open_peer(&peer, plan);
    unit_gate_open(&plan->ready);
    unit_gate_wait(&plan->go);
    interrupts();
    user_wakes(&peer); /* nothing comes before both have done so */
    unit_gate_open(&plan->ready);
    unit_gate_wait(&plan->go);
    round_trips(&peer, plan->asks, await_directly);
    bursts(&peer, plan->asks);
    round_trips(&peer, plan->asks, await_by_set);
    peer.fd = shmbus_waitset_fd(peer.set);
    check(peer.fd >= 0);
    round_trips(&peer, plan->asks, await_by_fd);
    close_peer(&peer);
}

/* ---------------------------------------------------------------------------------------------- tests */

static void check_participant(const char *name, int registered, int timed)
{
    shmbus_view *view = NULL;
    shmbus_participant_info info;
    uint32_t cursor = 0;
    check_eq(shmbus_view_open(unit_bus, &view), 0);
    do {
        check_eq(shmbus_view_participant(view, &cursor, &info), 1);
    } while (strcmp(info.name, name) != 0);
    check_eq(info.registered, registered);
    check_eq(info.timed, timed);
    shmbus_view_close(view);
}

/* Lets both go on when both are ready. */
static void meet(const struct plan *a, const struct plan *b)
{
    unit_gate_wait(&a->ready);
    unit_gate_wait(&b->ready);
    unit_gate_open(&a->go);
    unit_gate_open(&b->go);
}

static void check_pair(struct plan one, struct plan other)
{
    char second[sizeof unit_bus + 2];
    (void)snprintf(second, sizeof second, "%s.2", unit_bus);
    struct plan *plans[] = {&one, &other};
    pid_t children[2];
    for (unsigned i = 0; i < 2; i++) {
        plans[i]->asks = i;
        plans[i]->ready = unit_gate();
        plans[i]->go = unit_gate();
        children[i] = unit_fork(run_peer, plans[i]);
    }
    meet(&one, &other);
    unit_gate_wait(&one.ready);
    unit_gate_wait(&other.ready);
    for (unsigned i = 0; i < 2; i++) {
        const bool registered = !plans[i]->fenced && !(plans[i]->denied & NO_REGISTER);
        check_participant(plans[i]->name, registered, (plans[i]->denied & NO_BARRIER) != 0);
    }
    unit_gate_open(&one.go);
    unit_gate_open(&other.go);
    unit_join(children[0]);
    unit_join(children[1]);
    check_eq(shmbus_remove(unit_bus), 0);
    check_eq(shmbus_remove(second), 0);
}

/* The one that is denied answers, then asks; it is refused in both of the ways that are usual. */
static void check_denied(unsigned denied)
{
    const struct plan normal = {.name = "normal"};
    const int errors[] = {EPERM, ENOSYS};
    for (unsigned i = 0; i < 2; i++) {
        const struct plan plan = {.name = "denied", .denied = denied, .err = errors[i]};
        check_pair(i ? normal : plan, i ? plan : normal);
    }
}

UNIT(denied, nothing)
{
    check_pair((struct plan){.name = "one"}, (struct plan){.name = "other"});
}

UNIT(denied, registration)
{
    NEEDS_SECCOMP();
    check_denied(NO_REGISTER);
}

UNIT(denied, barrier)
{
    NEEDS_SECCOMP();
    check_denied(NO_BARRIER);
}

UNIT(denied, registration_and_barrier)
{
    NEEDS_SECCOMP();
    check_denied(NO_REGISTER | NO_BARRIER);
}

UNIT(denied, waiting_for_several_words)
{
    NEEDS_SECCOMP();
    check_denied(NO_WAITV);
}

UNIT(denied, io_uring)
{
    NEEDS_SECCOMP();
    check_denied(NO_URING);
}

UNIT(denied, everything)
{
    NEEDS_SECCOMP();
    check_denied(NO_REGISTER | NO_BARRIER | NO_WAITV | NO_URING);
}

UNIT(denied, everything_to_both)
{
    NEEDS_SECCOMP();
    const unsigned all = NO_REGISTER | NO_BARRIER | NO_WAITV | NO_URING;
    check_pair((struct plan){.name = "one", .denied = all, .err = ENOSYS},
               (struct plan){.name = "other", .denied = all, .err = EPERM});
}

/* Not denied but not wanted: sends that fence for themselves. */
UNIT(denied, by_choice)
{
    NEEDS_SECCOMP();
    check_pair((struct plan){.name = "fenced", .fenced = 1}, (struct plan){.name = "normal"});
    check_pair((struct plan){.name = "normal"}, (struct plan){.name = "fenced", .fenced = 1});
    check_pair((struct plan){.name = "fenced", .fenced = 1},
               (struct plan){.name = "denied", .denied = NO_BARRIER, .err = EPERM});
}

/* -------------------------------------------------------------------------- what is not even tried */

/* On its own bus: sleeps a while for a message that does not come, in a set or in the call that receives. */
static void sleep_in_vain(const struct unit_line *line, bool in_set)
{
    struct unit_call call = {.line = line, .deadline = shmbus_deadline(1 * MS)};
    call.body = in_set ? unit_call_wait : unit_call_receive;
    call.set = in_set ? unit_waitset_of((struct unit_line[]){*line}, 1) : NULL;
    check_eq(call.body(&call), -ETIMEDOUT);
    check_eq(in_set ? shmbus_waitset_close(call.set) : 0, 0);
}

/* Loses the barrier when it has attached, which shows when it needs it for the first time. */
static void sleep_without_barrier(void *context)
{
    const bool in_set = *(const bool *)context;
    const shmbus_bus_options options = {.participant_name = "sleeper"};
    shmbus_bus *bus = NULL;
    check_eq(shmbus_open(unit_bus, &options, &bus), 0);
    const struct unit_line line = unit_line(bus, "a");
    deny(NO_BARRIER, EPERM);
    sleep_in_vain(&line, in_set);
    check_participant("sleeper", 1, 0); /* its publisher fences, as a new one does */
    for (unsigned i = 0; i < 100; i++) {
        unit_line_send(&line, i);
        check_eq(unit_line_receive(&line), i);
    }
    check_participant("sleeper", 1, 0);
    sleep_in_vain(&line, in_set);
    check_participant("sleeper", 1, 1);
    check_eq(shmbus_close(bus), 0);
}

/* Who sleeps for publishers that fence calls no membarrier; for one that does not, it must. */
UNIT(denied, barrier_is_not_called_where_all_publishers_fence)
{
    NEEDS_SECCOMP();
    for (unsigned i = 0; i < 2; i++) {
        bool in_set = i;
        unit_join(unit_fork(sleep_without_barrier, &in_set));
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

/* ------------------------------------------------------------------------------- nobody who would watch */

static void watch_without_help(void *context)
{
    (void)context;
    shmbus_bus *bus = unit_open();
    struct unit_line line = unit_line(bus, "a");
    shmbus_waitset *set = unit_waitset_of(&line, 1);
    check_eq(shmbus_waitset_close(unit_waitset(SHMBUS_WAIT_BLOCK)), 0); /* liburcu starts its thread */
    deny(NO_URING | NO_THREADS, EAGAIN);
    for (unsigned i = 0; i < 2; i++) {
        check_fails(shmbus_waitset_fd(set), -ENOMEM, "thread");
        unit_line_send(&line, i);
        unit_only_ready(set, &line);
        check_eq(unit_line_receive(&line), i);
    }
    check_eq(shmbus_waitset_close(set), 0);
    check_eq(shmbus_close(bus), 0);
}

/* Without io_uring and without a thread there is no descriptor, rather than one that is never readable. */
UNIT(denied, descriptor_is_refused_where_nobody_can_watch)
{
    NEEDS_SECCOMP();
    unit_join(unit_fork(watch_without_help, NULL));
}
