/* SPDX-License-Identifier: Apache-2.0 */
/* Groups as publishers see them: the slowest one holds them, a new one is waited for from its start. */
#include "unit_map.h"

#define FIRST ((UINT64_C(1) << 32) - 200)
#define SLOTS 64u

static const shmbus_channel_options kinds[] = {
    {.producers = SHMBUS_MULTI, .slots = SLOTS, .groups = 8, .first_sequence = FIRST},
    {.producers = SHMBUS_SINGLE, .slots = SLOTS, .groups = 8, .first_sequence = FIRST},
};

static uint64_t send_until_full(shmbus_publisher *publisher, uint64_t sequence)
{
    while (unit_send(publisher, 30, sequence, SHMBUS_NOWAIT) == 0) {
        sequence++;
    }
    return sequence;
}

UNIT(cursor, slowest_group_holds)
{
    for (unsigned kind = 0; kind < 2; kind++) {
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = unit_publisher(bus, &kinds[kind]);
        shmbus_subscriber *groups[4] = {unit_subscriber(bus, NULL), unit_worker(bus, "a"),
                                        unit_subscriber(bus, NULL), unit_worker(bus, "b")};
        uint64_t read[4] = {FIRST, FIRST, FIRST, FIRST};
        for (unsigned step = 0; step < 100; step++) {
            const uint64_t sent = send_until_full(publisher, unit_channel_info().published);
            uint64_t slowest = UINT64_MAX;
            for (unsigned i = 0; i < 4; i++) {
                slowest = read[i] < slowest ? read[i] : slowest;
            }
            check_eq(sent, slowest + SLOTS);
            for (unsigned i = 0; i < 4; i++) {
                for (unsigned n = (step * 7 + i * 5) % 23; n > 0 && read[i] < sent; n--, read[i]++) {
                    unit_receive(groups[i], read[i], 30, read[i]);
                }
            }
        }
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

/* What a member of a shared group has taken and not given back stays, wherever the cursor is. */
UNIT(cursor, held_messages_hold)
{
    for (unsigned kind = 0; kind < 2; kind++) {
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = unit_publisher(bus, &kinds[kind]);
        shmbus_subscriber *holder = unit_worker(bus, "g"), *worker = unit_worker(bus, "g");
        shmbus_message message;
        check_eq(unit_send(publisher, 30, FIRST, SHMBUS_NOWAIT), 0);
        check_eq(shmbus_peek(holder, &message, SHMBUS_NOWAIT), 0);
        uint64_t sent = FIRST + 1, read = FIRST + 1;
        while (unit_send(publisher, 30, sent, SHMBUS_NOWAIT) == 0) {
            sent++;
            unit_receive(worker, read, 30, read);
            read++;
        }
        check_eq(sent, FIRST + SLOTS);
        unit_check_content(message.data, message.size, FIRST);
        check_eq(shmbus_release(holder), 0);
        check_eq(send_until_full(publisher, sent), sent + SLOTS);
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

/*
 * Groups join at the oldest message at every state of the ring and of the publisher's limit. From then on their
 * messages stay until they are read, all of them.
 */
UNIT(cursor, oldest_stays_whenever_it_joins)
{
    for (unsigned kind = 0; kind < 2; kind++) {
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = unit_publisher(bus, &kinds[kind]);
        uint64_t sent = FIRST;
        for (unsigned step = 0; step < 300; step++) {
            for (unsigned i = 0; i < step % 11; i++) {
                check_eq(unit_send(publisher, 30, sent, SHMBUS_NOWAIT), 0);
                sent++;
            }
            shmbus_subscriber *subscriber = unit_subscriber(bus, "g");
            uint64_t next = unit_group_info("g").joined;
            const uint64_t published = sent - FIRST;
            check(next >= FIRST && next <= sent && sent - next <= SLOTS);
            check(sent - next >= (published < SLOTS * 7 / 8 ? published : SLOTS * 7 / 8));
            sent = send_until_full(publisher, sent);
            check_eq(sent - next, SLOTS);
            for (; next < sent; next++) {
                unit_receive(subscriber, next, 30, next);
            }
            check_eq(shmbus_subscriber_close(subscriber), 0);
        }
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

/* A group that joins now holds nothing that was there before. */
UNIT(cursor, now_holds_what_comes)
{
    for (unsigned kind = 0; kind < 2; kind++) {
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = unit_publisher(bus, &kinds[kind]);
        uint64_t sent = FIRST;
        for (unsigned step = 0; step < 200; step++) {
            for (unsigned i = 0; i < step % 13; i++) {
                check_eq(unit_send(publisher, 30, sent, SHMBUS_NOWAIT), 0);
                sent++;
            }
            shmbus_subscriber *subscriber = NULL;
            check_eq(shmbus_subscriber_open(bus, "c", NULL, &subscriber), 0);
            const uint64_t joined = sent;
            sent = send_until_full(publisher, sent);
            check_eq(sent, joined + SLOTS);
            for (uint64_t next = joined; next < sent; next++) {
                unit_receive(subscriber, next, 30, next);
            }
            check_eq(shmbus_subscriber_close(subscriber), 0);
        }
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}
