/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shmbus_remove() and a new bus of the same name between shmbus_remove_unused()'s look and its unlink: the linker puts
 * this test there (--wrap).
 */
#include "unit.h"

#include "os_lock.h"

#include <fcntl.h>
#include <stdatomic.h>

/* As the library calls them, and as they are. */
bool __wrap_os_lock_any_owned(int fd, int64_t first, int64_t count);
bool __real_os_lock_any_owned(int fd, int64_t first, int64_t count);
void __wrap_os_clock_nap(int64_t nanoseconds);
void __real_os_clock_nap(int64_t nanoseconds);

static struct race {
    bool armed;
    pthread_t other;
    atomic_bool waits; /* shmbus_remove() found the directory locked */
    atomic_bool done;
    shmbus_bus *bus; /* the new one */
} race;

void __wrap_os_clock_nap(int64_t nanoseconds)
{
    atomic_store(&race.waits, true);
    __real_os_clock_nap(nanoseconds);
}

static void *replace(void *unused)
{
    (void)shmbus_remove(unit_bus); /* -ENOENT when the other was first */
    race.bus = unit_open();
    atomic_store(&race.done, true);
    return unused;
}

bool __wrap_os_lock_any_owned(int fd, int64_t first, int64_t count)
{
    const bool owned = __real_os_lock_any_owned(fd, first, count);
    if (race.armed) {
        race.armed = false;
        check_eq(pthread_create(&race.other, NULL, replace, NULL), 0);
        while (!atomic_load(&race.waits) && !atomic_load(&race.done)) {
        }
    }
    return owned;
}

UNIT(remove_races, leaves_the_successor_its_name)
{
    check_eq(shmbus_close(unit_open()), 0);
    race.armed = true;
    check_eq(shmbus_remove_unused(unit_bus), 0);
    check_eq(pthread_join(race.other, NULL), 0);
    shmbus_bus *same = NULL;
    check_eq(shmbus_open(unit_bus, &(shmbus_bus_options){.open = SHMBUS_OPEN_EXISTING}, &same), 0);
    check_eq(shmbus_close(same), 0);
    check_fails(shmbus_remove_unused(unit_bus), -EBUSY, "attached");
    check_eq(shmbus_close(race.bus), 0);
}

/* A bus whose directory lock is held for ever is removed all the same. */
UNIT(remove_races, does_not_wait_for_ever)
{
    check_eq(shmbus_close(unit_open()), 0);
    const int holder = open(unit_path(), O_RDWR | O_CLOEXEC);
    check_eq(os_lock_try(holder, LOCK_DIRECTORY), 0);
    check_fails(shmbus_remove_unused(unit_bus), -EBUSY, "directory");
    check_eq(shmbus_remove(unit_bus), 0);
    check(access(unit_path(), F_OK) != 0);
    check_eq(close(holder), 0);
}
