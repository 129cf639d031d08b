/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, closing and removing a bus. */
#include "unit.h"

#include <fcntl.h>
#include <sys/stat.h>

static int open_with(enum shmbus_open_mode mode, shmbus_bus **bus)
{
    const shmbus_bus_options options = {.open = mode};
    return shmbus_open(unit_bus, &options, bus);
}

UNIT(bus, modes_of_opening)
{
    shmbus_bus *bus = NULL, *other = NULL;
    check_fails(open_with(SHMBUS_OPEN_EXISTING, &bus), -ENOENT, unit_bus);
    check(access(unit_path(), F_OK) != 0);
    check_eq(open_with(SHMBUS_CREATE_NEW, &bus), 0);
    check_fails(open_with(SHMBUS_CREATE_NEW, &other), -EEXIST, unit_bus);
    check(other == NULL);
    check_eq(open_with(SHMBUS_OPEN_EXISTING, &other), 0);
    check_eq(shmbus_close(other), 0);
    check_eq(open_with(SHMBUS_OPEN_OR_CREATE, &other), 0);
    check_eq(shmbus_close(other), 0);
    check_eq(shmbus_close(bus), 0);
    check_eq(open_with(SHMBUS_OPEN_EXISTING, &bus), 0); /* the bus stays when nobody is attached */
}

UNIT(bus, names)
{
    shmbus_bus *bus = NULL;
    char longest[SHMBUS_NAME_MAX + 2];
    memset(longest, 'x', sizeof longest);
    longest[SHMBUS_NAME_MAX + 1] = '\0';
    check_fails(shmbus_open(longest, NULL, &bus), -ENAMETOOLONG, "48 bytes", "47");
    check_fails(shmbus_open("", NULL, &bus), -EINVAL, "empty", "47");
    check_fails(shmbus_open(NULL, NULL, &bus), -EINVAL, "empty", "47");
    check_fails(shmbus_open("a/b", NULL, &bus), -EINVAL, "0x2f", "offset 1");
    check_fails(shmbus_open("../b", NULL, &bus), -EINVAL, "dot");
    check_fails(shmbus_open(".b", NULL, &bus), -EINVAL, ".b", "dot");
    check_fails(shmbus_open("new\nline", NULL, &bus), -EINVAL, "0x0a", "offset 3");
    check_fails(shmbus_open("del\x7f", NULL, &bus), -EINVAL, "0x7f", "offset 3");
    check_fails(shmbus_remove(""), -EINVAL, "empty", "47");
    check_fails(shmbus_remove(NULL), -EINVAL, "47");
    check_fails(shmbus_remove("a/b"), -EINVAL, "0x2f");
    check_fails(shmbus_remove(longest), -ENAMETOOLONG, "48 bytes", "47");
    check(bus == NULL);
}

UNIT(bus, longest_name)
{
    const size_t length = strlen(unit_bus);
    memset(unit_bus + length, 'x', SHMBUS_NAME_MAX - length);
    shmbus_bus *bus = unit_open();
    check_eq(access(unit_path(), F_OK), 0);
    check_eq(shmbus_close(bus), 0);
    check_eq(shmbus_remove(unit_bus), 0);
    check(access(unit_path(), F_OK) != 0);
}

UNIT(bus, options_out_of_bounds)
{
    const struct {
        shmbus_bus_options options;
        const char *is, *limit;
    } cases[] = {
        {{.open = (enum shmbus_open_mode)3}, "open is 3", "2"},
        {{.open = (enum shmbus_open_mode) - 1}, "open is -1", "2"},
        {{.participants = 4096}, "participants is 4096", "4095"},
        {{.participants = UINT32_MAX}, "participants is 4294967295", "4095"},
        {{.channels = 1025}, "channels is 1025", "1024"},
        {{.mode = 0700}, "0700", "0666"},
        {{.mode = 04600}, "4600", "0666"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        shmbus_bus *bus = NULL;
        check_fails(shmbus_open(unit_bus, &cases[i].options, &bus), -EINVAL, cases[i].is, cases[i].limit);
        check(bus == NULL);
    }
    check(access(unit_path(), F_OK) != 0);
    check_fails(shmbus_open(unit_bus, NULL, NULL), -EINVAL, "NULL");
    check(access(unit_path(), F_OK) != 0);
}

UNIT(bus, permission_bits_whatever_the_umask)
{
    const uint32_t modes[] = {0600, 0640, 0660, 0666};
    const mode_t umasks[] = {0, 0077, 0777};
    for (unsigned i = 0; i < 12; i++) {
        const shmbus_bus_options options = {.mode = modes[i % 4]};
        (void)umask(umasks[i / 4]);
        shmbus_bus *bus = NULL;
        check_eq(shmbus_open(unit_bus, &options, &bus), 0);
        struct stat status;
        check_eq(stat(unit_path(), &status), 0);
        check_eq(status.st_mode & 07777, modes[i % 4]);
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

UNIT(bus, is_reserved_in_memory)
{
    shmbus_bus *bus = unit_open();
    const struct unit_file file = unit_file();
    check(file.size > 0);
    check(file.blocks * 512 >= file.size);
    check_eq(shmbus_close(bus), 0);
}

UNIT(bus, removed_while_attached)
{
    check_fails(shmbus_remove(unit_bus), -ENOENT, unit_bus);
    shmbus_bus *bus = unit_open();
    shmbus_bus *second = unit_open();
    check_eq(shmbus_remove(unit_bus), 0);
    check_fails(shmbus_remove(unit_bus), -ENOENT, unit_bus);
    /* Those attached carry on with each other. */
    const shmbus_channel_options options = {.producers = SHMBUS_SINGLE};
    shmbus_publisher *publisher = unit_publisher(bus, &options);
    shmbus_subscriber *subscriber = unit_subscriber(second, NULL);
    check_eq(unit_send(publisher, 20, 1, SHMBUS_NOWAIT), 0);
    unit_receive(subscriber, 0, 20, 1);
    /* A new one of the same name is another. */
    shmbus_bus *other = unit_open();
    check_fails(shmbus_channel_options_of(other, "c", &(shmbus_channel_options){0}), -ENOENT, "\"c\"");
    check_eq(shmbus_close(other), 0);
    check_eq(shmbus_close(bus), 0);
    check_eq(shmbus_close(second), 0);
}

UNIT(bus, is_attached_several_times_by_one_process)
{
    shmbus_bus *bus = unit_open();
    shmbus_bus *second = unit_open();
    check(bus != second);
    const shmbus_channel_options options = {.producers = SHMBUS_SINGLE};
    shmbus_publisher *publisher = unit_publisher(bus, &options);
    shmbus_publisher *refused = NULL;
    check_fails(shmbus_publisher_open(second, "c", NULL, &refused), -EBUSY, "single", "participant 0");
    check_eq(shmbus_close(bus), 0);
    check_fails(shmbus_publisher_close(publisher), -EBADF, "no open publisher");
    check_eq(shmbus_publisher_open(second, "c", NULL, &refused), 0);
    check_eq(shmbus_close(second), 0);
}

UNIT(bus, has_a_bounded_number_of_participants)
{
    const shmbus_bus_options options = {.participants = 2};
    shmbus_bus *first = NULL, *second = NULL, *third = NULL;
    check_eq(shmbus_open(unit_bus, &options, &first), 0);
    check_eq(shmbus_open(unit_bus, NULL, &second), 0); /* the number is the creator's */
    check_fails(shmbus_open(unit_bus, NULL, &third), -EUSERS, "all 2", "more participants");
    check(third == NULL);
    check_eq(shmbus_close(first), 0);
    check_eq(shmbus_open(unit_bus, NULL, &third), 0);
    check_eq(shmbus_close(second), 0);
    check_eq(shmbus_close(third), 0);
}

UNIT(bus, closes_what_was_opened_through_it)
{
    shmbus_bus *bus = unit_open();
    const shmbus_channel_options options = {.producers = SHMBUS_MULTI};
    shmbus_publisher *publishers[20];
    shmbus_subscriber *subscribers[10];
    for (unsigned i = 0; i < 20; i++) {
        publishers[i] = unit_publisher(bus, &options);
    }
    for (unsigned i = 0; i < 10; i++) {
        subscribers[i] = unit_subscriber(bus, NULL);
    }
    check_eq(unit_channel_info().publishers, 20);
    check_eq(unit_channel_info().members, 10);
    check_eq(shmbus_close(bus), 0);
    for (unsigned i = 0; i < 20; i++) {
        check_fails(shmbus_send(publishers[i], "x", 1, SHMBUS_NOWAIT), -EBADF, "no open publisher");
    }
    for (unsigned i = 0; i < 10; i++) {
        check_fails(shmbus_release(subscribers[i]), -EBADF, "no open subscriber");
    }
    check_eq(unit_channel_info().publishers, 0);
    check_eq(unit_channel_info().members, 0);
    check_eq(unit_channel_info().groups, 0);
}

/* Each opening and closing gives back what it took: descriptors and memory mappings. */
UNIT(bus, leaks_no_descriptor)
{
    shmbus_close(unit_open());
    const int before = dup(0);
    for (unsigned i = 0; i < 50; i++) {
        shmbus_bus *bus = unit_open(), *refused = NULL;
        check_fails(open_with(SHMBUS_CREATE_NEW, &refused), -EEXIST, unit_bus);
        check_eq(shmbus_close(bus), 0);
    }
    const int after = dup(0);
    check_eq(after, before + 1);
}
