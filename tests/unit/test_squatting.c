/* SPDX-License-Identifier: Apache-2.0 */
/* What others can put in the way of a bus, and how a bus gets its name. */
#define _GNU_SOURCE
#include "unit_seccomp.h"
#include "unit_users.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* What others may have put where the bus should be: no call waits there, follows it, or changes it. */
static void check_in_the_way(int err)
{
    shmbus_bus *bus = NULL;
    shmbus_view *view = NULL;
    struct stat before, after;
    check_eq(lstat(unit_path(), &before), 0);
    for (int any_owner = 0; any_owner <= 1; any_owner++) {
        shmbus_bus_options options = {.any_owner = any_owner};
        check_fails(shmbus_open(unit_bus, &options, &bus), err, unit_bus);
        options.open = SHMBUS_OPEN_EXISTING;
        check_fails(shmbus_open(unit_bus, &options, &bus), err, unit_bus);
        options.open = SHMBUS_CREATE_NEW;
        check_fails(shmbus_open(unit_bus, &options, &bus), -EEXIST, unit_bus);
    }
    check_fails(shmbus_view_open(unit_bus, &view), err, unit_bus);
    check_eq(lstat(unit_path(), &after), 0);
    check_eq(before.st_ino, after.st_ino);
    check_eq(before.st_size, after.st_size);
    check_eq(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

UNIT(squatting, by_a_directory)
{
    check_eq(mkdir(unit_path(), 0777), 0);
    check_in_the_way(-EBADMSG);
    check_eq(rmdir(unit_path()), 0);
}

UNIT(squatting, by_a_fifo)
{
    check_eq(mkfifo(unit_path(), 0666), 0);
    check_in_the_way(-EBADMSG);
}

UNIT(squatting, by_a_socket)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", unit_path());
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    check_in_the_way(-EBADMSG);
    check_eq(close(fd), 0);
}

UNIT(squatting, by_a_link_to_nowhere)
{
    char target[256];
    (void)snprintf(target, sizeof target, "%s.target", unit_path());
    check_eq(symlink(target, unit_path()), 0);
    check_in_the_way(-EBADMSG);
    check_eq(access(target, F_OK), -1);
}

/* Even to a bus of our own: it is another one than we named. */
UNIT(squatting, by_a_link_to_a_bus)
{
    char target[256];
    (void)snprintf(target, sizeof target, "%s.target", unit_path());
    shmbus_close(unit_open());
    check_eq(rename(unit_path(), target), 0);
    check_eq(symlink(target, unit_path()), 0);
    check_in_the_way(-EBADMSG);
    check_eq(unlink(target), 0);
}

static void put_empty_file(void *context)
{
    (void)context;
    unit_become(ALICE, 0);
    (void)umask(0);
    const int fd = open(unit_path(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    check(fd >= 0);
}

UNIT(squatting, by_an_empty_file_of_another_user)
{
    NEEDS_ROOT();
    unit_join(unit_fork(put_empty_file, NULL));
    shmbus_bus *bus = NULL;
    check_fails(shmbus_open(unit_bus, NULL, &bus), -EPERM, unit_bus, "64001");
    check_fails(shmbus_open(unit_bus, &(shmbus_bus_options){.any_owner = 1}, &bus), -EBADMSG, "0 bytes");
}

static void hold_all_locks(void *context)
{
    const struct unit_gate *gate = context;
    unit_become(ALICE, 0);
    shmbus_bus *bus = NULL;
    check_eq(shmbus_open(unit_bus, &(shmbus_bus_options){.mode = 0666}, &bus), 0);
    check_eq(shmbus_close(bus), 0);
    const int fd = open(unit_path(), O_RDWR | O_CLOEXEC);
    check(fd >= 0);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    check_eq(fcntl(fd, F_SETLK, &lock), 0);
    unit_wait_to_be_killed(gate);
}

/* The owner is looked at before anything that he could hold up. */
UNIT(squatting, by_who_holds_all_locks)
{
    NEEDS_ROOT();
    struct unit_gate gate = unit_gate();
    (void)unit_fork(hold_all_locks, &gate);
    unit_gate_wait(&gate);
    shmbus_bus *bus = NULL;
    check_fails(shmbus_open(unit_bus, NULL, &bus), -EPERM, unit_bus, "64001");
}

/* ------------------------------------------------------------------------------------------------ creation */

static void deny(int first, int number, int flag)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    const struct scmp_arg_cmp has = {
        .arg = 4, .op = SCMP_CMP_MASKED_EQ, .datum_a = (unsigned)flag, .datum_b = (unsigned)flag};
    check(filter != NULL);
    check_eq(seccomp_rule_add_array(filter, SCMP_ACT_ERRNO((uint16_t)first), number, flag != 0, &has), 0);
    check_eq(seccomp_load(filter), 0);
    seccomp_release(filter);
}

/* As before Linux 6.10 without CAP_DAC_READ_SEARCH. */
UNIT(creation, through_proc)
{
    NEEDS_SECCOMP();
    deny(ENOENT, SCMP_SYS(linkat), AT_EMPTY_PATH);
    const int low = dup(0), high = fcntl(low, F_DUPFD_CLOEXEC, 1000);
    for (int fds = 0; fds < 2; fds++) { /* descriptors of one digit, or of two */
        check_eq(shmbus_close(unit_open()), 0);
        check_eq(shmbus_remove(unit_bus), 0);
        for (int i = 0; i < 10; i++) {
            check(dup(0) >= 0);
        }
    }
    check(low >= 0 && high >= 1000);
    shmbus_bus *bus = unit_open();
    check_fails(shmbus_open(unit_bus, &(shmbus_bus_options){.open = SHMBUS_CREATE_NEW}, &bus), -EEXIST,
                unit_bus);
}

UNIT(creation, without_a_way_to_name_the_file)
{
    NEEDS_SECCOMP();
    shmbus_bus *bus = NULL;
    deny(ENOENT, SCMP_SYS(linkat), 0);
    check_fails(shmbus_open(unit_bus, NULL, &bus), -EOPNOTSUPP, unit_bus, "/proc", "CAP_DAC_READ_SEARCH");
    check_eq(access(unit_path(), F_OK), -1);
}

UNIT(creation, leaves_the_winners_bus_alone)
{
    NEEDS_SECCOMP();
    shmbus_bus *bus = NULL;
    deny(EEXIST, SCMP_SYS(linkat), 0); /* somebody is always first */
    check_fails(shmbus_open(unit_bus, NULL, &bus), -EBUSY, unit_bus);
    check_eq(access(unit_path(), F_OK), -1);
}
