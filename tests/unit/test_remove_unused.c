/* SPDX-License-Identifier: Apache-2.0 */
/* Removing a bus that nobody is attached to, and never another. */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>

UNIT(remove_unused, removes_what_nobody_is_attached_to)
{
    check_fails(shmbus_remove_unused(unit_bus), -ENOENT, unit_bus);
    check_fails(shmbus_remove_unused("a/b"), -EINVAL, "0x2f");
    shmbus_bus *bus = unit_open();
    check_fails(shmbus_remove_unused(unit_bus), -EBUSY, "attached");
    check_eq(access(unit_path(), F_OK), 0);
    check_eq(shmbus_close(bus), 0);
    check_eq(shmbus_remove_unused(unit_bus), 0);
    check(access(unit_path(), F_OK) != 0);
}

static void attach_and_wait(void *gate)
{
    (void)unit_open();
    unit_wait_to_be_killed(gate);
}

UNIT(remove_unused, takes_the_stopped_for_alive_and_the_killed_for_dead)
{
    struct unit_gate gate = unit_gate();
    const pid_t child = unit_fork(attach_and_wait, &gate);
    unit_gate_wait(&gate);
    check_eq(kill(child, SIGSTOP), 0);
    check_fails(shmbus_remove_unused(unit_bus), -EBUSY, "attached");
    unit_kill(child);
    check_eq(shmbus_remove_unused(unit_bus), 0);
}

UNIT(remove_unused, leaves_what_is_no_bus)
{
    const int fd = open(unit_path(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    check(fd >= 0);
    check_eq(write(fd, "hello, world", 12), 12);
    check_fails(shmbus_remove_unused(unit_bus), -EBADMSG, unit_path());
    check_eq(access(unit_path(), F_OK), 0);
    for (off_t size = 11; size >= 0; size--) { /* too short to tell */
        check_eq(ftruncate(fd, size), 0);
        check_fails(shmbus_remove_unused(unit_bus), -EBADMSG, unit_path());
    }
    check_eq(access(unit_path(), F_OK), 0);
    check(unlink(unit_path()) == 0 && close(fd) == 0);
}

/* Observers hold nothing, and keep nothing. */
UNIT(remove_unused, does_not_ask_those_who_only_look)
{
    shmbus_view *view = NULL;
    check_eq(shmbus_close(unit_open()), 0);
    check_eq(shmbus_view_open(unit_bus, &view), 0);
    check_eq(shmbus_remove_unused(unit_bus), 0);
    shmbus_view_close(view);
}

#define MEETINGS 3000u
#define REMOVERS 3u /* of which one may still have what another one has removed */

/* Sends a number to the other side, which must be on the same bus. */
static void meet(void *context)
{
    const struct unit_gate *gates = context;
    for (uint64_t i = 0; i < MEETINGS; i++) {
        unit_gate_wait(&gates[0]);
        shmbus_bus *bus =
            unit_open(); /* the other one is attached already, and stays until it has answered */
        shmbus_publisher *publisher = unit_publisher(bus, NULL);
        check_eq(unit_send(publisher, 8, i, SHMBUS_NOWAIT), 0);
        unit_gate_open(&gates[1]);
        check_eq(shmbus_close(bus), 0);
    }
}

static void remove_for_ever(void *context)
{
    (void)context;
    for (;;) {
        (void)shmbus_remove_unused(unit_bus);
    }
}

/* Two meet under a name again and again, while others remove what is unused all the time. */
UNIT(remove_unused, cuts_nobody_off)
{
    struct unit_gate gates[2] = {unit_gate(), unit_gate()};
    const pid_t other = unit_fork(meet, gates);
    pid_t removers[REMOVERS];
    for (unsigned i = 0; i < REMOVERS; i++) {
        removers[i] = unit_fork(remove_for_ever, NULL);
    }
    for (uint64_t i = 0; i < MEETINGS; i++) {
        shmbus_bus *bus = unit_open();
        (void)shmbus_channel_remove(bus, "c"); /* of the last time, if the bus has lived on */
        check_eq(shmbus_channel_create(bus, "c", &(shmbus_channel_options){.slots = 8, .arena = 4096}), 0);
        shmbus_subscriber *subscriber = unit_subscriber(bus, NULL);
        unit_gate_open(&gates[0]);
        unit_gate_wait(&gates[1]);
        unit_receive(subscriber, 0, 8, i);
        check_eq(shmbus_close(bus), 0);
    }
    unit_join(other);
    for (unsigned i = 0; i < REMOVERS; i++) {
        unit_kill(removers[i]);
    }
}
