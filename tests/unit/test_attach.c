/* SPDX-License-Identifier: Apache-2.0 */
/* What attaching does before it takes the directory lock: what the kernel may take its time for. */
#include "unit.h"

#include "os_barrier.h"

#include <shmbus/inspect.h>

/* Linked in front of the library (--wrap). */
bool __real_os_barrier_register(void);
bool __wrap_os_barrier_register(void);

static shmbus_view *view;
static unsigned calls, under_the_lock;

bool __wrap_os_barrier_register(void)
{
    shmbus_bus_info info;
    if (view) {
        check_eq(shmbus_view_bus(view, &info), 0);
        under_the_lock += info.changing != 0;
        calls++;
    }
    return __real_os_barrier_register();
}

/* In a process with threads the kernel waits for all CPUs first, for seconds if need be: nobody else has to. */
UNIT(attach, registers_for_membarrier_without_the_directory_lock)
{
    shmbus_bus *other = unit_open(), *bus;
    const shmbus_bus_options options = {.open = SHMBUS_OPEN_EXISTING};
    check_eq(shmbus_view_open(unit_bus, &view), 0);
    check_eq(shmbus_open(unit_bus, &options, &bus), 0);
    check_eq(calls, 1);
    check_eq(under_the_lock, 0);
    shmbus_participant_info info;
    uint32_t cursor = 1;
    check_eq(shmbus_view_participant(view, &cursor, &info), 1);
    check_eq(info.registered, os_barrier_register());
    shmbus_view_close(view);
    view = NULL;
    check_eq(shmbus_close(bus), 0);
    check_eq(shmbus_close(other), 0);
}
