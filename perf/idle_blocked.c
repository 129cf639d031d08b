/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shmbus-bench-blocked BUS CHANNEL COUNT: waits for messages that never come, until it is killed: with COUNT 0 in
 * shmbus_recv() on CHANNEL, else in a waitset of COUNT subscribers, each on a channel of its own.
 */
#include <shmbus/shmbus.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#define CHANNELS 128u
#define GROUPS 64u

static int fail(const char *call, int error)
{
    fprintf(stderr, "%s: %s\n", call, shmbus_strerror(error));
    return 1;
}

static int subscribe(shmbus_bus *bus, const char *channel, shmbus_subscriber **subscriber)
{
    shmbus_channel_options shape = {.slots = 64, .arena = 4096, .groups = GROUPS};
    shmbus_subscriber_options options = {.channel = &shape};
    return shmbus_subscriber_open(bus, channel, &options, subscriber);
}

static int ready(void)
{
    char byte = 'r';
    return write(STDOUT_FILENO, &byte, 1) == 1 ? 0 : 1;
}

static int block_in_recv(shmbus_bus *bus, const char *channel)
{
    shmbus_subscriber *subscriber;
    char byte;
    int error = subscribe(bus, channel, &subscriber);
    if (error != 0)
        return fail("shmbus_subscriber_open", error);
    if (ready() != 0)
        return 1;
    return fail("shmbus_recv", (int)shmbus_recv(subscriber, &byte, 1, NULL, SHMBUS_FOREVER));
}

static int block_in_waitset(shmbus_bus *bus, const char *channel, unsigned count)
{
    char name[SHMBUS_NAME_MAX + 1];
    shmbus_waitset *set;
    shmbus_subscriber *subscriber;
    shmbus_event event;
    int error = shmbus_waitset_open(NULL, &set);
    if (error != 0)
        return fail("shmbus_waitset_open", error);
    for (unsigned i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%.32s-%u", channel, i);
        error = subscribe(bus, name, &subscriber);
        if (error == 0)
            error = shmbus_waitset_add_subscriber(set, subscriber, NULL);
        if (error != 0)
            return fail("subscriber of a waitset", error);
    }
    if (ready() != 0)
        return 1;
    return fail("shmbus_waitset_wait", shmbus_waitset_wait(set, &event, 1, SHMBUS_FOREVER));
}

int main(int count, char **arguments)
{
    shmbus_bus_options options = {.channels = CHANNELS};
    shmbus_bus *bus;
    if (count != 4)
        return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int error = shmbus_open(arguments[1], &options, &bus);
    if (error != 0)
        return fail("shmbus_open", error);
    unsigned long subscribers = strtoul(arguments[3], NULL, 10);
    if (subscribers == 0)
        return block_in_recv(bus, arguments[2]);
    return block_in_waitset(bus, arguments[2], (unsigned)subscribers);
}
