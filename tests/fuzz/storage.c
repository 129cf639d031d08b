/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage SCENARIO: a /dev/shm of its own that is full, has holes punched into it, or shrinks under our feet.
 * Needs a mount namespace; ends with 77 where there is none to be had.
 */
#define _GNU_SOURCE
#include "cast.h"
#include "scene.h"
#include "verdict.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shmbus/inspect.h>

#define SKIPPED 77
#define BUS "storage"
#define SEGMENT "/dev/shm/shmbus." BUS
#define FILLER "/dev/shm/filler"
#define ROUNDS 300
#define HOLE_ROUNDS 16 /* while the header is a hole, each open tries a hundred times */

#define check(condition) ((condition) ? (void)0 : fuzz_fail("%s:%d: %s", __FILE__, __LINE__, #condition))

/* ---------------------------------------------------------------------------------------- our /dev/shm */

static void write_file(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    (void)!write(fd, text, strlen(text));
    (void)close(fd);
}

/* Root of a namespace where only we are: where root itself may not mount, a user's namespace may. */
static bool become_root(void)
{
    char map[40];
    (void)snprintf(map, sizeof map, "0 %u 1", getuid());
    if (unshare(CLONE_NEWUSER) != 0) {
        return false;
    }
    write_file("/proc/self/setgroups", "deny");
    write_file("/proc/self/uid_map", map);
    return true;
}

static bool mount_shm(const char *options)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", "/dev/shm", "tmpfs", 0, options) == 0;
}

static void take_shm(const char *options)
{
    if (!mount_shm(options) && !(become_root() && mount_shm(options))) {
        (void)fprintf(stderr, "storage: no mount namespace to be had: %s\n", strerror(errno));
        exit(SKIPPED);
    }
}

/* Takes what is left but for `spare` bytes. */
static void fill(off_t spare)
{
    const int fd = open(FILLER, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    check(fd >= 0);
    off_t size = 0;
    while (posix_fallocate(fd, size, 4096) == 0) {
        size += 4096;
    }
    check(ftruncate(fd, size > spare ? size - spare : 0) == 0);
    (void)close(fd);
}

static void empty(void)
{
    check(unlink(FILLER) == 0);
}

/* ----------------------------------------------------------------------------------------------- full */

static void check_explained(int err)
{
    check(err == -ENOSPC);
    check(strstr(shmbus_strerror(err), "needs") && strstr(shmbus_strerror(err), "free"));
}

static const shmbus_channel_options small = {.slots = 16, .arena = 4096, .members = 4, .groups = 2};
static const shmbus_channel_options large = {.slots = 16, .arena = 4 << 20};

/* A bus that does not fit is not there afterwards, and there when it fits. */
static void full_bus(void)
{
    shmbus_bus *bus = NULL;
    take_shm("size=1m");
    fill(8192);
    check_explained(shmbus_open(BUS, NULL, &bus));
    check(access(SEGMENT, F_OK) != 0);
    empty();
    check(shmbus_open(BUS, NULL, &bus) == 0);
    check(shmbus_close(bus) == 0);
}

static uint64_t size_of_segment(void)
{
    shmbus_view *view = NULL;
    shmbus_bus_info info;
    check(shmbus_view_open(BUS, &view) == 0 && shmbus_view_bus(view, &info) == 0);
    shmbus_view_close(view);
    return info.resident;
}

/* A channel that does not fit takes nothing, and the next one that fits is made. */
static void full_channel(void)
{
    shmbus_bus *bus = NULL;
    take_shm("size=1m");
    check(shmbus_open(BUS, NULL, &bus) == 0);
    const uint64_t before = size_of_segment();
    check_explained(shmbus_channel_create(bus, "c", &large));
    check(size_of_segment() == before);
    fill(0);
    check_explained(shmbus_channel_create(bus, "c", &small));
    empty();
    check(shmbus_channel_create(bus, "c", &small) == 0);
    check(shmbus_close(bus) == 0);
}

/* All memory was taken when the channel was made: messages need none. */
static void full_later(void)
{
    static unsigned char data[1000];
    shmbus_bus *bus = NULL;
    shmbus_publisher *publisher = NULL;
    shmbus_subscriber *subscriber = NULL;
    take_shm("size=1m");
    check(shmbus_open(BUS, NULL, &bus) == 0);
    check(shmbus_channel_create(bus, "c", &small) == 0);
    fill(0);
    check(shmbus_publisher_open(bus, "c", NULL, &publisher) == 0);
    check(shmbus_subscriber_open(bus, "c", NULL, &subscriber) == 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        const size_t size = i % sizeof data;
        check(shmbus_send(publisher, data, size, SHMBUS_NOWAIT) == 0);
        check(shmbus_recv(subscriber, data, sizeof data, NULL, SHMBUS_NOWAIT) == (int64_t)size);
    }
    check(shmbus_close(bus) == 0);
}

/* Processes create and remove, send and receive, where there is now room and now none. */
static void full_and_busy(void)
{
    struct scene scene;
    take_shm("size=1m");
    /* Who looks at a channel that is just being removed asks for its memory again, and there may be none. */
    check(shmbus_view_guard() == 0);
    cast_start(BUS, 1);
    scene_make(&scene, BUS, 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        fill(i % 8 * 8192);
        check(cast_goes_on() == 0);
        empty();
    }
    check(cast_end() == 0);
    scene_end(&scene);
}

/* ------------------------------------------------------------------------------- holes and truncation */

/* Pages turn into zeros while processes use them. */
static void holes(void)
{
    struct scene scene;
    struct bytes bytes = bytes_random(1, 0);
    take_shm("size=64m");
    cast_start(BUS, 1);
    for (unsigned i = 0; i < HOLE_ROUNDS; i++) {
        scene_make(&scene, BUS, i % SCENE_SHAPES);
        cast_reopen();
        check(cast_goes_on() == 0);
        const int fd = open(SEGMENT, O_RDWR | O_CLOEXEC);
        for (unsigned j = 0; j < 4; j++) {
            const off_t page = bytes_below(&bytes, (uint32_t)(scene.size / 4096));
            check(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, page * 4096, 4096) == 0);
            check(cast_goes_on() == 0);
        }
        (void)close(fd);
        scene_end(&scene);
    }
    check(cast_end() == 0);
}

/* Sends and receives until that fails. */
static void use_until_error(const shmbus_bus_options *options)
{
    unsigned char byte;
    shmbus_bus *bus = NULL;
    shmbus_publisher *publisher = NULL;
    shmbus_subscriber *subscriber = NULL;
    check(shmbus_open(BUS, options, &bus) == 0);
    const shmbus_publisher_options creates = {.channel = &small};
    check(shmbus_publisher_open(bus, "c", &creates, &publisher) == 0);
    check(shmbus_subscriber_open(bus, "c", NULL, &subscriber) == 0);
    int64_t result = 0;
    for (unsigned i = 0; result >= 0; i++) {
        if (i == ROUNDS) {
            check(truncate(SEGMENT, 0) == 0);
        }
        result = shmbus_send(publisher, "", 1, SHMBUS_NOWAIT);
        result = result ? result : shmbus_recv(subscriber, &byte, 1, NULL, SHMBUS_NOWAIT);
    }
    (void)verdict_of("a truncated segment", result);
    check(shmbus_close(bus) == 0);
}

/* The status of a process that uses a segment which is truncated meanwhile. */
static int truncate_under(const shmbus_bus_options *options)
{
    int status = 0;
    const pid_t child = fork();
    check(child >= 0);
    if (child == 0) {
        (void)signal(SIGBUS, SIG_DFL); /* not the sanitizer's */
        use_until_error(options);
        _exit(0);
    }
    check(waitpid(child, &status, 0) == child);
    return status;
}

/* Whoever may write the file may end those who use it, and only by SIGBUS; the guard makes it an error. */
static void truncated(void)
{
    take_shm("size=1m");
    const int status = truncate_under(NULL);
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
    check(shmbus_remove(BUS) == 0);
    const shmbus_bus_options guarded = {.sigbus_guard = 1};
    check(truncate_under(&guarded) == 0);
}

/* --------------------------------------------------------------------------------------------- choice */

static const struct {
    const char *name;
    void (*run)(void);
} scenarios[] = {
    {"full_bus", full_bus},     {"full_channel", full_channel},
    {"full_later", full_later}, {"full_and_busy", full_and_busy},
    {"holes", holes},           {"truncated", truncated},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < sizeof scenarios / sizeof *scenarios; i++) {
        if (strcmp(argv[1], scenarios[i].name) == 0) {
            scenarios[i].run();
            return 0;
        }
    }
    (void)fprintf(stderr, "usage: storage SCENARIO; storage.c lists them\n");
    return 2;
}
