/* SPDX-License-Identifier: Apache-2.0 */
/* Views of stuck, copied and half removed buses; and that no way of looking changes a byte. */
#define _GNU_SOURCE
#include "unit_map.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "os_clock.h"
#include "os_lock.h"

#define LARGEST 1000u

static shmbus_view *view_open(void)
{
    shmbus_view *view = NULL;
    check_eq(shmbus_view_open(unit_bus, &view), 0);
    return view;
}

static shmbus_bus_info bus_info(void)
{
    shmbus_view *view = view_open();
    shmbus_bus_info info;
    check_eq(shmbus_view_bus(view, &info), 0);
    shmbus_view_close(view);
    return info;
}

/* ------------------------------------------------------------------------------------------- the bus */

/* What a removed channel takes is told, first as somebody's, then as nobody's, until the next one is created. */
UNIT(view, tells_what_is_nobodys)
{
    shmbus_bus *bus = unit_open();
    const shmbus_channel_options options = {.slots = 64, .arena = 1 << 20, .largest = 1000};
    check_eq(bus_info().unused + bus_info().leaked, 0);
    check_eq(shmbus_channel_create(bus, "d", &options), 0);
    shmbus_publisher *publisher = unit_publisher(bus, &options);
    const shmbus_bus_info before = bus_info();
    check_eq(before.channels, 2);
    check_eq(before.unused + before.leaked + before.removed, 0);
    check_eq(shmbus_channel_remove(bus, "c"), 0);
    check_eq(bus_info().removed, 1);
    check_eq(bus_info().channels, 1);
    check_eq(bus_info().unused + bus_info().leaked, 0); /* its publisher holds it */
    check_eq(shmbus_publisher_close(publisher), 0);
    check_eq(bus_info().removed, 0);
    check_eq(bus_info().unused, (before.size - 28672) / 2);
    check(bus_info().leaked <= bus_info().unused &&
          before.resident - bus_info().resident + bus_info().leaked == bus_info().unused);
    check_eq(shmbus_channel_create(bus, "e", &options), 0); /* takes the place */
    check_eq(bus_info().unused + bus_info().leaked, 0);
    check_eq(bus_info().size, before.size);
    check_eq(shmbus_close(bus), 0);
}

static void lock_and_wait(void *ready)
{
    shmbus_bus *bus = unit_open();
    (void)bus;
    const int fd = open(unit_path(), O_RDWR | O_CLOEXEC);
    check_eq(os_lock_try(fd, LOCK_DIRECTORY), 0);
    unit_wait_to_be_killed(ready);
}

/* A process that stands still with the directory lock is named, and the bus is not removed under it. */
UNIT(view, tells_who_changes_the_directory)
{
    struct unit_gate ready = unit_gate();
    const uint64_t before = os_clock_realtime();
    const pid_t child = unit_fork(lock_and_wait, &ready);
    unit_gate_wait(&ready);
    check_eq(kill(child, SIGSTOP), 0);
    const shmbus_bus_info held = bus_info();
    check_eq(held.changing, 1);
    check_eq(held.changer_pid, child);
    check(held.created_ns >= before && held.created_ns <= os_clock_realtime());
    check_fails(shmbus_remove_unused(unit_bus), -EBUSY, "directory");
    unit_kill(child);
    check_eq(bus_info().changing, 0);
    check_eq(bus_info().dead, 1);
    shmbus_bus *bus = unit_open();
    check_eq(bus_info().changer_pid, getpid());
    check_eq(shmbus_close(bus), 0);
}

UNIT(view, tells_where_participants_are)
{
    shmbus_bus *bus = unit_open();
    shmbus_view *view = view_open();
    shmbus_participant_info info;
    uint32_t cursor = 0;
    struct stat space;
    struct utsname host;
    check_eq(stat("/proc/self/ns/pid", &space), 0);
    check_eq(uname(&host), 0);
    check_eq(shmbus_view_participant(view, &cursor, &info), 1);
    check_eq(info.pid_namespace, space.st_ino);
    check_eq(strncmp(info.host, host.nodename, SHMBUS_HOST_SIZE - 1), 0);
    check(info.attached_ns >= bus_info().created_ns);
    shmbus_view_close(view);
    check_eq(shmbus_close(bus), 0);
}

/* ---------------------------------------------------------------------------------- the front of a group */

/* A group that stands before an unfinished claim says whose it is; and how old its first message is. */
UNIT(view, tells_what_a_group_waits_for)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publishers[3] = {unit_publisher(bus, &(shmbus_channel_options){.slots = 16}),
                                       unit_publisher(bus, NULL), unit_publisher(bus, NULL)};
    shmbus_subscriber *const subscribers[] = {unit_subscriber(bus, "e"), unit_worker(bus, "s")};
    shmbus_claim_t claim = {.size = 10};
    const char *const names[] = {"e", "s"};
    for (unsigned i = 0; i < 2; i++) {
        check_eq(unit_group_info(names[i]).oldest_ns, 0);
        check_eq(unit_group_info(names[i]).unfinished, 0);
    }
    const int64_t before = shmbus_now();
    check_eq(unit_send(publishers[0], 10, 0, SHMBUS_NOWAIT), 0);
    const int64_t after = shmbus_now();
    check_eq(shmbus_claim(publishers[2], &claim, SHMBUS_NOWAIT), 0);
    check_eq(unit_send(publishers[1], 10, 2, SHMBUS_NOWAIT), 0);
    for (unsigned i = 0; i < 2; i++) {
        shmbus_group_info info = unit_group_info(names[i]);
        check(info.oldest_ns >= before && info.oldest_ns <= after);
        check_eq(info.unfinished, 0);
        check_eq(info.waits_for, UINT32_MAX);
        check_eq(info.pending, 3);
        unit_receive(subscribers[i], 0, 10, 0);
        info = unit_group_info(names[i]);
        check_eq(info.unfinished, 1);
        check_eq(info.waits_for, 2);
        check_eq(info.position, 1);
        check_eq(info.pending, 2);
    }
    unit_fill(claim.data, 10, 1);
    check_eq(shmbus_commit(publishers[2], &claim), 0);
    for (unsigned i = 0; i < 2; i++) {
        check_eq(unit_group_info(names[i]).unfinished, 0);
        check(unit_group_info(names[i]).oldest_ns >= after);
        unit_receive(subscribers[i], 1, 10, 1);
        unit_receive(subscribers[i], 2, 10, 2);
        check_eq(unit_group_info(names[i]).oldest_ns, 0);
        check_eq(unit_group_info(names[i]).pending, 0);
    }
    check_eq(shmbus_close(bus), 0);
}

static void claim_or_peek_and_die(void *context)
{
    struct unit_gate *gates = context;
    shmbus_bus *bus = unit_open();
    const shmbus_subscriber_options options = {.group = "d", .durable = 1, .from = SHMBUS_FROM_OLDEST};
    shmbus_subscriber *subscriber = NULL;
    shmbus_message message;
    check_eq(shmbus_subscriber_open(bus, "c", &options, &subscriber), 0);
    check_eq(shmbus_peek(subscriber, &message, SHMBUS_NOWAIT), 0);
    unit_wait_to_be_killed(gates);
}

/* How often the message that a group stands at was in the hands of somebody who died. */
UNIT(view, tells_how_often_a_group_was_interrupted)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &(shmbus_channel_options){.slots = 16});
    check_eq(unit_send(publisher, 10, 0, SHMBUS_NOWAIT), 0);
    for (unsigned i = 1; i <= 3; i++) {
        struct unit_gate ready = unit_gate();
        const pid_t child = unit_fork(claim_or_peek_and_die, &ready);
        unit_gate_wait(&ready);
        check_eq(unit_group_info("d").interrupted, 0); /* it has a member, who has been told */
        unit_kill(child);
        check_eq(unit_member_info(0).alive, 0);
        check(shmbus_recover(bus) > 0);
        check_eq(unit_group_info("d").interrupted, i);
        check_eq(unit_group_info("d").members, 0);
        check_eq(unit_group_info("d").pending, 1);
    }
    check_eq(shmbus_close(bus), 0);
}

/* --------------------------------------------------------------------------------- every way of looking */

/* All that a view tells, as one number. */
struct digest {
    uint64_t sum;
    unsigned calls;
};

static void mix(struct digest *digest, uint64_t value)
{
    digest->sum = (digest->sum ^ value) * UINT64_C(0x100000001b3);
    digest->calls++;
}

static int mix_field(void *context, const shmbus_field *field)
{
    struct digest *digest = context;
    mix(digest, field->offset ^ field->value);
    for (const char *c = field->text ? field->text : ""; *c; c++) {
        mix(digest, (unsigned char)*c);
    }
    return 0;
}

static void mix_messages(shmbus_view *view, struct digest *digest)
{
    unsigned char data[LARGEST];
    shmbus_sighting seen;
    for (uint64_t next = 0; shmbus_view_message(view, 0, &next, data, sizeof data, &seen) == 1;) {
        mix(digest,
            seen.sequence ^ seen.size << 20 ^ (uint64_t)seen.sent_ns ^ seen.missed << 40 ^ seen.publisher);
        for (uint64_t i = 0; i < seen.size; i++) {
            mix(digest, data[i]);
        }
    }
}

static void mix_members(shmbus_view *view, struct digest *digest)
{
    shmbus_latency latency;
    shmbus_member_info member;
    for (uint32_t i = 0; shmbus_view_member(view, 0, &i, &member) == 1;) {
        mix(digest, member.index ^ member.held_first ^ (uint64_t)member.held << 32 ^ member.stats.messages);
        check_eq(shmbus_view_latency(view, 0, member.index, &latency), 0);
        mix(digest, latency.samples ^ latency.sum_ns ^ latency.largest_ns << 30);
    }
}

/* `alive` is what every "alive" must be. */
static uint64_t look_at_everything(shmbus_view *view, int alive)
{
    struct digest digest = {0};
    shmbus_bus_info bus;
    shmbus_participant_info participant;
    shmbus_channel_info channel;
    shmbus_publisher_info publisher;
    shmbus_group_info group;
    check_eq(shmbus_view_bus(view, &bus), 0);
    check_eq(bus.participants, 1);
    check_eq(bus.dead, 0);
    check_eq(bus.copy, alive == SHMBUS_UNKNOWN);
    check(strcmp(bus.name, unit_bus) == 0);
    mix(&digest, bus.size ^ bus.created_ns ^ bus.unused ^ bus.fingerprint ^ bus.changer_pid ^ bus.channels);
    for (uint32_t i = 0; shmbus_view_participant(view, &i, &participant) == 1;) {
        check_eq(participant.alive, alive);
        mix(&digest, participant.pid ^ participant.attached_ns ^ participant.generation);
    }
    for (uint32_t i = 0; shmbus_view_channel(view, &i, &channel) == 1;) {
        mix(&digest, channel.published ^ channel.oldest << 20 ^ channel.pending << 40 ^ channel.size);
    }
    for (uint32_t i = 0; shmbus_view_publisher(view, 0, &i, &publisher) == 1;) {
        check_eq(publisher.alive, alive);
        mix(&digest, publisher.stats.messages ^ publisher.stats.bytes << 20 ^ (uint64_t)publisher.fenced);
    }
    for (uint32_t i = 0; shmbus_view_group(view, 0, &i, &group) == 1;) {
        mix(&digest, group.position ^ group.pending << 20 ^ (uint64_t)group.oldest_ns ^ group.waits_for);
    }
    mix_members(view, &digest);
    mix_messages(view, &digest);
    check_eq(shmbus_view_fields(view, mix_field, &digest), 0);
    check(digest.calls > 1000);
    return digest.sum;
}

static unsigned char *read_file(const char *path, size_t *size)
{
    struct stat status;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    check(fd >= 0 && fstat(fd, &status) == 0);
    unsigned char *bytes = malloc((size_t)status.st_size);
    check(bytes != NULL);
    *size = (size_t)status.st_size;
    check_eq(read(fd, bytes, *size), status.st_size);
    check_eq(close(fd), 0);
    return bytes;
}

static shmbus_bus *busy_bus(void)
{
    shmbus_bus *bus = unit_open();
    const shmbus_channel_options options = {.slots = 32, .arena = 16 << 10, .largest = LARGEST};
    shmbus_publisher *publisher = unit_publisher(bus, &options);
    shmbus_subscriber *exclusive = unit_subscriber(bus, "e"), *shared = unit_worker(bus, "s");
    shmbus_message message;
    for (uint64_t i = 0; i < 15; i++) {
        check_eq(unit_send(publisher, i * 41, i, SHMBUS_NOWAIT), 0);
    }
    unit_receive(exclusive, 0, 0, 0);
    check_eq(shmbus_peek(exclusive, &message, SHMBUS_NOWAIT), 0);
    check_eq(shmbus_peek(shared, &message, SHMBUS_NOWAIT), 0);
    shmbus_claim_t claim = {.size = 100};
    check_eq(shmbus_claim(unit_publisher(bus, NULL), &claim, SHMBUS_NOWAIT), 0);
    return bus;
}

UNIT(view, of_any_kind_changes_nothing)
{
    shmbus_bus *bus = busy_bus();
    size_t size, again;
    unsigned char *before = read_file(unit_path(), &size);
    shmbus_view *view = view_open();
    const uint64_t first = look_at_everything(view, 1);
    check(look_at_everything(view, 1) == first);
    shmbus_view_close(view);
    unsigned char *after = read_file(unit_path(), &again);
    check_eq(size, again);
    check_eq(memcmp(before, after, size), 0);
    free(before);
    free(after);
    check_eq(shmbus_close(bus), 0);
}

/* A copy tells what the bus tells, but for who lives. */
UNIT(view, of_a_copy_tells_the_same)
{
    char path[] = "/tmp/unit-view-XXXXXX";
    shmbus_bus *bus = busy_bus();
    shmbus_view *view = view_open(), *copy = NULL;
    size_t size;
    unsigned char *bytes = read_file(unit_path(), &size);
    const int fd = mkstemp(path);
    check(fd >= 0);
    check_eq(write(fd, bytes, size), (ssize_t)size);
    check_eq(fchmod(fd, 0400) + close(fd), 0);
    free(bytes);
    const uint64_t told = look_at_everything(view, 1);
    check_eq(shmbus_view_open_file(path, &copy), 0);
    check_eq(shmbus_close(bus), 0);
    check_eq(shmbus_remove(unit_bus), 0);
    check(look_at_everything(copy, SHMBUS_UNKNOWN) == told);
    shmbus_view_close(copy);
    shmbus_view_close(view);
    check_eq(unlink(path), 0);
    check_fails(shmbus_view_open_file(path, &copy), -ENOENT, path);
    check_fails(shmbus_view_open_file("/dev", &copy), -EBADMSG, "regular");
    check_fails(shmbus_view_open_file(NULL, &copy), -EINVAL, "NULL");
    check_fails(shmbus_view_open_file(path, NULL), -EINVAL, "NULL");
}
