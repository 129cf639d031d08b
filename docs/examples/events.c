/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events: one epoll loop watches two channels, through the one file descriptor of a waitset, beside whatever else
 * the program watches. It sleeps while nothing comes, and costs the senders nothing while it works.
 */
#include "example.h"

#include <errno.h>
#include <sys/epoll.h>

#define SENDERS 2
#define MESSAGES 100
#define EVENTS 8

static const shmbus_channel_options shape = {.producers = SHMBUS_SINGLE};
static const char *const channels[SENDERS] = {"prices", "orders"};

static int sender(const char *bus_name, int number)
{
    shmbus_bus *bus;
    shmbus_publisher *out;
    must(shmbus_open(bus_name, NULL, &bus));
    must(shmbus_publisher_open(bus, channels[number], NULL, &out));
    for (int i = 0; i < MESSAGES; i++)
        must(shmbus_send(out, &i, sizeof i, SHMBUS_FOREVER));
    must(shmbus_close(bus));
    return 0;
}

/* Takes what is ready, until nothing is: then the descriptor is not readable any more. How many messages. */
static int take_all(shmbus_waitset *set)
{
    shmbus_event events[EVENTS];
    int ready, taken = 0;
    while ((ready = shmbus_waitset_wait(set, events, EVENTS, SHMBUS_NOWAIT)) >= 0) {
        for (int i = 0; i < ready; i++, taken++) {
            int *expected = events[i].tag, number;
            must(shmbus_recv(events[i].subscriber, &number, sizeof number, NULL, SHMBUS_NOWAIT));
            expect(number == (*expected)++, "each channel's messages come in order");
        }
    }
    expect(ready == -EAGAIN, "the set works");
    return taken;
}

int main(void)
{
    const char *bus_name = example_bus_name("events");
    shmbus_bus *bus;
    shmbus_waitset *set;
    int next[SENDERS] = {0};
    must(shmbus_open(bus_name, NULL, &bus));
    must(shmbus_waitset_open(NULL, &set));
    for (int i = 0; i < SENDERS; i++) {
        shmbus_subscriber *in;
        must(shmbus_subscriber_open(bus, channels[i], &(shmbus_subscriber_options){.channel = &shape}, &in));
        must(shmbus_waitset_add_subscriber(set, in, &next[i]));
    }

    const int loop = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event watch = {.events = EPOLLIN};
    expect(epoll_ctl(loop, EPOLL_CTL_ADD, (int)must(shmbus_waitset_fd(set)), &watch) == 0, "epoll_ctl()");

    example_start(SENDERS, sender, bus_name);
    for (int taken = 0; taken < SENDERS * MESSAGES;) {
        struct epoll_event event;
        expect(epoll_wait(loop, &event, 1, 10000) == 1, "something comes within ten seconds");
        taken += take_all(set);
    }

    example_finish(SENDERS);
    printf("%d messages from %s, %d from %s\n", next[0], channels[0], next[1], channels[1]);
    must(shmbus_waitset_close(set));
    must(shmbus_close(bus));
    must(shmbus_remove(bus_name));
    return 0;
}
