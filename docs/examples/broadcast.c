/* SPDX-License-Identifier: Apache-2.0 */
/* Broadcast: every group sees every message. Three readers, each the only member of its own group. */
#include "example.h"

#define READERS 3
#define COUNT 1000 /* fewer than the ring holds, so that a reader may join after they were sent */

/* One publisher, which lets it do without locked instructions. */
static const shmbus_channel_options ticks = {.producers = SHMBUS_SINGLE, .slots = 4096};

static int reader(const char *bus_name, int number)
{
    shmbus_bus *bus;
    shmbus_subscriber *in;
    /* Without a name of a group each subscriber is a group by itself. */
    const shmbus_subscriber_options options = {.from = SHMBUS_FROM_OLDEST, .channel = &ticks};
    must(shmbus_open(bus_name, NULL, &bus));
    must(shmbus_subscriber_open(bus, "ticks", &options, &in));
    for (uint64_t next = 0; next < COUNT; next++) {
        uint64_t tick;
        int64_t size = must(shmbus_recv(in, &tick, sizeof tick, NULL, shmbus_deadline(10 * SECOND)));
        expect(size == sizeof tick && tick == next, "every tick comes once and in order");
    }
    printf("reader %d: %d ticks\n", number, COUNT);
    must(shmbus_close(bus));
    return 0;
}

int main(void)
{
    const char *bus_name = example_bus_name("broadcast");
    example_start(READERS, reader, bus_name);

    shmbus_bus *bus;
    shmbus_publisher *out;
    const shmbus_publisher_options options = {.channel = &ticks};
    must(shmbus_open(bus_name, NULL, &bus));
    must(shmbus_publisher_open(bus, "ticks", &options, &out));
    for (uint64_t tick = 0; tick < COUNT; tick++)
        must(shmbus_send(out, &tick, sizeof tick, SHMBUS_FOREVER));

    example_finish(READERS);
    must(shmbus_close(bus));
    must(shmbus_remove(bus_name));
    return 0;
}
