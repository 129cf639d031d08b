/* SPDX-License-Identifier: Apache-2.0 */
/* Messages seen in passing: whole or counted as missed, whatever publishers do meanwhile. */
#include "unit_map.h"

#include <fcntl.h>
#include <sys/stat.h>

#define SLOTS 16u
#define LARGEST 700u

static const shmbus_channel_options modes[] = {
    {.producers = SHMBUS_SINGLE, .overflow = SHMBUS_BLOCK},
    {.producers = SHMBUS_MULTI, .overflow = SHMBUS_BLOCK},
    {.producers = SHMBUS_SINGLE, .overflow = SHMBUS_OVERWRITE},
    {.producers = SHMBUS_MULTI, .overflow = SHMBUS_OVERWRITE},
};

static shmbus_channel_options small(unsigned mode, uint64_t first)
{
    shmbus_channel_options options = modes[mode];
    options.slots = SLOTS;
    options.slot_size = 256;
    options.arena = 4096;
    options.largest = LARGEST;
    options.first_sequence = first;
    return options;
}

static shmbus_view *open_view(void)
{
    shmbus_view *view = NULL;
    check_eq(shmbus_view_open(unit_bus, &view), 0);
    return view;
}

/* Sizes of both kinds; the content is that of the sequence. */
static size_t size_of(uint64_t sequence)
{
    return sequence % 4 == 0 ? 260 + sequence * 37 % (LARGEST - 260) : sequence * 37 % 249;
}

static void publish(shmbus_publisher *publisher, uint64_t sequence)
{
    check_eq(unit_send(publisher, size_of(sequence), sequence, SHMBUS_FOREVER), 0);
}

/* Looks once: 1 if there was a message, which must be whole. */
static int look(shmbus_view *view, uint64_t *sequence, shmbus_sighting *seen)
{
    char data[LARGEST + 8];
    const uint64_t wanted = *sequence;
    const int found = shmbus_view_message(view, 0, sequence, data, sizeof data, seen);
    if (found == 1) {
        check_eq(seen->sequence, wanted + seen->missed);
        check_eq(*sequence, seen->sequence + 1);
        check(!seen->aborted);
        check_eq(seen->size, size_of(seen->sequence));
        unit_check_content(data, seen->size, seen->sequence);
    }
    return found;
}

UNIT(glance, sees_what_the_ring_still_has)
{
    for (unsigned mode = 0; mode < 4; mode++) {
        const uint64_t first = (UINT64_C(1) << 32) - 40;
        const shmbus_channel_options options = small(mode, first);
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = unit_publisher(bus, &options);
        shmbus_view *view = open_view();
        shmbus_sighting seen;
        uint64_t next = first;
        check_eq(look(view, &next, &seen), 0);
        uint64_t total = 0;
        for (uint64_t i = first; i < first + 100; i++) {
            publish(publisher, i);
            uint64_t at = unit_channel_info().oldest;
            check(i + 1 - at <= SLOTS);
            for (; at <= i; total++) {
                check_eq(look(view, &at, &seen), 1);
            }
            check_eq(look(view, &at, &seen), 0);
            check_eq(at, i + 1);
        }
        check(total >=
              100 * 2); /* of the arena, which holds about ten, a part may be written to at any time */
        check_eq(look(view, &next, &seen), 1);
        check_eq(seen.missed, unit_channel_info().oldest - first);
        shmbus_view_close(view);
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

UNIT(glance, tells_what_it_sees)
{
    const shmbus_channel_options options = small(1, 0);
    shmbus_bus *bus = unit_open();
    shmbus_publisher *first = unit_publisher(bus, &options);
    shmbus_publisher *second = unit_publisher(bus, NULL);
    shmbus_view *view = open_view();
    shmbus_sighting seen;
    char data[8];
    uint64_t next = 0;
    shmbus_claim_t claim = {.size = 100};
    check_eq(shmbus_claim(second, &claim, SHMBUS_NOWAIT), 0);
    check_eq(unit_send(first, 5, 9, SHMBUS_NOWAIT), 0);
    check_eq(shmbus_view_message(view, 0, &next, data, sizeof data, &seen), 0); /* claimed, not finished */
    check_eq(next, 0);
    check_eq(shmbus_abort(second, &claim), 0);
    check_eq(shmbus_view_message(view, 0, &next, NULL, 0, &seen), 1);
    check(seen.aborted && seen.size == 0 && seen.publisher == 1);
    memset(data, 0x55, sizeof data);
    check_eq(shmbus_view_message(view, 0, &next, data, 3, &seen), 1);
    check(!seen.aborted && seen.size == 5 && seen.publisher == 0 && seen.sent_ns > 0);
    check_eq(data[3], 0x55); /* no more than there is room for */
    check_eq(shmbus_view_message(view, 0, &next, data, sizeof data, &seen), 0);
    check_fails(shmbus_view_message(view, 0, &next, NULL, 1, &seen), -EINVAL, "NULL");
    check_fails(shmbus_view_message(view, 9, &next, data, 1, &seen), -ENOENT, "channel number 9");
    shmbus_view_close(view);
    check_eq(shmbus_close(bus), 0);
}

/* A group that stands before an unfinished claim says whose it is. */
UNIT(glance, tells_who_is_waited_for)
{
    const shmbus_channel_options options = small(1, 0);
    shmbus_bus *bus = unit_open();
    (void)unit_publisher(bus, &options);
    shmbus_publisher *second = unit_publisher(bus, NULL);
    (void)unit_subscriber(bus, "g");
    check_eq(unit_group_info("g").unfinished, 0);
    shmbus_claim_t claim = {.size = 10};
    check_eq(shmbus_claim(second, &claim, SHMBUS_NOWAIT), 0);
    check_eq(unit_group_info("g").unfinished, 1);
    check_eq(unit_group_info("g").waits_for, 1);
    check_eq(shmbus_commit(second, &claim), 0);
    check_eq(unit_group_info("g").unfinished, 0);
    check_eq(unit_group_info("g").waits_for, UINT32_MAX);
    check_eq(shmbus_close(bus), 0);
}

#define STREAM 300000u

/* Sends and, on a blocking channel, reads what it sends, so that it need not wait. */
static void stream(void *context)
{
    const unsigned mode = *(const unsigned *)context;
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, NULL);
    shmbus_subscriber *subscriber = unit_subscriber(bus, "own");
    shmbus_message message;
    for (uint64_t i = 0; i < STREAM; i++) {
        publish(publisher, i);
        if (modes[mode].overflow == SHMBUS_BLOCK && i % 3 == 0) {
            while (shmbus_next(subscriber, &message, SHMBUS_NOWAIT) == 0) {
            }
        }
    }
    check_eq(shmbus_close(bus), 0);
}

UNIT(glance, is_never_torn_beside_a_publisher)
{
    for (unsigned mode = 0; mode < 4; mode++) {
        const shmbus_channel_options options = small(mode, 0);
        shmbus_bus *bus = unit_open();
        check_eq(shmbus_channel_create(bus, "c", &options), 0);
        shmbus_view *view = open_view();
        const pid_t child = unit_fork(stream, &mode);
        uint64_t next = 0;
        uint64_t met = 0;
        uint64_t missed = 0;
        const int64_t until = unit_soon();
        while (next < STREAM) {
            shmbus_sighting seen;
            if (look(view, &next, &seen) == 1) {
                met++;
                missed += seen.missed;
            } else {
                unit_look_again(__FILE__, __LINE__, "the next message", until);
            }
        }
        check_eq(met + missed, STREAM);
        unit_join(child);
        shmbus_view_close(view);
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

UNIT(glance, is_not_led_astray_by_damage)
{
    const shmbus_channel_options options = small(0, 0);
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &options);
    const struct ring ring = unit_ring(unit_map());
    shmbus_view *view = open_view();
    shmbus_sighting seen;
    char data[LARGEST];
    for (uint64_t i = 0; i < 4; i++) {
        publish(publisher, i);
    }
    uint64_t next = 1;
    store64_relaxed(ring_slot(&ring, 1), stamp_make(1, 0, 249, 0)); /* longer than a slot */
    check_fails(shmbus_view_message(view, 0, &next, data, sizeof data, &seen), -EBADMSG, "message 1");
    store64_relaxed(ring_slot(&ring, 1), stamp_make(1, 0, 0, STAMP_ARENA));
    store64_relaxed(ring_slot(&ring, 1) + 1, record_make(0, LARGEST + 1));
    check_fails(shmbus_view_message(view, 0, &next, data, sizeof data, &seen), -EBADMSG, "message 1");
    check_eq(next, 1);
    shmbus_view_close(view);
    check_eq(shmbus_close(bus), 0);
}

static void copy_file(const char *from, const char *to)
{
    char block[4096];
    const int in = open(from, O_RDONLY | O_CLOEXEC);
    const int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
    ssize_t got;
    check(in >= 0 && out >= 0);
    while ((got = read(in, block, sizeof block)) > 0) {
        check_eq(write(out, block, (size_t)got), got);
    }
    check(close(in) == 0 && close(out) == 0);
}

UNIT(glance, works_on_a_copy)
{
    char path[] = "/tmp/unit-glance-XXXXXX";
    char file[64];
    const shmbus_channel_options options = small(0, 0);
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &options);
    for (uint64_t i = 0; i < 5; i++) {
        publish(publisher, i);
    }
    check(mkdtemp(path) != NULL);
    (void)snprintf(file, sizeof file, "%s/copy", path);
    copy_file(unit_path(), file);
    check_eq(shmbus_close(bus), 0);
    shmbus_view *view = NULL;
    shmbus_bus_info info;
    shmbus_participant_info participant;
    shmbus_sighting seen;
    check_eq(shmbus_view_open_file(file, &view), 0);
    check_eq(shmbus_view_bus(view, &info), 0);
    check_eq(info.copy, 1);
    check(strcmp(info.name, unit_bus) == 0);
    check_eq(info.participants, 1);
    check_eq(info.dead, 0);
    uint32_t cursor = 0;
    check_eq(shmbus_view_participant(view, &cursor, &participant), 1);
    check_eq(participant.alive, SHMBUS_UNKNOWN);
    check_eq(participant.pid, getpid());
    struct stat space;
    check_eq(stat("/proc/self/ns/pid", &space), 0);
    check_eq(participant.pid_namespace, space.st_ino);
    for (uint64_t next = 0; next < 5;) {
        check_eq(look(view, &next, &seen), 1);
    }
    shmbus_view_close(view);
    check(unlink(file) == 0 && rmdir(path) == 0);
    check_fails(shmbus_view_open_file(file, &view), -ENOENT, file);
    check_fails(shmbus_view_open_file("/dev", &view), -EBADMSG, "regular");
}
