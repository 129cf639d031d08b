/* SPDX-License-Identifier: Apache-2.0 */
/* Segment files that are whole, damaged, foreign, or too large for /dev/shm; and how they come to be. */
#define _GNU_SOURCE
#include "unit.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "layout.h"

static int open_with(enum shmbus_open_mode mode, shmbus_bus **bus)
{
    const shmbus_bus_options options = {.open = mode};
    return shmbus_open(unit_bus, &options, bus);
}

static void write_at(const void *data, size_t size, off_t offset)
{
    const int fd = open(unit_path(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    check(fd >= 0);
    check_eq(pwrite(fd, data, size, offset), size);
    check_eq(close(fd), 0);
}

/* An empty file, or one of reserved zeros. */
static void make_file(int64_t size)
{
    const int fd = open(unit_path(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    check(fd >= 0);
    if (size > 0) {
        check_eq(posix_fallocate(fd, 0, size), 0);
    }
    check_eq(close(fd), 0);
}

/* A file's bytes; they must be there unchanged after a refused open. */
struct snapshot {
    struct unit_file file;
    unsigned char bytes[8192];
};

static void take(struct snapshot *snapshot)
{
    memset(snapshot, 0, sizeof *snapshot);
    snapshot->file = unit_file();
    const int fd = open(unit_path(), O_RDONLY | O_CLOEXEC);
    check(fd >= 0);
    check(pread(fd, snapshot->bytes, sizeof snapshot->bytes, 0) >= 0);
    check_eq(close(fd), 0);
}

/* Refused in every mode, by the inspector too; not a byte changes. */
static void check_refused(int err, const char *word, const char *other)
{
    struct snapshot *before = malloc(sizeof *before), *after = malloc(sizeof *after);
    check(before && after);
    shmbus_bus *bus = NULL;
    shmbus_view *view = NULL;
    take(before);
    check_fails(open_with(SHMBUS_OPEN_OR_CREATE, &bus), err, word, other);
    check_fails(open_with(SHMBUS_OPEN_EXISTING, &bus), err, word, other);
    check_fails(open_with(SHMBUS_CREATE_NEW, &bus), -EEXIST, unit_bus);
    check_fails(shmbus_view_open(unit_bus, &view), err, word, other);
    take(after);
    check(memcmp(before, after, sizeof *before) == 0);
    check(bus == NULL && view == NULL);
    free(before);
    free(after);
}

UNIT(segment, of_random_bytes)
{
    unsigned char bytes[65536];
    unit_fill(bytes, sizeof bytes, 1);
    write_at(bytes, sizeof bytes, 0);
    check_refused(-EBADMSG, "not a shmbus segment", "");
}

/* Nobody leaves these half-way: they are not ours, and not finished either. */
UNIT(segment, that_is_empty)
{
    make_file(0);
    check_refused(-EBADMSG, "not a shmbus segment", " 0 bytes");
}

UNIT(segment, of_zeros)
{
    make_file(64 << 10);
    check_refused(-EBADMSG, "not a shmbus segment", "");
}

UNIT(segment, without_magic)
{
    shmbus_close(unit_open());
    const uint64_t none = 0;
    write_at(&none, sizeof none, offsetof(struct shm_header, magic));
    check_refused(-EBADMSG, "not a shmbus segment", "");
}

UNIT(segment, of_text)
{
    write_at("hello\n", 6, 0);
    check_refused(-EBADMSG, "not a shmbus segment", "6 bytes");
}

UNIT(segment, shorter_than_its_header)
{
    shmbus_close(unit_open());
    check_eq(truncate(unit_path(), 100), 0);
    check_refused(-EBADMSG, "not a shmbus segment", "100 bytes");
}

UNIT(segment, truncated_by_a_page)
{
    shmbus_close(unit_open());
    const int64_t size = unit_file().size;
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)size);
    check_eq(truncate(unit_path(), size - 4096), 0);
    check_refused(-EBADMSG, "truncated", text);
}

UNIT(segment, with_a_truncated_channel)
{
    shmbus_bus *bus = unit_open();
    check_eq(shmbus_channel_create(bus, "c", NULL), 0);
    check_eq(shmbus_close(bus), 0);
    check_eq(truncate(unit_path(), unit_file().size - 4096), 0);
    check_refused(-EBADMSG, "truncated", "");
}

UNIT(segment, of_another_layout)
{
    shmbus_close(unit_open());
    const uint64_t other = 0xfeedface;
    write_at(&other, sizeof other, offsetof(struct shm_header, fingerprint));
    check_refused(-EPROTO, "layout 00000000feedface", "same version");
}

UNIT(segment, with_a_damaged_header)
{
    const size_t fields[] = {offsetof(struct shm_header, participants), offsetof(struct shm_header, channels),
                             offsetof(struct shm_header, participants_offset),
                             offsetof(struct shm_header, entries_offset),
                             offsetof(struct shm_header, header_size)};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        shmbus_close(unit_open());
        const uint32_t nonsense = 0x7ffffff0;
        write_at(&nonsense, sizeof nonsense, (off_t)fields[i]);
        check_refused(-EBADMSG, "damaged segment", "");
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

/* ------------------------------------------------------------------------------------ creation races */

static void open_once(void *context)
{
    const struct unit_gate *gate = context;
    unit_gate_wait(gate);
    shmbus_bus *bus = unit_open();
    check_eq(shmbus_channel_create(bus, "c", &(shmbus_channel_options){.slots = 64}), 0);
    check_eq(shmbus_close(bus), 0);
}

UNIT(segment, is_created_once_by_many_processes)
{
    for (unsigned round = 0; round < 10; round++) {
        struct unit_gate gate = unit_gate();
        pid_t children[6];
        for (unsigned i = 0; i < 6; i++) {
            children[i] = unit_fork(open_once, &gate);
        }
        for (unsigned i = 0; i < 6; i++) {
            unit_gate_open(&gate);
        }
        for (unsigned i = 0; i < 6; i++) {
            unit_join(children[i]);
        }
        check_eq(unit_channel_info().options.slots, 64);
        check_eq(shmbus_remove(unit_bus), 0);
        close(gate.fds[0]);
        close(gate.fds[1]);
    }
}

struct race {
    atomic_u32 won, over;
    struct unit_gate gate;
};

static struct race *new_race(void)
{
    struct race *race = mmap(NULL, sizeof *race, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    check(race != MAP_FAILED);
    race->gate = unit_gate();
    return race;
}

static void create_new_once(void *context)
{
    struct race *race = context;
    unit_gate_wait(&race->gate);
    shmbus_bus *bus = NULL;
    const int err = open_with(SHMBUS_CREATE_NEW, &bus);
    check(err == 0 || err == -EEXIST);
    (void)add32_relaxed(&race->won, err == 0);
}

UNIT(segment, is_new_to_one_of_many_processes)
{
    for (unsigned round = 0; round < 10; round++) {
        struct race *race = new_race();
        pid_t children[6];
        for (unsigned i = 0; i < 6; i++) {
            children[i] = unit_fork(create_new_once, race);
        }
        for (unsigned i = 0; i < 6; i++) {
            unit_gate_open(&race->gate);
        }
        for (unsigned i = 0; i < 6; i++) {
            unit_join(children[i]);
        }
        check_eq(load32_relaxed(&race->won), 1);
        check_eq(shmbus_remove(unit_bus), 0);
        close(race->gate.fds[0]);
        close(race->gate.fds[1]);
    }
}

/* Whoever looks, at any time, sees a whole bus or none. */
static void look_again_and_again(void *context)
{
    struct race *race = context;
    unit_gate_open(&race->gate);
    for (unsigned seen = 0; load32_relaxed(&race->over) == 0 || seen == 0;) {
        shmbus_view *view = NULL;
        shmbus_bus_info info;
        const int err = shmbus_view_open(unit_bus, &view);
        if (err == 0) {
            check_eq(shmbus_view_bus(view, &info), 0);
            check_eq(info.participants_max, 77);
            seen++;
        }
        check(err == 0 || err == -ENOENT);
        shmbus_view_close(view);
    }
}

UNIT(segment, is_never_seen_half_made)
{
    struct race *race = new_race();
    const pid_t observer = unit_fork(look_again_and_again, race);
    unit_gate_wait(&race->gate);
    const shmbus_bus_options options = {.open = SHMBUS_CREATE_NEW, .participants = 77};
    for (unsigned i = 0; i < 500; i++) {
        shmbus_bus *bus = NULL;
        check(i == 0 || shmbus_remove(unit_bus) == 0);
        check_eq(shmbus_open(unit_bus, &options, &bus), 0);
        check_eq(shmbus_close(bus), 0);
    }
    store32_relaxed(&race->over, 1);
    unit_join(observer);
}

static void create_and_remove(void *context)
{
    unit_gate_open(context);
    for (;;) {
        shmbus_bus *bus = NULL;
        check_eq(open_with(SHMBUS_OPEN_OR_CREATE, &bus), 0);
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

/* Wherever the creator is killed, there is no bus, or one to be opened. */
UNIT(segment, of_a_killed_creator)
{
    struct unit_gate gate = unit_gate();
    for (unsigned i = 0; i < 100; i++) {
        const pid_t creator = unit_fork(create_and_remove, &gate);
        unit_gate_wait(&gate);
        for (unsigned yields = i; yields > 0; yields--) {
            (void)sched_yield();
        }
        unit_kill(creator);
        shmbus_bus *bus = NULL;
        const int err = open_with(SHMBUS_OPEN_EXISTING, &bus);
        check(err == 0 || err == -ENOENT);
        if (err == 0) {
            check_eq(shmbus_close(bus), 0);
            check_eq(shmbus_remove(unit_bus), 0);
        }
    }
}

/* ------------------------------------------------------------------------------- a full /dev/shm */

static uint64_t free_bytes(void)
{
    struct statvfs fs;
    check_eq(statvfs("/dev/shm", &fs), 0);
    return (uint64_t)fs.f_bavail * fs.f_frsize;
}

static bool small_shm(const char *size)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", "/dev/shm", "tmpfs", 0, size) == 0;
}

static void check_too_large(shmbus_bus *bus, const shmbus_channel_options *options, const char *needs)
{
    shmbus_publisher *publisher = NULL;
    shmbus_subscriber *subscriber = NULL;
    const shmbus_publisher_options publisher_options = {.channel = options};
    const shmbus_subscriber_options subscriber_options = {.channel = options};
    const struct unit_file before = unit_file();
    const uint64_t free_before = free_bytes();
    check_fails(shmbus_channel_create(bus, "large", options), -ENOSPC, "large", needs, "free",
                "smaller arena");
    check_fails(shmbus_publisher_open(bus, "large", &publisher_options, &publisher), -ENOSPC, "large", needs);
    check_fails(shmbus_subscriber_open(bus, "large", &subscriber_options, &subscriber), -ENOSPC, "large",
                needs);
    const struct unit_file after = unit_file();
    check(memcmp(&before, &after, sizeof before) == 0);
    /* More was asked for than there is; other processes may take and give back a little meanwhile. */
    check(free_bytes() > free_before / 2);
    check_fails(shmbus_channel_options_of(bus, "large", &(shmbus_channel_options){0}), -ENOENT, "large");
    check(publisher == NULL && subscriber == NULL);
}

UNIT(segment, larger_than_the_file_system)
{
    struct statvfs fs;
    check_eq(statvfs("/dev/shm", &fs), 0);
    if ((uint64_t)fs.f_blocks * fs.f_frsize > ARENA_MAX) {
        cr_skip_test("/dev/shm is larger than the largest arena");
    }
    shmbus_bus *bus = unit_open();
    const shmbus_channel_options options = {.arena = ARENA_MAX, .largest = 1 << 20};
    check_too_large(bus, &options, "needs 687");
    check_eq(shmbus_channel_create(bus, "c", NULL), 0); /* and all goes on */
    check_eq(shmbus_close(bus), 0);
}

UNIT(segment, larger_than_what_is_free)
{
    if (!small_shm("size=8m")) {
        cr_skip_test("mounting a small /dev/shm needs root");
    }
    shmbus_bus *bus = unit_open();
    check_too_large(bus, &(shmbus_channel_options){.arena = 16 << 20}, "needs 17");
    check_too_large(bus, &(shmbus_channel_options){.arena = 4096, .slots = 1 << 17}, "needs 84");
    check_eq(shmbus_channel_create(bus, "c", &(shmbus_channel_options){.arena = 4 << 20}), 0);
    check_too_large(bus, &(shmbus_channel_options){.arena = 4 << 20}, "needs 4");
    /* What fits is usable to the last byte: nothing is written that was not reserved. */
    shmbus_publisher *publisher = unit_publisher(bus, NULL);
    shmbus_subscriber *subscriber = unit_subscriber(bus, NULL);
    for (uint64_t i = 0; i < 16; i++) {
        check_eq(unit_send(publisher, 1 << 20, i, SHMBUS_NOWAIT), 0);
        unit_receive(subscriber, i, 1 << 20, i);
    }
    check_eq(shmbus_close(bus), 0);
}

UNIT(segment, without_room_for_a_bus)
{
    if (!small_shm("size=16k")) {
        cr_skip_test("mounting a small /dev/shm needs root");
    }
    shmbus_bus *bus = NULL;
    const uint64_t free_before = free_bytes();
    check_fails(shmbus_open(unit_bus, NULL, &bus), -ENOSPC, unit_bus, "needs", "16384 free",
                "fewer participants");
    check(bus == NULL);
    check(access(unit_path(), F_OK) != 0);
    check_eq(free_bytes(), free_before);
    const shmbus_bus_options small = {.participants = 8, .channels = 8};
    check_eq(shmbus_open(unit_bus, &small, &bus), 0);
    check_eq(shmbus_close(bus), 0);
    check_eq(shmbus_remove(unit_bus), 0);
}

UNIT(segment, without_permission)
{
    shmbus_close(unit_open());
    shmbus_bus *bus = NULL;
    const bool root = geteuid() == 0;
    const int err = root ? setegid(65534) + seteuid(65534) : chmod(unit_path(), 0);
    check_eq(err, 0);
    check_fails(open_with(SHMBUS_OPEN_OR_CREATE, &bus), -EACCES, unit_bus, "permission");
    check_fails(open_with(SHMBUS_OPEN_EXISTING, &bus), -EACCES, unit_bus, "permission");
    check(bus == NULL);
    check_eq(root ? seteuid(0) : 0, 0);
}
