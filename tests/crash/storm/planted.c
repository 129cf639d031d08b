/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In front of the library for the storm's self-test: what each of the library's promises looks like when it is
 * broken. SHMBUS_STORM_PLANT says which one. A publisher's counters hide what was lost or sent twice: the
 * messages themselves must tell.
 *
 * concurrency   one thread, one publisher in each process
 * killed        as the calls that they stand before
 */
#define _GNU_SOURCE
#include <shmbus/shmbus.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RARELY 50u /* one call in so many is broken */

/* REPLACED(RESULT, CALL, PARAMETERS...): __wrap_CALL is called in its place, and may call __real_CALL. */
#define REPLACED(result, call, ...)                                                                          \
    result __real_##call(__VA_ARGS__);                                                                       \
    result __wrap_##call(__VA_ARGS__);                                                                       \
    result __wrap_##call(__VA_ARGS__)

/* What the publisher's counters should say besides what they say. */
static int64_t hidden_messages;
static int64_t hidden_bytes;

static bool planted(const char *plant)
{
    const char *chosen = getenv("SHMBUS_STORM_PLANT");
    return chosen && strcmp(chosen, plant) == 0;
}

static bool rarely(const char *plant)
{
    static unsigned calls;
    return planted(plant) && ++calls % RARELY == 0;
}

static void hide(int64_t sign, size_t size)
{
    hidden_messages += sign;
    hidden_bytes += sign * (int64_t)size;
}

REPLACED(int, shmbus_send, shmbus_publisher *publisher, const void *data, size_t size, int64_t deadline)
{
    if (rarely("lost")) {
        hide(1, size);
        return 0;
    }
    while (rarely("hang")) {
        (void)pause();
    }
    const int err = __real_shmbus_send(publisher, data, size, deadline);
    if (err == 0 && rarely("twice")) {
        if (__real_shmbus_send(publisher, data, size, SHMBUS_NOWAIT) == 0) {
            hide(-1, size);
        }
    }
    return err;
}

REPLACED(int, shmbus_publisher_stats_get, shmbus_publisher *publisher, shmbus_publisher_stats *stats)
{
    const int err = __real_shmbus_publisher_stats_get(publisher, stats);
    stats->messages += (uint64_t)hidden_messages;
    stats->bytes += (uint64_t)hidden_bytes;
    return err;
}

REPLACED(int, shmbus_publisher_close, shmbus_publisher *publisher)
{
    hidden_messages = 0;
    hidden_bytes = 0;
    return planted("leak") ? 0 : __real_shmbus_publisher_close(publisher);
}

REPLACED(int64_t, shmbus_recv, shmbus_subscriber *subscriber, void *buffer, size_t capacity,
         shmbus_message *message, int64_t deadline)
{
    const int64_t size = __real_shmbus_recv(subscriber, buffer, capacity, message, deadline);
    if (size > 0 && rarely("torn")) {
        ((unsigned char *)buffer)[size - 1] ^= 1;
    }
    return size;
}

REPLACED(int, shmbus_next, shmbus_subscriber *subscriber, shmbus_message *message, int64_t deadline)
{
    const int err = __real_shmbus_next(subscriber, message, deadline);
    if (err == 0 && planted("unmarked")) {
        message->flags = 0;
    }
    return err;
}
