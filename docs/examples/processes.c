/* SPDX-License-Identifier: Apache-2.0 */
/* Two processes and one message. */
#include <shmbus/shmbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int64_t must(int64_t result)
{
    if (result >= 0)
        return result;
    fprintf(stderr, "processes: %s\n", shmbus_strerror((int)result));
    exit(1);
}

int main(void)
{
    char name[32], text[64];
    snprintf(name, sizeof name, "processes-%d", (int)getpid());
    const pid_t child = fork(); /* each process opens the bus for itself, after the fork */

    shmbus_bus *bus;
    const shmbus_channel_options shape = {0}; /* all defaults: whoever comes first creates it */
    must(shmbus_open(name, NULL, &bus));
    if (child == 0) {
        shmbus_publisher *out;
        const shmbus_publisher_options options = {.channel = &shape};
        must(shmbus_publisher_open(bus, "greetings", &options, &out));
        must(shmbus_send(out, "Hello, world", 12, SHMBUS_FOREVER));
        return 0;
    }
    shmbus_subscriber *in;
    const shmbus_subscriber_options options = {.channel = &shape, .from = SHMBUS_FROM_OLDEST};
    must(shmbus_subscriber_open(bus, "greetings", &options, &in));
    int64_t size = must(shmbus_recv(in, text, sizeof text, NULL, shmbus_deadline(INT64_C(10000000000))));
    printf("%.*s\n", (int)size, text);
    must(shmbus_remove(name));
    return waitpid(child, NULL, 0) == child && size == 12 ? 0 : 1;
}
