/* SPDX-License-Identifier: Apache-2.0 */
/* Creating, opening and removing channels, and their memory. */
#include "unit.h"

#include <fcntl.h>

#include "layout.h"

static const shmbus_channel_options shape = {
    .producers = SHMBUS_SINGLE,
    .overflow = SHMBUS_OVERWRITE,
    .slots = 128,
    .slot_size = 128,
    .arena = 64 << 10,
    .largest = 5000,
    .publishers = 1,
    .groups = 3,
    .members = 5,
    .type = 77,
    .first_sequence = 1000,
};

UNIT(channel, has_the_options_it_was_created_with)
{
    shmbus_bus *bus = unit_open();
    shmbus_channel_options found;
    check_eq(shmbus_channel_create(bus, "c", &shape), 0);
    check_eq(shmbus_channel_options_of(bus, "c", &found), 0);
    check(memcmp(&shape, &found, sizeof shape) == 0);
    check_eq(shmbus_channel_create(bus, "d", NULL), 0);
    check_eq(shmbus_channel_options_of(bus, "d", &found), 0);
    check_eq(found.slots, 4096);
    check_eq(found.largest, 128 << 10);
    check_eq(shmbus_close(bus), 0);
}

UNIT(channel, is_accepted_with_the_same_or_default_options)
{
    shmbus_bus *bus = unit_open();
    check_eq(shmbus_channel_create(bus, "c", &shape), 0);
    check_eq(shmbus_channel_create(bus, "c", &shape), 0);
    check_eq(shmbus_channel_create(bus, "c", NULL), 0);
    check_eq(shmbus_channel_create(bus, "c", &(shmbus_channel_options){.slots = 128}), 0);
    check_eq(shmbus_close(bus), 0);
}

struct other {
    shmbus_channel_options options;
    const char *field, *asked, *there;
};

static const struct other others[] = {
    {{.producers = SHMBUS_MULTI}, "producers", "not 2", "1"},
    {{.overflow = SHMBUS_BLOCK}, "overflow", "not 1", "2"},
    {{.slots = 256}, "slots", "not 256", "128"},
    {{.slot_size = 64}, "slot_size", "not 64", "128"},
    {{.arena = 128 << 10}, "arena", "not 131072", "65536"},
    {{.largest = 5001}, "largest", "not 5001", "5000"},
    {{.publishers = 2}, "publishers", "not 2", "1"},
    {{.groups = 4}, "groups", "not 4", "3"},
    {{.members = 6}, "members", "not 6", "5"},
    {{.type = 78}, "type", "not 78", "77"},
    {{.first_sequence = 1001}, "first_sequence", "not 1001", "1000"},
};

UNIT(channel, is_refused_with_other_options)
{
    shmbus_bus *bus = unit_open();
    check_eq(shmbus_channel_create(bus, "c", &shape), 0);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const struct other *o = &others[i];
        shmbus_publisher *publisher = NULL;
        shmbus_subscriber *subscriber = NULL;
        const shmbus_publisher_options p = {.channel = &o->options};
        const shmbus_subscriber_options s = {.channel = &o->options};
        check_fails(shmbus_channel_create(bus, "c", &o->options), -EEXIST, "\"c\"", o->field, o->asked,
                    o->there);
        check_fails(shmbus_publisher_open(bus, "c", &p, &publisher), -EEXIST, o->field, o->asked, o->there);
        check_fails(shmbus_subscriber_open(bus, "c", &s, &subscriber), -EEXIST, o->field, o->asked, o->there);
        check(publisher == NULL && subscriber == NULL);
    }
    shmbus_channel_options found;
    check_eq(shmbus_channel_options_of(bus, "c", &found), 0);
    check(memcmp(&shape, &found, sizeof shape) == 0);
    check_eq(unit_channel_info().publishers, 0);
    check_eq(unit_channel_info().groups, 0);
    check_eq(shmbus_close(bus), 0);
}

UNIT(channel, is_not_created_from_bad_options)
{
    shmbus_bus *bus = unit_open();
    const struct unit_file before = unit_file();
    check_fails(shmbus_channel_create(bus, "c", &(shmbus_channel_options){.slots = 100}), -EINVAL,
                "slots is 100", "128");
    check_fails(shmbus_channel_create(bus, "c", &(shmbus_channel_options){.arena = 5000}), -EINVAL,
                "arena is 5000", "8192");
    check_fails(shmbus_channel_create(bus, "c", &(shmbus_channel_options){.slot_size = 63}), -EINVAL,
                "slot_size is 63", "64");
    const struct unit_file after = unit_file();
    check(memcmp(&before, &after, sizeof before) == 0);
    check_fails(shmbus_channel_options_of(bus, "c", &(shmbus_channel_options){0}), -ENOENT, "\"c\"");
    check_eq(shmbus_close(bus), 0);
}

UNIT(channel, names)
{
    shmbus_bus *bus = unit_open();
    char longest[SHMBUS_NAME_MAX + 2];
    memset(longest, 'x', sizeof longest);
    longest[SHMBUS_NAME_MAX + 1] = '\0';
    const struct {
        const char *name;
        int err;
        const char *word;
    } cases[] = {{NULL, -EINVAL, "47"},      {"", -EINVAL, "47"},           {"a/b", -EINVAL, "0x2f"},
                 {"tab\t", -EINVAL, "0x09"}, {"\x1b[1m", -EINVAL, "0x1b"},  {".x", -EINVAL, "dot"},
                 {"..", -EINVAL, "dot"},     {longest, -ENAMETOOLONG, "48"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        shmbus_publisher *p = NULL;
        shmbus_subscriber *s = NULL;
        shmbus_channel_options o = {0};
        check_fails(shmbus_channel_create(bus, cases[i].name, NULL), cases[i].err, "channel name",
                    cases[i].word);
        check_fails(shmbus_channel_options_of(bus, cases[i].name, &o), cases[i].err, cases[i].word);
        check_fails(shmbus_channel_remove(bus, cases[i].name), cases[i].err, cases[i].word);
        check_fails(shmbus_publisher_open(bus, cases[i].name, NULL, &p), cases[i].err, cases[i].word);
        check_fails(shmbus_subscriber_open(bus, cases[i].name, NULL, &s), cases[i].err, cases[i].word);
        check_fails(shmbus_group_remove(bus, cases[i].name, "g"), cases[i].err, cases[i].word);
        check(p == NULL && s == NULL);
    }
    longest[SHMBUS_NAME_MAX] = '\0';
    check_eq(shmbus_channel_create(bus, longest, NULL), 0);
    check(strcmp(unit_channel_info().name, longest) == 0);
    check_eq(shmbus_close(bus), 0);
}

UNIT(channel, missing)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *p = NULL;
    shmbus_subscriber *s = NULL;
    check_fails(shmbus_channel_remove(bus, "none"), -ENOENT, "none");
    check_fails(shmbus_publisher_open(bus, "none", NULL, &p), -ENOENT, "none", unit_bus);
    check_fails(shmbus_subscriber_open(bus, "none", NULL, &s), -ENOENT, "none", unit_bus);
    check_fails(shmbus_group_remove(bus, "none", "g"), -ENOENT, "none");
    check(p == NULL && s == NULL);
    check_eq(shmbus_close(bus), 0);
}

UNIT(channel, table_is_bounded)
{
    const shmbus_bus_options options = {.channels = 2};
    shmbus_bus *bus = NULL;
    check_eq(shmbus_open(unit_bus, &options, &bus), 0);
    check_eq(shmbus_channel_create(bus, "a", NULL), 0);
    check_eq(shmbus_channel_create(bus, "b", NULL), 0);
    const struct unit_file before = unit_file();
    check_fails(shmbus_channel_create(bus, "c", NULL), -EUSERS, "all 2", "more channels");
    const struct unit_file after = unit_file();
    check(memcmp(&before, &after, sizeof before) == 0);
    check_eq(shmbus_channel_remove(bus, "a"), 0);
    check_eq(shmbus_channel_create(bus, "c", NULL), 0);
    check_eq(shmbus_close(bus), 0);
}

/* ------------------------------------------------------------------------------------------ removal */

UNIT(channel, removed_gives_its_memory_back_at_once_when_unused)
{
    shmbus_bus *bus = unit_open();
    const struct unit_file empty = unit_file();
    check_eq(shmbus_channel_create(bus, "c", &(shmbus_channel_options){.arena = 8 << 20}), 0);
    check(unit_file().blocks * 512 >= (8 << 20) + empty.blocks * 512);
    check_eq(shmbus_channel_remove(bus, "c"), 0);
    check_eq(unit_file().blocks, empty.blocks);
    check_fails(shmbus_channel_remove(bus, "c"), -ENOENT, "\"c\"");
    check_eq(shmbus_close(bus), 0);
}

UNIT(channel, removed_gives_its_memory_back_after_the_last_handle)
{
    shmbus_bus *bus = unit_open(), *second = unit_open();
    const struct unit_file empty = unit_file();
    const shmbus_channel_options options = {.arena = 8 << 20};
    shmbus_publisher *publisher = unit_publisher(bus, &options);
    shmbus_subscriber *subscriber = unit_subscriber(second, NULL);
    check_eq(shmbus_channel_remove(bus, "c"), 0);
    check(unit_file().blocks > empty.blocks);
    check_eq(shmbus_publisher_close(publisher), 0);
    check(unit_file().blocks > empty.blocks);
    check_fails(shmbus_recv(subscriber, NULL, 0, NULL, SHMBUS_NOWAIT), -EIDRM, "\"c\"", "removed");
    check_eq(shmbus_subscriber_close(subscriber), 0);
    check_eq(unit_file().blocks, empty.blocks);
    check_eq(shmbus_close(bus), 0);
    check_eq(shmbus_close(second), 0);
}

UNIT(channel, removed_is_read_to_its_end)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &(shmbus_channel_options){.producers = SHMBUS_SINGLE});
    shmbus_subscriber *subscriber = unit_subscriber(bus, NULL);
    for (uint64_t i = 0; i < 5; i++) {
        check_eq(unit_send(publisher, 30, i, SHMBUS_NOWAIT), 0);
    }
    check_eq(shmbus_channel_remove(bus, "c"), 0);
    for (uint64_t i = 0; i < 5; i++) {
        unit_receive(subscriber, i, 30, i);
    }
    shmbus_message peeked;
    check_fails(shmbus_peek(subscriber, &peeked, SHMBUS_NOWAIT), -EIDRM, "\"c\"", "removed");
    check_fails(shmbus_next(subscriber, &peeked, SHMBUS_FOREVER), -EIDRM, "removed");
    check_eq(shmbus_close(bus), 0);
}

/* Every way to publish says so, from the first call after the removal on: readers may be gone already. */
UNIT(channel, removed_takes_no_message)
{
    const struct iovec message = {.iov_base = (void *)"x", .iov_len = 1};
    for (unsigned way = 0; way < 8; way++) {
        shmbus_bus *bus = unit_open();
        const shmbus_channel_options options = {.producers = way % 2 ? SHMBUS_SINGLE : SHMBUS_MULTI};
        shmbus_publisher *publisher = unit_publisher(bus, &options);
        check_eq(unit_send(publisher, 30, 1, SHMBUS_NOWAIT), 0);
        check_eq(shmbus_channel_remove(bus, "c"), 0);
        shmbus_claim_t claim = {.size = 1};
        if (way / 2 == 0) {
            check_fails(shmbus_send(publisher, "x", 1, SHMBUS_NOWAIT), -EIDRM, "\"c\"", "removed");
        } else if (way / 2 == 1) {
            check_fails(shmbus_claim(publisher, &claim, SHMBUS_NOWAIT), -EIDRM, "\"c\"", "removed");
        } else if (way / 2 == 2) {
            check_fails(shmbus_send_batch(publisher, &message, 1, SHMBUS_NOWAIT), -EIDRM, "\"c\"", "removed");
        } else {
            check_fails(shmbus_send(publisher, "x", 1, SHMBUS_FOREVER), -EIDRM, "\"c\"", "removed");
        }
        check_fails(shmbus_send(publisher, "x", 1, SHMBUS_NOWAIT), -EIDRM, "\"c\"", "removed");
        check_eq(shmbus_close(bus), 0);
    }
}

UNIT(channel, of_the_same_name_after_removal_is_another)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *old = unit_publisher(bus, &(shmbus_channel_options){.slots = 8});
    shmbus_subscriber *old_reader = unit_subscriber(bus, NULL);
    check_eq(unit_send(old, 10, 1, SHMBUS_NOWAIT), 0);
    check_eq(shmbus_channel_remove(bus, "c"), 0);
    shmbus_publisher *publisher = unit_publisher(bus, &(shmbus_channel_options){.slots = 16});
    shmbus_subscriber *reader = unit_subscriber(bus, NULL);
    check_eq(unit_send(publisher, 10, 2, SHMBUS_NOWAIT), 0);
    unit_receive(reader, 0, 10, 2);
    unit_receive(old_reader, 0, 10, 1);
    check_fails(shmbus_send(old, "x", 1, SHMBUS_NOWAIT), -EIDRM, "removed");
    check_eq(shmbus_close(bus), 0);
}

/* Channels of many sizes come and go: extents never overlap, and the file does not grow without end. */
UNIT(channel, extents_are_used_again)
{
    shmbus_bus *bus = unit_open();
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 8; i++) {
            char name[8];
            (void)snprintf(name, sizeof name, "n%u", i);
            const shmbus_channel_options options = {.arena = UINT64_C(4096) << (i + round) % 5, .slots = 16};
            check_eq(shmbus_channel_create(bus, name, &options), 0);
        }
        for (unsigned i = round % 2; i < 8; i += 2) {
            char name[8];
            (void)snprintf(name, sizeof name, "n%u", i);
            check_eq(shmbus_channel_remove(bus, name), 0);
        }
        for (unsigned i = !(round % 2); i < 8; i += 2) {
            char name[8];
            (void)snprintf(name, sizeof name, "n%u", i);
            check_eq(shmbus_channel_remove(bus, name), 0);
        }
    }
    check(unit_file().size < 4 << 20);
    check_eq(shmbus_close(bus), 0);
}

/* ------------------------------------------------------------------------------------------- damage */

static void damage(size_t offset, const void *bytes, size_t size)
{
    const int fd = open(unit_path(), O_RDWR | O_CLOEXEC);
    check(fd >= 0);
    check_eq(pwrite(fd, bytes, size, (off_t)offset), size);
    check_eq(close(fd), 0);
}

static void check_damaged(const char *word)
{
    shmbus_bus *bus = unit_open();
    shmbus_view *view = NULL;
    shmbus_publisher *p = NULL;
    shmbus_subscriber *s = NULL;
    shmbus_channel_options o;
    shmbus_channel_info info;
    uint32_t cursor = 0;
    check_fails(shmbus_publisher_open(bus, "c", NULL, &p), -EBADMSG, "damaged", word);
    check_fails(shmbus_subscriber_open(bus, "c", NULL, &s), -EBADMSG, "damaged", word);
    check_fails(shmbus_channel_options_of(bus, "c", &o), -EBADMSG, "damaged", word);
    check_fails(shmbus_channel_create(bus, "c", &shape), -EBADMSG, "damaged", word);
    check_eq(shmbus_view_open(unit_bus, &view), 0);
    check_fails(shmbus_view_channel(view, &cursor, &info), -EBADMSG, "damaged");
    shmbus_view_close(view);
    check(p == NULL && s == NULL);
    check_eq(shmbus_close(bus), 0);
}

static uint64_t make_channel(struct shm_entry *entry)
{
    shmbus_bus *bus = unit_open();
    check_eq(shmbus_channel_create(bus, "c", &shape), 0);
    check_eq(shmbus_close(bus), 0);
    const int fd = open(unit_path(), O_RDONLY | O_CLOEXEC);
    struct shm_header header;
    check(fd >= 0);
    check_eq(pread(fd, &header, sizeof header, 0), sizeof header);
    check_eq(pread(fd, entry, sizeof *entry, (off_t)header.entries_offset), sizeof *entry);
    check_eq(close(fd), 0);
    return header.entries_offset;
}

UNIT(channel, with_a_damaged_directory_entry)
{
    struct shm_entry good;
    const uint64_t at = make_channel(&good);
    const uint64_t nonsense[] = {0, 1, 4095, 0x7ffffffffffff000, UINT64_MAX, UINT64_MAX - 4095};
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        damage(at + offsetof(struct shm_entry, offset), &nonsense[i], 8);
        check_damaged("");
        damage(at, &good, sizeof good);
        damage(at + offsetof(struct shm_entry, size), &nonsense[i], 8);
        check_damaged("");
        damage(at, &good, sizeof good);
    }
    shmbus_bus *bus = unit_open();
    check_eq(shmbus_channel_create(bus, "c", &shape), 0);
    check_eq(shmbus_close(bus), 0);
}

UNIT(channel, with_a_damaged_head)
{
    struct shm_entry entry;
    (void)make_channel(&entry);
    const uint64_t nonsense = 0xffffffff12345678;
    damage(load64_relaxed(&entry.offset) + offsetof(struct shm_channel, magic), &nonsense, 8);
    check_damaged("ffffffff12345678");
    const uint64_t magic = CHANNEL_MAGIC;
    damage(load64_relaxed(&entry.offset) + offsetof(struct shm_channel, magic), &magic, 8);
    damage(load64_relaxed(&entry.offset) + offsetof(struct shm_channel, slots), &nonsense, 4);
    check_damaged("geometry");
}
