/* SPDX-License-Identifier: Apache-2.0 */
/* Directory entries as a process leaves them that dies half-way: the next change undoes them. */
#include "unit_map.h"

static const shmbus_channel_options large = {.arena = 8 << 20};

static void names(char text[3], unsigned i)
{
    (void)snprintf(text, 3, "n%u", i % 10);
}

/* A channel that was reserved, and perhaps filled, but never went live; or removed by one who then died. */
static void check_undone(uint32_t state)
{
    shmbus_bus *bus = unit_open();
    const struct unit_file empty = unit_file();
    check_eq(shmbus_channel_create(bus, "c", &large), 0);
    struct shm_entry *entry = unit_entries(unit_map());
    check_eq(load32_relaxed(&entry->state), ENTRY_LIVE);
    store32_relaxed(&entry->state, state);
    shmbus_publisher *publisher = NULL;
    check_fails(shmbus_publisher_open(bus, "c", NULL, &publisher), -ENOENT, "\"c\"");
    check(unit_file().blocks * 512 > 8 << 20);
    check_eq(shmbus_channel_create(bus, "d", &(shmbus_channel_options){.arena = 4096}), 0);
    check(unit_file().blocks < empty.blocks + (2 << 20) / 512);
    check_eq(shmbus_channel_create(bus, "c", &large), 0); /* the name is free again */
    publisher = unit_publisher(bus, &large);
    check_eq(unit_send(publisher, 1 << 20, 0, SHMBUS_NOWAIT), 0);
    check_eq(shmbus_close(bus), 0);
}

UNIT(directory, undoes_a_creation)
{
    check_undone(ENTRY_CREATING);
}

UNIT(directory, finishes_a_removal)
{
    check_undone(ENTRY_REMOVED);
}

/* Chosen, but not yet reserved: the extent lies behind the end of the file. */
UNIT(directory, undoes_a_creation_without_memory)
{
    shmbus_bus *bus = unit_open();
    struct shm_entry *entry = unit_entries(unit_map());
    store64_relaxed(&entry->offset, (uint64_t)unit_file().size);
    store64_relaxed(&entry->size, 1 << 30);
    store32_relaxed(&entry->state, ENTRY_CREATING);
    check_eq(shmbus_channel_create(bus, "c", NULL), 0);
    check(unit_file().size < 8 << 20);
    check_eq(shmbus_close(bus), 0);
}

/* Memory that is used again is as new: no byte of the channel before shows through. */
UNIT(directory, hands_out_zeroed_memory)
{
    shmbus_bus *bus = unit_open();
    for (unsigned i = 0; i < 5; i++) {
        char name[3];
        names(name, i);
        const shmbus_channel_options options = {
            .slots = 64u << i, .arena = UINT64_C(65536) >> i, .largest = 1000};
        const shmbus_publisher_options asked = {.channel = &options};
        shmbus_publisher *publisher = NULL;
        shmbus_subscriber *subscriber = NULL;
        check_eq(shmbus_publisher_open(bus, name, &asked, &publisher), 0);
        const shmbus_subscriber_options oldest = {.from = SHMBUS_FROM_OLDEST};
        check_eq(shmbus_subscriber_open(bus, name, &oldest, &subscriber), 0);
        check_fails(shmbus_recv(subscriber, NULL, 0, NULL, SHMBUS_NOWAIT), -EAGAIN, "");
        shmbus_publisher_stats stats;
        check_eq(shmbus_publisher_stats_get(publisher, &stats), 0);
        check_eq(stats.messages + stats.bytes + stats.aborted + stats.blocked, 0);
        for (uint64_t j = 0; j < 60; j++) {
            check_eq(unit_send(publisher, 900 - j, j, SHMBUS_NOWAIT), 0);
            unit_receive(subscriber, j, 900 - j, j);
        }
        check_eq(shmbus_publisher_close(publisher), 0);
        check_eq(shmbus_subscriber_close(subscriber), 0);
        check_eq(shmbus_channel_remove(bus, name), 0);
    }
    check_eq(shmbus_close(bus), 0);
}

/* Live channels never overlap, and none lies in the header. */
static void check_extents(struct shm_header *header)
{
    const struct shm_entry *entries = unit_entries(header);
    for (uint32_t i = 0; i < header->channels; i++) {
        const uint64_t start = load64_relaxed(&entries[i].offset);
        const uint64_t end = start + load64_relaxed(&entries[i].size);
        if (load32_relaxed(&entries[i].state) != ENTRY_LIVE) {
            continue;
        }
        check(start >= header->header_size && end <= load64_relaxed(&header->size));
        for (uint32_t j = 0; j < i; j++) {
            const uint64_t other = load64_relaxed(&entries[j].offset);
            check(load32_relaxed(&entries[j].state) != ENTRY_LIVE || end <= other ||
                  start >= other + load64_relaxed(&entries[j].size));
        }
    }
}

UNIT(directory, keeps_extents_apart)
{
    shmbus_bus *bus = unit_open();
    struct shm_header *header = unit_map();
    uint32_t random = 1;
    for (unsigned step = 0; step < 300; step++) {
        random = random * 1103515245 + 12345;
        char name[3];
        names(name, random >> 16);
        const shmbus_channel_options options = {.slots = 64, .arena = UINT64_C(4096) << (random >> 24) % 6};
        const int err = shmbus_channel_create(bus, name, &options);
        check(err == 0 || err == -EEXIST);
        if (err == -EEXIST || step % 3 == 0) {
            check_eq(shmbus_channel_remove(bus, name), 0);
        }
        check_extents(header);
    }
    check_eq(shmbus_close(bus), 0);
}

/* Its users are told first: killed behind that, the entry is still live. Whoever wants the name next removes it. */
UNIT(directory, finishes_a_removal_that_its_users_know_of)
{
    for (unsigned i = 0; i < 3; i++) {
        shmbus_bus *bus = unit_open();
        shmbus_publisher *user = unit_publisher(bus, &large), *publisher = NULL;
        const size_t size = (size_t)unit_file().size;
        struct shm_header *header = unit_map();
        store32_relaxed(&unit_ring(header).shared->removed, 1);
        check_fails(shmbus_send(user, "x", 1, SHMBUS_NOWAIT), -EIDRM, "\"c\"");
        if (i == 0) {
            check_fails(shmbus_publisher_open(bus, "c", NULL, &publisher), -ENOENT, "\"c\"");
        } else if (i == 1) {
            check_eq(shmbus_channel_create(bus, "c", &(shmbus_channel_options){.arena = 4096}), 0);
        } else {
            check_eq(shmbus_recover(bus), 0);
        }
        check_eq(load32_relaxed(&unit_entries(header)->state), ENTRY_REMOVED);
        check_eq(munmap(header, size), 0);
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}
