/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program of somebody who has only the installed library: sends a message to itself and looks at the bus.
 * Usage: consumer BUS. The bus must not exist; it is removed again.
 */
#include <shmbus/inspect.h>
#include <shmbus/shmbus.h>
#include <stdio.h>
#include <string.h>

static int fail(const char *what, int err)
{
    fprintf(stderr, "%s: %s\n", what, shmbus_strerror(err));
    return 1;
}

static int send_and_receive(shmbus_bus *bus)
{
    static const char text[] = "hello";
    const shmbus_channel_options shape = {.producers = SHMBUS_SINGLE, .slots = 8};
    const shmbus_subscriber_options join = {.channel = &shape};
    shmbus_publisher *publisher;
    shmbus_subscriber *subscriber;
    char buffer[64];
    int err = shmbus_subscriber_open(bus, "greetings", &join, &subscriber);
    if (err != 0)
        return fail("subscriber", err);
    err = shmbus_publisher_open(bus, "greetings", NULL, &publisher);
    if (err != 0)
        return fail("publisher", err);
    err = shmbus_send(publisher, text, sizeof text, SHMBUS_NOWAIT);
    if (err != 0)
        return fail("send", err);
    int64_t size = shmbus_recv(subscriber, buffer, sizeof buffer, NULL, SHMBUS_NOWAIT);
    if (size != (int64_t)sizeof text || memcmp(buffer, text, sizeof text) != 0)
        return fail("recv", (int)size);
    return 0;
}

static int count_channels(const char *name)
{
    shmbus_view *view;
    shmbus_bus_info info;
    int err = shmbus_view_open(name, &view);
    if (err != 0)
        return fail("view", err);
    err = shmbus_view_bus(view, &info);
    shmbus_view_close(view);
    if (err != 0)
        return fail("bus info", err);
    if (info.channels != 1) {
        fprintf(stderr, "%u channels instead of 1\n", (unsigned)info.channels);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    const shmbus_bus_options options = {.open = SHMBUS_CREATE_NEW};
    shmbus_bus *bus;
    if (argc != 2) {
        fprintf(stderr, "usage: consumer BUS\n");
        return 2;
    }
    int err = shmbus_open(argv[1], &options, &bus);
    if (err != 0)
        return fail("open", err);
    int failed = send_and_receive(bus) || count_channels(argv[1]);
    shmbus_close(bus);
    shmbus_remove(argv[1]);
    if (!failed)
        printf("shmbus %s: sent and received\n", shmbus_version());
    return failed;
}
