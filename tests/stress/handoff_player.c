/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "handoff.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define CPU_PERIOD 200u /* hand-offs between two choices of a CPU */

/* Waits for messages, or for room, in one of the ways. */
struct desk {
    enum way way;
    shmbus_publisher *publisher; /* it waits for room, or else: */
    shmbus_subscriber *subscribers[WIDTH_MAX];
    unsigned width;
    shmbus_waitset *set;
    int epoll;
};

/* A player at work; each is a process of one thread. */
static struct {
    const struct player *player;
    struct player_ledger *ledger;
    struct random random;
    shmbus_bus *bus;
    long switches;     /* voluntary ones, when it began to wait */
    cpu_set_t allowed; /* CPUs, of the process */
} self;

const char *way_name(enum way way)
{
    static const char *const names[] = {"block", "adaptive", "waitset", "epoll"};
    return names[way];
}

enum way player_way(const struct table *table, unsigned index)
{
    return index == 0 ? table->first : table->others[index - 1];
}

/* `result` is one, or an error. */
static int64_t need(const char *what, int64_t result)
{
    if (result < 0) {
        (void)fprintf(stderr, "handoffs: table %s, player %u: %s returned %lld: %s\n",
                      self.player->table->name, self.player->index, what, (long long)result,
                      shmbus_strerror((int)result));
        exit(1);
    }
    return result;
}

static void need_equal(const char *what, uint64_t is, uint64_t must)
{
    if (is != must) {
        (void)fprintf(stderr, "handoffs: table %s, player %u: %s is %" PRIu64 ", not %" PRIu64 "\n",
                      self.player->table->name, self.player->index, what, is, must);
        exit(1);
    }
}

/* ------------------------------------------------------------------------------------------- waiting */

static long voluntary_switches(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
}

static void begin_wait(uint64_t number)
{
    atomic_store(&self.ledger->number, number);
    self.switches = voluntary_switches();
    atomic_store(&self.ledger->waits, 1);
}

/* It has the CPU again: did it give it away? */
static void end_wait(void)
{
    atomic_store(&self.ledger->waits, 0);
    if (voluntary_switches() != self.switches) {
        atomic_fetch_add(&self.ledger->slept, 1);
    }
    atomic_fetch_add(&self.ledger->handoffs, 1);
}

static void await_descriptor(int epoll)
{
    struct epoll_event told;
    int count;
    do {
        count = epoll_wait(epoll, &told, 1, -1);
    } while (count < 0 && errno == EINTR); /* it was stopped */
    need_equal("epoll_wait()", (uint64_t)count, 1);
}

/* Returns with one event. */
static shmbus_event await_event(struct desk *desk)
{
    shmbus_event event = {0};
    if (desk->way == WAY_SET) {
        need_equal(
            "shmbus_waitset_wait()",
            (uint64_t)need("shmbus_waitset_wait", shmbus_waitset_wait(desk->set, &event, 1, SHMBUS_FOREVER)),
            1);
        return event;
    }
    int found;
    while ((found = shmbus_waitset_wait(desk->set, &event, 1, SHMBUS_NOWAIT)) == -EAGAIN) {
        await_descriptor(desk->epoll);
    }
    need_equal("shmbus_waitset_wait()", (uint64_t)need("shmbus_waitset_wait", found), 1);
    return event;
}

static bool waits_in_set(const struct desk *desk)
{
    return desk->way == WAY_SET || desk->way == WAY_EPOLL;
}

/*
 * Gets `number`, which comes through `*from` unless that is `width`: then whence it came. Who waits in the call
 * that receives must know; who waits in a set does not.
 */
static void take(struct desk *desk, unsigned *from, uint64_t number)
{
    uint64_t got = 0;
    begin_wait(number);
    if (waits_in_set(desk)) {
        const shmbus_event event = await_event(desk);
        const unsigned tag = (unsigned)(uintptr_t)event.tag;
        need_equal("the channel", tag, *from < desk->width ? *from : tag);
        *from = tag;
    }
    const int64_t deadline = waits_in_set(desk) ? SHMBUS_NOWAIT : SHMBUS_FOREVER;
    need("shmbus_recv", shmbus_recv(desk->subscribers[*from], &got, sizeof got, NULL, deadline));
    end_wait();
    need_equal("the number", got, number);
}

/* Gets rid of `number`, waiting for room. */
static void put(struct desk *desk, uint64_t number)
{
    begin_wait(number);
    const int64_t deadline = waits_in_set(desk) ? SHMBUS_NOWAIT : SHMBUS_FOREVER;
    int err;
    while ((err = shmbus_send(desk->publisher, &number, sizeof number, deadline)) == -EAGAIN) {
        (void)await_event(desk);
    }
    need("shmbus_send", err);
    end_wait();
}

/* ------------------------------------------------------------------------------------------- opening */

/* So small that a table with room is full at once; the others never send more than their width. */
static shmbus_channel_options channel_options(void)
{
    const unsigned room = self.player->table->room;
    return (shmbus_channel_options){.producers = room % 2 ? SHMBUS_MULTI : SHMBUS_SINGLE,
                                    .slots = room ? room : 4,
                                    .arena = 4096,
                                    .largest = 1024,
                                    .groups = ANSWERERS_MAX};
}

static const char *channel_name(const char *what, unsigned number)
{
    static char name[SHMBUS_NAME_MAX + 1];
    (void)snprintf(name, sizeof name, "%s.%s%u", self.player->table->name, what, number);
    return name;
}

static enum shmbus_wait strategy(const struct desk *desk)
{
    return desk->way == WAY_ADAPTIVE ? SHMBUS_WAIT_ADAPTIVE : SHMBUS_WAIT_BLOCK;
}

static void open_set(struct desk *desk)
{
    if (waits_in_set(desk)) {
        const shmbus_waitset_options options = {.wait = SHMBUS_WAIT_BLOCK};
        need("shmbus_waitset_open", shmbus_waitset_open(&options, &desk->set));
    }
    if (desk->way == WAY_EPOLL) {
        struct epoll_event event = {.events = EPOLLIN};
        const int fd = (int)need("shmbus_waitset_fd", shmbus_waitset_fd(desk->set));
        desk->epoll = epoll_create1(EPOLL_CLOEXEC);
        need("epoll_ctl", epoll_ctl(desk->epoll, EPOLL_CTL_ADD, fd, &event));
    }
}

static struct desk open_desk(void)
{
    struct desk desk = {.way = player_way(self.player->table, self.player->index), .epoll = -1};
    open_set(&desk);
    return desk;
}

static void open_subscriber(struct desk *desk, const char *channel)
{
    const shmbus_channel_options shape = channel_options();
    const shmbus_subscriber_options options = {
        .from = SHMBUS_FROM_OLDEST, .wait = strategy(desk), .channel = &shape};
    shmbus_subscriber **subscriber = &desk->subscribers[desk->width];
    need("shmbus_subscriber_open", shmbus_subscriber_open(self.bus, channel, &options, subscriber));
    if (desk->set) {
        void *tag = (void *)(uintptr_t)desk->width; /* NOLINT(performance-no-int-to-ptr) */
        need("shmbus_waitset_add_subscriber", shmbus_waitset_add_subscriber(desk->set, *subscriber, tag));
    }
    desk->width++;
}

static shmbus_publisher *open_publisher(const struct desk *desk, const char *channel)
{
    const shmbus_channel_options shape = channel_options();
    const shmbus_publisher_options options = {.wait = strategy(desk), .channel = &shape};
    shmbus_publisher *publisher = NULL;
    need("shmbus_publisher_open", shmbus_publisher_open(self.bus, channel, &options, &publisher));
    return publisher;
}

/* ------------------------------------------------------------------------------------------- playing */

/*
 * Some work, of a length that is sometimes about that of going to sleep, sometimes far longer than any spin. Before
 * a send and behind it: only who is still awake when the other one sends can be on his way to sleep just then.
 */
static void work(void)
{
    static const int64_t lengths[] = {1, 2000, 10000, 40000, 200000};
    const uint64_t kind = random_below(&self.random, sizeof lengths / sizeof *lengths);
    const int64_t end = shmbus_now() + (int64_t)random_below(&self.random, (uint64_t)lengths[kind]);
    while (shmbus_now() < end) {
    }
}

/* The nth CPU of those that the process may use. */
static unsigned nth_cpu(unsigned n)
{
    unsigned cpu = 0;
    for (n %= (unsigned)CPU_COUNT(&self.allowed);; cpu++) {
        if (CPU_ISSET(cpu, &self.allowed) && n-- == 0) {
            return cpu;
        }
    }
}

/*
 * Mostly each player of a table has a CPU of its own: the kernel likes to put those who wake each other on the same
 * one, where they take turns and nobody ever sends while another is on his way to sleep.
 */
static void choose_cpu(uint64_t number)
{
    if (number % CPU_PERIOD != 1) {
        return;
    }
    cpu_set_t chosen = self.allowed;
    if (!random_one_in(&self.random, 4)) {
        CPU_ZERO(&chosen);
        CPU_SET(nth_cpu(self.player->index), &chosen);
    }
    (void)sched_setaffinity(0, sizeof chosen, &chosen);
}

/* Nobody begins before all have joined. */
static void join_table(void)
{
    atomic_store(&self.ledger->ready, 1);
    for (unsigned i = 0; i <= self.player->table->count; i++) {
        while (!atomic_load(&self.player->ledgers[i].ready)) {
            (void)sched_yield();
        }
    }
}

/* Which channel a question comes through. */
static unsigned channel_of(uint64_t number)
{
    return (unsigned)(random_mix(number) % self.player->table->width);
}

static void ask(void)
{
    const struct table *table = self.player->table;
    struct desk desk = open_desk();
    shmbus_publisher *publishers[WIDTH_MAX];
    for (unsigned i = 0; i < table->width; i++) {
        publishers[i] = open_publisher(&desk, channel_name("ask", i));
    }
    for (unsigned i = 0; i < table->count; i++) {
        open_subscriber(&desk, channel_name("answer", i));
    }
    join_table();
    for (uint64_t number = 1;; number++) {
        choose_cpu(number);
        work();
        need("shmbus_send",
             shmbus_send(publishers[channel_of(number)], &number, sizeof number, SHMBUS_FOREVER));
        work();
        for (unsigned i = 0; i < table->count; i++) {
            unsigned from = waits_in_set(&desk) ? desk.width : i;
            take(&desk, &from, number);
        }
    }
}

static void answer(void)
{
    const struct table *table = self.player->table;
    struct desk desk = open_desk();
    for (unsigned i = 0; i < table->width; i++) {
        open_subscriber(&desk, channel_name("ask", i));
    }
    shmbus_publisher *publisher = open_publisher(&desk, channel_name("answer", self.player->index - 1));
    join_table();
    for (uint64_t number = 1;; number++) {
        choose_cpu(number);
        unsigned from = channel_of(number);
        take(&desk, &from, number);
        work();
        need("shmbus_send", shmbus_send(publisher, &number, sizeof number, SHMBUS_FOREVER));
        work();
    }
}

static void write_all(void)
{
    struct desk desk = open_desk();
    desk.publisher = open_publisher(&desk, channel_name("room", 0));
    if (desk.set) {
        need("shmbus_waitset_add_publisher",
             shmbus_waitset_add_publisher(desk.set, desk.publisher, sizeof(uint64_t), NULL));
    }
    join_table();
    for (uint64_t number = 1;; number++) {
        choose_cpu(number);
        put(&desk, number);
        work();
    }
}

static void read_all(void)
{
    struct desk desk = open_desk();
    open_subscriber(&desk, channel_name("room", 0));
    join_table();
    for (uint64_t number = 1;; number++) {
        choose_cpu(number);
        unsigned from = 0;
        take(&desk, &from, number);
        work();
    }
}

void player_run(const struct player *player)
{
    self.player = player;
    self.ledger = &player->ledgers[player->index];
    self.random = random_seeded(player->seed, UINT64_C(100) * player->table_index + player->index);
    need("sched_getaffinity", sched_getaffinity(0, sizeof self.allowed, &self.allowed));
    const shmbus_bus_options options = {.participant_name = player->table->name};
    need("shmbus_open", shmbus_open(player->bus_name, &options, &self.bus));
    if (player->table->room) {
        if (player->index == 0) {
            write_all();
        } else {
            read_all();
        }
    } else if (player->index == 0) {
        ask();
    } else {
        answer();
    }
    exit(1); /* not reached: nobody stops playing */
}
