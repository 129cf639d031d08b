/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SIGBUS guard: segments that are truncated, or whose holes cannot be filled, while processes use them.
 */
#define _GNU_SOURCE
#include "unit_map.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>

#include "os_guard.h"
#include "os_segment.h"

#define SLOTS 16
#define TRIES 100 /* calls until each of them has met the loss */

static const shmbus_channel_options shape = {.slots = SLOTS, .arena = 16 << 10, .largest = 4096};
static const shmbus_channel_options overwriting = {
    .overflow = SHMBUS_OVERWRITE, .slots = SLOTS, .arena = 16 << 10, .largest = 4096};

static shmbus_bus *open_guarded(void)
{
    shmbus_bus *bus = NULL;
    check_eq(shmbus_open(unit_bus, &(shmbus_bus_options){.sigbus_guard = 1}, &bus), 0);
    return bus;
}

static void cut(off_t size)
{
    check_eq(truncate(unit_path(), size), 0);
}

/* --------------------------------------------------------------------------- each call meets the loss first */

struct handles {
    shmbus_bus *bus;
    shmbus_publisher *publisher;
    shmbus_subscriber *subscriber;
    shmbus_waitset *set;
};

typedef int64_t (*call)(const struct handles *handles);

static int ignore_message(void *context, const shmbus_message *message)
{
    (void)context;
    (void)message;
    return 0;
}

static int64_t call_send(const struct handles *h)
{
    return shmbus_send(h->publisher, "x", 1, SHMBUS_NOWAIT);
}

static int64_t call_send_large(const struct handles *h)
{
    return unit_send(h->publisher, 1000, 1, SHMBUS_NOWAIT);
}

static int64_t call_send_batch(const struct handles *h)
{
    struct iovec messages[4];
    for (unsigned i = 0; i < 4; i++) {
        messages[i] = (struct iovec){.iov_base = "hello", .iov_len = 5};
    }
    return shmbus_send_batch(h->publisher, messages, 4, SHMBUS_NOWAIT);
}

static int64_t call_claim(const struct handles *h)
{
    shmbus_claim_t claim = {.size = 100};
    const int err = shmbus_claim(h->publisher, &claim, SHMBUS_NOWAIT);
    if (err == 0) {
        memset(claim.data, 1, claim.size);
        check_eq(shmbus_commit(h->publisher, &claim), 0);
    }
    return err;
}

static int64_t call_recv(const struct handles *h)
{
    char buffer[4096];
    return shmbus_recv(h->subscriber, buffer, sizeof buffer, NULL, SHMBUS_NOWAIT);
}

static int64_t call_next(const struct handles *h)
{
    shmbus_message message;
    return shmbus_next(h->subscriber, &message, SHMBUS_NOWAIT);
}

static int64_t call_poll(const struct handles *h)
{
    return shmbus_poll(h->subscriber, 3, SHMBUS_NOWAIT, ignore_message, NULL);
}

static int64_t call_waitset(const struct handles *h)
{
    shmbus_event event;
    const int events = shmbus_waitset_wait(h->set, &event, 1, SHMBUS_NOWAIT);
    return events > 0 ? call_next(h) : events;
}

static int64_t call_create(const struct handles *h)
{
    return shmbus_channel_create(h->bus, "d", &shape);
}

static int64_t call_options(const struct handles *h)
{
    shmbus_channel_options options;
    return shmbus_channel_options_of(h->bus, "c", &options);
}

static int64_t call_publisher_open(const struct handles *h)
{
    shmbus_publisher *publisher;
    return shmbus_publisher_open(h->bus, "c", NULL, &publisher);
}

static int64_t call_subscriber_open(const struct handles *h)
{
    shmbus_subscriber *subscriber;
    return shmbus_subscriber_open(h->bus, "c", NULL, &subscriber);
}

static int64_t call_recover(const struct handles *h)
{
    return shmbus_recover(h->bus);
}

static const call calls[] = {
    call_send,    call_send_large, call_send_batch, call_claim,   call_recv,           call_next,
    call_poll,    call_waitset,    call_create,     call_options, call_publisher_open, call_subscriber_open,
    call_recover,
};

static struct handles open_handles(const shmbus_channel_options *channel, bool shared)
{
    struct handles handles = {.bus = open_guarded()};
    handles.publisher = unit_publisher(handles.bus, channel);
    handles.subscriber = shared ? unit_worker(handles.bus, "g") : unit_subscriber(handles.bus, "g");
    check_eq(shmbus_waitset_open(NULL, &handles.set), 0);
    check_eq(shmbus_waitset_add_subscriber(handles.set, handles.subscriber, NULL), 0);
    /* Some way into the ring, with something left to read. */
    for (unsigned i = 0; i < 20; i++) {
        check_eq(unit_send(handles.publisher, 100 * (i % 3), i, SHMBUS_NOWAIT), 0);
        check(i >= 15 || call_recv(&handles) >= 0);
    }
    return handles;
}

struct loss {
    const shmbus_channel_options *channel;
    bool shared;
    off_t size; /* that the file is cut to */
    call call;
};

/* The call may still succeed, or find nonsense; before long it says what is the matter. */
static void meet_loss(void *context)
{
    const struct loss *loss = context;
    struct handles handles = open_handles(loss->channel, loss->shared);
    cut(loss->size);
    int64_t result = 0;
    for (unsigned i = 0; i < TRIES && result != -EFAULT; i++) {
        result = loss->call(&handles);
    }
    check_fails(result, -EFAULT, unit_bus, "taken away", "truncated");
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
        check_fails(calls[i](&handles), -EFAULT, unit_bus);
    }
    check_eq(shmbus_waitset_close(handles.set), 0);
    check_eq(shmbus_subscriber_close(handles.subscriber), 0);
    check_eq(shmbus_publisher_close(handles.publisher), 0);
    check_eq(shmbus_close(handles.bus), 0);
}

static void check_calls(const shmbus_channel_options *channel, bool shared, off_t size)
{
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct loss loss = {channel, shared, size, calls[i]};
        unit_join(unit_fork(meet_loss, &loss));
        check_eq(shmbus_remove(unit_bus), 0);
        check_eq(shmbus_close(open_guarded()), 0); /* the name is free for a sound one */
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

UNIT(guard, of_every_call_on_a_blocking_channel)
{
    check_calls(&shape, false, 0);
}

UNIT(guard, of_every_call_in_a_shared_group)
{
    check_calls(&shape, true, 0);
}

UNIT(guard, of_every_call_on_an_overwriting_channel)
{
    check_calls(&overwriting, false, 0);
}

UNIT(guard, of_every_call_of_a_single_publisher)
{
    const shmbus_channel_options single = {
        .producers = SHMBUS_SINGLE, .slots = SLOTS, .arena = 16 << 10, .largest = 4096};
    check_calls(&single, false, 0);
}

/* ------------------------------------------------------------------------------------- who is inside a call */

static void receive_until_lost(void *context)
{
    unit_gate_open(context);
    shmbus_subscriber *subscriber = unit_subscriber(open_guarded(), "reader");
    shmbus_message message;
    int err;
    while ((err = shmbus_next(subscriber, &message, SHMBUS_FOREVER)) == 0) {
    }
    check_eq(err, -EFAULT);
}

static void wait_for_many_until_lost(void *context)
{
    shmbus_bus *bus = open_guarded();
    shmbus_subscriber *subscriber = unit_subscriber(bus, "waitset");
    shmbus_waitset *set;
    shmbus_event event;
    shmbus_message message;
    check_eq(shmbus_waitset_open(NULL, &set), 0);
    check_eq(shmbus_waitset_add_subscriber(set, subscriber, NULL), 0);
    unit_gate_open(context);
    int err = 0;
    while (err == 0 || err == -EAGAIN) {
        check_eq(shmbus_waitset_wait(set, &event, 1, SHMBUS_FOREVER), 1);
        err = shmbus_next(subscriber, &message, SHMBUS_NOWAIT);
    }
    check_eq(err, -EFAULT);
}

static void send_until_lost(void *context)
{
    shmbus_publisher *publisher = unit_publisher(open_guarded(), NULL);
    unit_gate_open(context);
    int err;
    while ((err = unit_send(publisher, 200, 1, SHMBUS_FOREVER)) == 0) {
    }
    check_eq(err, -EFAULT);
}

/* The ring is full before long, for there is a group that nobody reads. */
static void start_group(void)
{
    shmbus_bus *bus = unit_open();
    const shmbus_subscriber_options stuck = {.group = "stuck", .durable = 1, .channel = &shape};
    shmbus_subscriber *subscriber;
    check_eq(shmbus_subscriber_open(bus, "c", &stuck, &subscriber), 0);
    check_eq(shmbus_close(bus), 0);
}

static void check_peers(off_t size, bool block)
{
    void (*const bodies[])(void *) = {receive_until_lost, wait_for_many_until_lost, send_until_lost,
                                      send_until_lost};
    struct unit_gate gate = unit_gate();
    pid_t peers[4];
    if (block) {
        start_group();
    }
    check_eq(shmbus_channel_create(unit_open(), "c", &shape), 0);
    for (unsigned i = 0; i < 4; i++) {
        peers[i] = unit_fork(bodies[i], &gate);
        unit_gate_wait(&gate);
    }
    check_soon(unit_channel_info().published >= SLOTS);
    if (block) {
        struct shm_header *header = unit_map();
        const struct ring ring = unit_ring(header);
        check_soon(unit_asleep(&ring.shared->space) &&
                   load64_relaxed(&ring.shared->data.sleepers) & WAIT_FLAGS);
    }
    cut(size);
    for (unsigned i = 0; i < 4; i++) {
        unit_join(peers[i]);
    }
}

UNIT(guard, of_peers_in_full_flight)
{
    check_peers(0, false);
}

UNIT(guard, of_peers_that_sleep)
{
    check_peers(0, true);
}

/* The header stays; the channel goes. */
UNIT(guard, of_peers_of_a_lost_channel)
{
    check_peers(4096 * 7, false);
}

/* ------------------------------------------------------------------------------------------------- threads */

struct thread_work {
    shmbus_bus *bus;
    unsigned number;
};

static void *work_until_lost(void *context)
{
    const struct thread_work *work = context;
    shmbus_publisher *publisher;
    shmbus_subscriber *subscriber;
    char group[16], buffer[4096];
    (void)snprintf(group, sizeof group, "g%u", work->number);
    const shmbus_subscriber_options options = {.group = group};
    if (shmbus_publisher_open(work->bus, "c", NULL, &publisher) != 0 ||
        shmbus_subscriber_open(work->bus, "c", &options, &subscriber) != 0) {
        return NULL; /* it was lost before */
    }
    int64_t sent = 0, received = 0;
    while (sent != -EFAULT || received != -EFAULT) {
        sent = unit_send(publisher, 100, 1, SHMBUS_NOWAIT);
        received = shmbus_recv(subscriber, buffer, sizeof buffer, NULL, SHMBUS_NOWAIT);
    }
    return NULL;
}

UNIT(guard, of_threads)
{
    for (unsigned round = 0; round < 20; round++) {
        struct thread_work work[3];
        pthread_t threads[3];
        shmbus_bus *bus = open_guarded();
        check_eq(shmbus_channel_create(bus, "c", &overwriting), 0);
        for (unsigned i = 0; i < 3; i++) {
            work[i] = (struct thread_work){.bus = bus, .number = i};
            check_eq(pthread_create(&threads[i], NULL, work_until_lost, &work[i]), 0);
        }
        check_soon(unit_channel_info().published > 10 * round);
        cut(round % 2 == 0 ? 0 : 4096 * 10);
        for (unsigned i = 0; i < 3; i++) {
            check_eq(pthread_join(threads[i], NULL), 0);
        }
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

/* ------------------------------------------------------------------------------------------------ the rest */

/* Nothing that is ours is written into what others still have. */
UNIT(guard, leaves_the_segment_alone)
{
    shmbus_bus *bus = open_guarded();
    shmbus_publisher *publisher = unit_publisher(bus, &overwriting);
    struct shm_header *header = unit_map();
    const struct ring ring = unit_ring(header);
    cut((off_t)(unit_file().size - 4096)); /* the end of the arena */
    int err = 0;
    for (unsigned i = 0; err == 0 && i < TRIES; i++) {
        err = unit_send(publisher, 4096, i, SHMBUS_NOWAIT);
    }
    check_eq(err, -EFAULT);
    const uint64_t tail = load64_relaxed(&ring.shared->tail);
    check_eq(load32_relaxed(&ring.shared->removed), 0);
    check_eq(unit_send(publisher, 10, 1, SHMBUS_NOWAIT), -EFAULT);
    check_eq(shmbus_recover(bus), -EFAULT); /* the header is there, but no more for us */
    check_eq(load64_relaxed(&ring.shared->tail), tail);
    check_eq(shmbus_close(bus), 0);
    check_eq(load64_relaxed(&ring.shared->tail), tail);
}

UNIT(guard, of_one_bus_leaves_another_alone)
{
    char name[sizeof unit_bus + 8];
    (void)snprintf(name, sizeof name, "%s.b", unit_bus);
    shmbus_bus *other = NULL, *bus = open_guarded();
    check_eq(shmbus_open(name, NULL, &other), 0);
    shmbus_publisher *publisher = unit_publisher(bus, &shape), *sound = unit_publisher(other, &shape);
    shmbus_subscriber *subscriber = unit_subscriber(other, NULL);
    cut(0);
    check_eq(call_send(&(struct handles){.publisher = publisher}) <= 0, true);
    check_eq(call_send(&(struct handles){.publisher = publisher}), -EFAULT);
    check_eq(unit_send(sound, 100, 7, SHMBUS_NOWAIT), 0);
    unit_receive(subscriber, 0, 100, 7);
    check_eq(shmbus_close(other), 0);
    check_eq(shmbus_remove(name), 0);
}

UNIT(guard, of_a_view)
{
    check_eq(shmbus_channel_create(open_guarded(), "c", &shape), 0);
    shmbus_view *view = NULL;
    shmbus_bus_info info;
    check_eq(shmbus_view_open(unit_bus, &view), 0);
    cut(0);
    (void)shmbus_view_bus(view, &info);
    check_fails(shmbus_view_bus(view, &info), -EFAULT, unit_bus, "taken away");
    shmbus_view_close(view);
}

/* A hole that cannot be filled, because /dev/shm is full. */
UNIT(guard, of_a_hole)
{
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=1m") != 0) {
        cr_skip_test("mounting a small /dev/shm needs root");
    }
    const struct handles handles = open_handles(&shape, false);
    const int fd = open(unit_path(), O_RDWR | O_CLOEXEC);
    check_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, unit_file().size), 0);
    const int filler = open("/dev/shm/filler", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    for (off_t at = 0; posix_fallocate(filler, at, 4096) == 0; at += 4096) {
    }
    (void)call_recover(&handles);
    check_fails(call_recover(&handles), -EFAULT, "hole");
    check_fails(call_send(&handles), -EFAULT, "hole");
}

static void read_the_message(void *context)
{
    const shmbus_message *message = context;
    const volatile unsigned char *bytes = message->data;
    for (size_t i = 0; i < message->size; i++) {
        check_eq(bytes[i], 0);
    }
    (void)snprintf(unit_bus + strlen(unit_bus), 4, ".f");
    shmbus_bus *bus = open_guarded();
    shmbus_publisher *publisher = unit_publisher(bus, &shape);
    cut(0);
    (void)unit_send(publisher, 100, 1, SHMBUS_NOWAIT);
    check_eq(unit_send(publisher, 100, 1, SHMBUS_NOWAIT), -EFAULT);
    check_eq(shmbus_close(bus), 0);
    check_eq(shmbus_remove(unit_bus), 0);
}

/* What a child inherits is guarded there too, and what it opens. */
UNIT(guard, of_a_forked_child)
{
    shmbus_bus *bus = open_guarded();
    shmbus_publisher *publisher = unit_publisher(bus, &shape);
    shmbus_subscriber *subscriber = unit_subscriber(bus, NULL);
    shmbus_message message;
    check_eq(unit_send(publisher, 1000, 1, SHMBUS_NOWAIT), 0);
    check_eq(shmbus_peek(subscriber, &message, SHMBUS_NOWAIT), 0);
    unit_check_content(message.data, message.size, 1);
    cut(0);
    unit_join(unit_fork(read_the_message, &message));
    check_eq(shmbus_release(subscriber), 0);
    (void)unit_send(publisher, 100, 1, SHMBUS_NOWAIT);
    check_eq(unit_send(publisher, 100, 1, SHMBUS_NOWAIT), -EFAULT);
    check_eq(shmbus_close(bus), 0);
}

/* Places in the table are used again. */
UNIT(guard, of_more_mappings_than_it_has_room_for)
{
    const int fd = os_segment_create();
    void *addresses[GUARD_REGIONS], *one_more;
    check_eq(os_segment_reserve(fd, 0, 4096), 0);
    check_eq(os_guard_install(), 0);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < GUARD_REGIONS; i++) {
            check_eq(os_segment_map(fd, 0, 4096, true, &addresses[i]), 0);
        }
        check_eq(os_segment_map(fd, 0, 4096, true, &one_more), -ENOMEM);
        for (unsigned i = 0; i < GUARD_REGIONS; i++) {
            os_segment_unmap(addresses[i], 4096);
        }
    }
}
