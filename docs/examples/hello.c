/* SPDX-License-Identifier: Apache-2.0 */
#include <shmbus/shmbus.h>
#include <stdio.h>

int main(void)
{
    shmbus_bus *bus;
    shmbus_publisher *out;
    shmbus_subscriber *in;
    shmbus_channel_options shape = {.producers = SHMBUS_SINGLE}; /* the rest by default; made if missing */
    char text[64];
    int64_t size = shmbus_open("hello", NULL, &bus);
    if (size == 0)
        size = shmbus_subscriber_open(bus, "greetings", &(shmbus_subscriber_options){.channel = &shape}, &in);
    if (size == 0)
        size = shmbus_publisher_open(bus, "greetings", NULL, &out);
    if (size == 0)
        size = shmbus_send(out, "Hello, world", 12, SHMBUS_FOREVER);
    if (size == 0)
        size = shmbus_recv(in, text, sizeof text, NULL, SHMBUS_FOREVER);
    printf("%.*s\n", size > 0 ? (int)size : 400, size > 0 ? text : shmbus_strerror((int)size));
    return shmbus_remove("hello") == 0 && size == 12 ? 0 : 1;
}
