/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shmbus-bench-idle BUS [CHANNEL]: attaches to a bus, with CHANNEL also as a subscriber of it, and does
 * nothing. Ends with its standard input.
 */
#include <shmbus/shmbus.h>

#include <stdio.h>
#include <unistd.h>

static int fail(const char *call, int error)
{
    fprintf(stderr, "%s: %s\n", call, shmbus_strerror(error));
    return 1;
}

int main(int count, char **arguments)
{
    shmbus_bus *bus;
    shmbus_subscriber *subscriber;
    char byte = 'r';
    if (count < 2)
        return 2;
    int error = shmbus_open(arguments[1], NULL, &bus);
    if (error != 0)
        return fail("shmbus_open", error);
    if (count > 2) {
        shmbus_channel_options channel = {0};
        shmbus_subscriber_options options = {.channel = &channel};
        error = shmbus_subscriber_open(bus, arguments[2], &options, &subscriber);
        if (error != 0)
            return fail("shmbus_subscriber_open", error);
    }
    if (write(STDOUT_FILENO, &byte, 1) != 1)
        return 1;
    return read(STDIN_FILENO, &byte, 1) < 0;
}
