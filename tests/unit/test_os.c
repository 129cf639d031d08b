/* SPDX-License-Identifier: Apache-2.0 */
/* The thin layer over system calls: locks, segment files, futexes, barriers, clocks. */
#include "unit_map.h"

#include <sys/stat.h>

#include "os_barrier.h"
#include "os_clock.h"
#include "os_futex.h"
#include "os_lock.h"
#include "os_segment.h"

static int open_again(void)
{
    const int fd = os_segment_open(unit_bus, true);
    check(fd >= 0);
    return fd;
}

static int create(void)
{
    const int fd = os_segment_create();
    check(fd >= 0);
    check_eq(os_segment_publish(fd, unit_bus), 0);
    return fd;
}

/* -------------------------------------------------------------------------------------------- os_lock */

UNIT(os_lock, excludes_other_descriptors)
{
    const int a = create(), b = open_again();
    check_eq(os_lock_try(a, LOCK_DIRECTORY), 0);
    check_eq(os_lock_try(a, LOCK_DIRECTORY), 0); /* the same description: it has it */
    check_eq(os_lock_try(b, LOCK_DIRECTORY), -EAGAIN);
    check_eq(os_lock_shared(b, LOCK_DIRECTORY), -EAGAIN);
    check(os_lock_is_held(b, LOCK_DIRECTORY));
    check(!os_lock_is_held(a, LOCK_DIRECTORY)); /* not by another */
    check_eq(os_lock_try(b, LOCK_PARTICIPANT(0)), 0);
    check_eq(os_lock_release(a, LOCK_DIRECTORY), 0);
    check(!os_lock_is_held(b, LOCK_DIRECTORY));
    check_eq(os_lock_wait(b, LOCK_DIRECTORY), 0);
    check_eq(unit_file().size, 0); /* the bytes lie behind any end of the file */
}

UNIT(os_lock, is_shared)
{
    const int a = create(), b = open_again(), c = open_again();
    check_eq(os_lock_shared(a, LOCK_CHANNEL(3)), 0);
    check_eq(os_lock_shared(b, LOCK_CHANNEL(3)), 0);
    check_eq(os_lock_try(c, LOCK_CHANNEL(3)), -EAGAIN);
    check_eq(os_lock_release(a, LOCK_CHANNEL(3)), 0);
    check(os_lock_is_held(c, LOCK_CHANNEL(3)));
    check_eq(close(b), 0);
    check(!os_lock_is_held(c, LOCK_CHANNEL(3)));
}

UNIT(os_lock, bytes_are_apart)
{
    check(LOCK_PARTICIPANT(0) > LOCK_DIRECTORY);
    check(LOCK_CHANNEL(0) > LOCK_PARTICIPANT(PARTICIPANTS_MAX - 1));
}

UNIT(os_lock, is_seen_through_a_descriptor_for_reading)
{
    const int a = create(), reader = os_segment_open(unit_bus, false);
    check(!os_lock_is_held(reader, LOCK_PARTICIPANT(7)));
    check_eq(os_lock_try(a, LOCK_PARTICIPANT(7)), 0);
    check(os_lock_is_held(reader, LOCK_PARTICIPANT(7)));
}

/* Who may only read can lock for reading, and is not taken for an owner. */
UNIT(os_lock, is_owned_by_who_may_write)
{
    const int a = create(), reader = os_segment_open(unit_bus, false), observer = open_again();
    check_eq(os_lock_shared(reader, LOCK_PARTICIPANT(7)), 0);
    check(os_lock_is_held(observer, LOCK_PARTICIPANT(7)));
    check(!os_lock_is_owned(observer, LOCK_PARTICIPANT(7)));
    check_eq(os_lock_try(reader, LOCK_PARTICIPANT(8)), -EBADF);
    check_eq(os_lock_try(a, LOCK_PARTICIPANT(8)), 0);
    check(os_lock_is_owned(observer, LOCK_PARTICIPANT(8)));
}

static void *wait_for_lock(void *context)
{
    const int *fd = context;
    check_eq(os_lock_wait(*fd, LOCK_DIRECTORY), 0);
    return NULL;
}

UNIT(os_lock, is_waited_for)
{
    const int a = create();
    int b = open_again();
    check_eq(os_lock_wait(a, LOCK_DIRECTORY), 0);
    pthread_t thread;
    check_eq(pthread_create(&thread, NULL, wait_for_lock, &b), 0);
    check_eq(close(a), 0);
    check_eq(pthread_join(thread, NULL), 0);
    const int c = open_again();
    check(os_lock_is_held(c, LOCK_DIRECTORY));
}

/* ----------------------------------------------------------------------------------------- os_segment */

UNIT(os_segment, has_a_name_when_it_is_published)
{
    (void)umask(0777);
    const int fd = os_segment_create(), other = os_segment_create();
    struct os_segment_status status;
    check_eq(os_segment_status(fd, &status), 0);
    check_eq(status.mode & 0077, 0);
    check_eq(status.size, 0);
    check_eq(status.links, 0);
    check_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    check_eq(os_segment_open(unit_bus, true), -ENOENT);
    check_eq(os_segment_publish(fd, unit_bus), 0);
    check_eq(os_segment_publish(other, unit_bus), -EEXIST);
    check_eq(os_segment_status(fd, &status), 0);
    check_eq(status.links, 1);
    check_eq(os_segment_unlink(unit_bus), 0);
    check_eq(os_segment_unlink(unit_bus), -ENOENT);
    check_eq(os_segment_open(unit_bus, true), -ENOENT);
    check_eq(os_segment_status(fd, &status), 0);
    check_eq(status.links, 0);
}

UNIT(os_segment, is_reserved_and_given_back)
{
    const int fd = create();
    struct os_segment_status status;
    unsigned char *bytes;
    check_eq(os_segment_reserve(fd, 4096, 1 << 20), 0);
    check_eq(os_segment_status(fd, &status), 0);
    check_eq(status.size, (1 << 20) + 4096);
    check_eq(status.resident, 1 << 20);
    check_eq(os_segment_map(fd, 4096, 1 << 20, true, (void **)&bytes), 0);
    for (size_t i = 0; i < 1 << 20; i++) {
        check_eq(bytes[i], 0);
    }
    memset(bytes, 0xff, 1 << 20);
    check_eq(os_segment_punch(fd, 4096, 1 << 20), 0);
    check_eq(os_segment_status(fd, &status), 0);
    check_eq(status.size, (1 << 20) + 4096);
    check_eq(status.resident, 0);
    check_eq(bytes[77], 0);
    check(os_segment_free(fd) > 0);
    os_segment_unmap(bytes, 1 << 20);
    os_segment_close(fd);
    check_eq(os_segment_reserve(fd, 0, 4096), -EBADF);
}

/* ------------------------------------------------------------------------------------------- os_futex */

UNIT(os_futex, does_not_sleep_when_the_word_has_changed)
{
    atomic_u32 word = 5;
    os_futex_wait(&word, 4, INT64_MAX); /* or this test ends by its time limit */
    check_eq(load32_relaxed(&word), 5);
}

UNIT(os_futex, wakes_at_the_deadline)
{
    atomic_u32 word = 5;
    const int64_t deadline = os_clock_monotonic() + 5000000;
    while (os_clock_monotonic() < deadline) {
        os_futex_wait(&word, 5, deadline);
    }
    os_futex_wait(&word, 5, 1); /* long past */
    os_futex_wait(&word, 5, 0);
}

struct sleeper {
    atomic_u32 word;
    atomic_u32 awake;
};

static void *sleep_on_word(void *context)
{
    struct sleeper *sleeper = context;
    while (load32_acquire(&sleeper->word) == 0) {
        os_futex_wait(&sleeper->word, 0, INT64_MAX);
    }
    (void)add32_acq_rel(&sleeper->awake, 1);
    return NULL;
}

UNIT(os_futex, wakes_all)
{
    struct sleeper sleeper = {0};
    pthread_t threads[5];
    for (unsigned i = 0; i < 5; i++) {
        check_eq(pthread_create(&threads[i], NULL, sleep_on_word, &sleeper), 0);
    }
    store32_release(&sleeper.word, 1);
    os_futex_wake_all(&sleeper.word);
    for (unsigned i = 0; i < 5; i++) {
        check_eq(pthread_join(threads[i], NULL), 0);
    }
    check_eq(load32_relaxed(&sleeper.awake), 5);
}

/* -------------------------------------------------------------------------------- barriers and clocks */

UNIT(os_barrier, is_there_for_who_registers)
{
    const bool registered = os_barrier_register();
    check_eq(os_barrier_register(), registered); /* again: no harm */
    check_eq(os_barrier_global(), registered);
}

UNIT(os_clock, goes_forward)
{
    int64_t last = os_clock_monotonic();
    for (unsigned i = 0; i < 10000; i++) {
        const int64_t now = os_clock_monotonic();
        check(now >= last);
        last = now;
    }
    const uint64_t year_2020 = UINT64_C(1577836800) * 1000000000;
    check(os_clock_realtime() > year_2020);
}
