/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may use a bus: modes, groups, ACLs, owners; and that observers write nothing. Most of it takes processes of
 * other users, so it takes root to start them.
 */
#define _GNU_SOURCE
#include "unit_users.h"

#include <fcntl.h>
#include <sys/stat.h>

/* ------------------------------------------------------------------------------------ processes of others */

struct visitor {
    uid_t user;
    gid_t group; /* beside one of its own */
    int any_owner;
    int attach; /* what shmbus_open() gives it */
    int view;   /* what shmbus_view_open() gives it */
};

static void visit(void *context)
{
    const struct visitor *visitor = context;
    unit_become(visitor->user, visitor->group);
    const shmbus_bus_options options = {.open = SHMBUS_OPEN_EXISTING, .any_owner = visitor->any_owner};
    shmbus_bus *bus = NULL;
    shmbus_view *view = NULL;
    check_eq(shmbus_open(unit_bus, &options, &bus), visitor->attach);
    check(visitor->attach != 0 || shmbus_close(bus) == 0);
    check_eq(shmbus_view_open(unit_bus, &view), visitor->view);
    shmbus_view_close(view);
}

static void check_visit(struct visitor visitor)
{
    unit_join(unit_fork(visit, &visitor));
}

static void create_with(const shmbus_bus_options *options)
{
    shmbus_bus *bus = NULL;
    (void)umask(0777);
    check_eq(shmbus_open(unit_bus, options, &bus), 0);
    check_eq(shmbus_channel_create(bus, "c", &(shmbus_channel_options){.slots = 16}), 0);
    check_eq(shmbus_close(bus), 0);
}

/* ------------------------------------------------------------------------------------------------- owners */

UNIT(access, is_refused_by_default)
{
    NEEDS_ROOT();
    create_with(NULL);
    check_visit((struct visitor){.user = ALICE, .attach = -EACCES, .view = -EACCES});
    check_visit((struct visitor){.user = ALICE, .any_owner = 1, .attach = -EACCES, .view = -EACCES});
}

UNIT(access, to_the_bus_of_another_user_must_be_asked_for)
{
    NEEDS_ROOT();
    create_with(&(shmbus_bus_options){.mode = 0666});
    check_visit((struct visitor){.user = ALICE, .attach = -EPERM});
    check_visit((struct visitor){.user = ALICE, .any_owner = 1});
}

static void create_as_alice(void *context)
{
    unit_become(ALICE, 0);
    create_with(context);
}

/* A user who waits with a bus of the right name for a service of root's. */
UNIT(access, of_root_to_the_bus_of_a_user_must_be_asked_for)
{
    NEEDS_ROOT();
    unit_join(unit_fork(create_as_alice, &(shmbus_bus_options){.mode = 0666}));
    shmbus_bus *bus = NULL;
    for (unsigned mode = SHMBUS_OPEN_OR_CREATE; mode <= SHMBUS_OPEN_EXISTING; mode++) {
        const shmbus_bus_options options = {.open = (enum shmbus_open_mode)mode};
        check_fails(shmbus_open(unit_bus, &options, &bus), -EPERM, unit_bus, "64001", "user 0", "any_owner",
                    "--any-owner");
    }
    check_fails(shmbus_open(unit_bus, &(shmbus_bus_options){.open = SHMBUS_CREATE_NEW}, &bus), -EEXIST,
                unit_bus);
    check_eq(shmbus_open(unit_bus, &(shmbus_bus_options){.any_owner = 1}, &bus), 0);
    check_eq(shmbus_close(bus), 0);
    shmbus_view *view = NULL;
    shmbus_bus_info info;
    check_eq(shmbus_view_open(unit_bus, &view), 0);
    check_eq(shmbus_view_bus(view, &info), 0);
    check_eq(info.uid, ALICE);
    check_eq(info.gid, ALICE);
    shmbus_view_close(view);
}

/* ---------------------------------------------------------------------------------------- modes and groups */

UNIT(access, for_reading_is_for_looking)
{
    NEEDS_ROOT();
    create_with(&(shmbus_bus_options){.mode = 0644});
    check_visit((struct visitor){.user = ALICE, .any_owner = 1, .attach = -EACCES});
}

UNIT(access, of_a_group)
{
    NEEDS_ROOT();
    create_with(&(shmbus_bus_options){.mode = 0660, .group = "64100"});
    check_visit((struct visitor){.user = ALICE, .group = OPS, .attach = -EPERM});
    check_visit((struct visitor){.user = ALICE, .group = OPS, .any_owner = 1});
    check_visit((struct visitor){.user = BOB, .any_owner = 1, .attach = -EACCES, .view = -EACCES});
}

UNIT(access, of_a_group_by_name)
{
    NEEDS_ROOT();
    const struct group *group;
    while ((group = getgrent()) && group->gr_gid == 0) {
    }
    if (!group) {
        cr_skip_test("there is no group but root's");
    }
    const gid_t gid = group->gr_gid;
    create_with(&(shmbus_bus_options){.mode = 0660, .group = group->gr_name});
    struct stat status;
    check_eq(stat(unit_path(), &status), 0);
    check_eq(status.st_gid, gid);
    check_eq(status.st_mode & 07777, 0660);
}

static void create_for_a_foreign_group(void *context)
{
    const shmbus_bus_options *options = context;
    shmbus_bus *bus = NULL;
    unit_become(ALICE, 0);
    check_fails(shmbus_open(unit_bus, options, &bus), -EPERM, unit_bus, "64100", "member");
}

/* Nothing is left of a bus whose creation fails. */
UNIT(access, of_a_group_that_may_not_be_given)
{
    NEEDS_ROOT();
    unit_join(unit_fork(create_for_a_foreign_group, &(shmbus_bus_options){.mode = 0660, .group = "64100"}));
    check_eq(access(unit_path(), F_OK), -1);
}

UNIT(access, of_a_group_that_is_not_there)
{
    static const char *const names[] = {"no-such-group",       "", "-1", "1x", "4294967295",
                                        "99999999999999999999"};
    shmbus_bus *bus = NULL;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        check_fails(shmbus_open(unit_bus, &(shmbus_bus_options){.group = names[i]}, &bus), -EINVAL, "group",
                    names[i]);
        check_eq(access(unit_path(), F_OK), -1);
    }
}

/* ---------------------------------------------------------------------------------------------------- ACLs */

#define NEEDS_ACLS()                                                                                         \
    do {                                                                                                     \
        shmbus_bus *unit_probe = NULL;                                                                       \
        const int unit_err = shmbus_open(unit_bus, &(shmbus_bus_options){.acl = "u:0:rw"}, &unit_probe);     \
        if (unit_err == -EOPNOTSUPP) {                                                                       \
            cr_skip_test("this kernel's tmpfs has no ACLs");                                                 \
        }                                                                                                    \
        check_eq(unit_err, 0);                                                                               \
        check_eq(shmbus_close(unit_probe), 0);                                                               \
        check_eq(shmbus_remove(unit_bus), 0);                                                                \
    } while (0)

UNIT(access, of_those_in_an_acl)
{
    NEEDS_ROOT();
    NEEDS_ACLS();
    create_with(&(shmbus_bus_options){.acl = "u:64001:rw,g:64100:r"});
    check_visit((struct visitor){.user = ALICE, .any_owner = 1});
    check_visit((struct visitor){.user = ALICE, .attach = -EPERM});
    check_visit((struct visitor){.user = BOB, .any_owner = 1, .attach = -EACCES, .view = -EACCES});
    check_visit((struct visitor){.user = BOB, .group = OPS, .any_owner = 1, .attach = -EACCES});
}

UNIT(access, of_an_acl_is_bounded_by_its_mask)
{
    NEEDS_ROOT();
    NEEDS_ACLS();
    create_with(&(shmbus_bus_options){.mode = 0640, .acl = "user:64001:rw-,mask::r--"});
    check_visit((struct visitor){.user = ALICE, .any_owner = 1, .attach = -EACCES});
}

UNIT(access, of_an_acl_that_is_none)
{
    static const char *const lists[] = {"alice", "u:no-such-user:rw",   "u:64001:rw;g:1:r", "u::rw",
                                        "o::rw", "u:64001:rw,u:64001:r"};
    shmbus_bus *bus = NULL;
    for (unsigned i = 0; i < sizeof lists / sizeof *lists; i++) {
        check_fails(shmbus_open(unit_bus, &(shmbus_bus_options){.acl = lists[i]}, &bus), -EINVAL, unit_bus,
                    lists[i], "u:alice:rw");
        check_eq(access(unit_path(), F_OK), -1);
    }
}

/* ----------------------------------------------------------------------------------------------- observers */

struct watched {
    struct stat status;
    uint64_t hash;
};

static struct watched watched(void)
{
    struct watched watched = {.hash = UINT64_C(0xcbf29ce484222325)};
    unsigned char bytes[4096];
    const int fd = open(unit_path(), O_RDONLY | O_CLOEXEC | O_NOATIME);
    check(fd >= 0);
    for (ssize_t size; (size = read(fd, bytes, sizeof bytes)) > 0;) {
        for (ssize_t i = 0; i < size; i++) {
            watched.hash = (watched.hash ^ bytes[i]) * UINT64_C(0x100000001b3);
        }
    }
    check_eq(fstat(fd, &watched.status), 0);
    check_eq(close(fd), 0);
    return watched;
}

/* Every call of inspect.h. Returns how much there was to see. */
static unsigned look_at_everything(shmbus_view *view)
{
    unsigned seen = 0;
    shmbus_bus_info bus;
    shmbus_participant_info participant;
    shmbus_channel_info channel;
    shmbus_publisher_info publisher;
    shmbus_group_info group;
    shmbus_member_info member;
    check_eq(shmbus_view_bus(view, &bus), 0);
    for (uint32_t at = 0; shmbus_view_participant(view, &at, &participant) == 1;) {
        seen++;
    }
    for (uint32_t i = 0; shmbus_view_channel(view, &i, &channel) == 1;) {
        for (uint32_t at = 0; shmbus_view_publisher(view, channel.index, &at, &publisher) == 1;) {
            seen++;
        }
        for (uint32_t at = 0; shmbus_view_group(view, channel.index, &at, &group) == 1;) {
            seen++;
        }
        for (uint32_t at = 0; shmbus_view_member(view, channel.index, &at, &member) == 1;) {
            seen++;
        }
    }
    return seen;
}

/* How much of the test's segment this process has mapped with these permissions, in one mapping or in several. */
static uint64_t mapped(const char *permissions)
{
    char line[512];
    uint64_t size = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    check(maps != NULL);
    while (fgets(line, sizeof line, maps)) {
        if (strstr(line, unit_path()) && (!permissions || strstr(line, permissions))) {
            char *end;
            const uint64_t start = strtoull(line, &end, 16);
            size += strtoull(end + 1, NULL, 16) - start;
        }
    }
    check_eq(fclose(maps), 0);
    return size;
}

static int name_found(void *context, const char *name)
{
    *(bool *)context |= strcmp(name, unit_bus) == 0;
    return 0;
}

static void observe(void *context)
{
    const uid_t *user = context;
    if (*user != 0) {
        unit_become(*user, 0);
    }
    bool listed = false;
    check_eq(shmbus_list(name_found, &listed), 0);
    check(listed);
    shmbus_view *view = NULL;
    const uint64_t before = mapped(NULL); /* of who forked us */
    check_eq(shmbus_view_open(unit_bus, &view), 0);
    check_eq(look_at_everything(view), 1 + 1 + 2 + 1);
    check(mapped("r--s") > 0);
    check_eq(mapped("r--s"), mapped(NULL) - before);
    shmbus_view_close(view);
    check_eq(mapped(NULL), before);
}

static void check_observer(uid_t user)
{
    const shmbus_bus_options options = {.mode = 0644};
    shmbus_bus *bus = NULL;
    check_eq(shmbus_open(unit_bus, &options, &bus), 0);
    shmbus_publisher *publisher = unit_publisher(bus, &(shmbus_channel_options){.slots = 16});
    shmbus_subscriber *subscriber = unit_worker(bus, "workers");
    const shmbus_subscriber_options durable = {.group = "durable", .durable = 1};
    shmbus_subscriber *gone = NULL;
    check_eq(shmbus_subscriber_open(bus, "c", &durable, &gone), 0);
    check_eq(shmbus_subscriber_close(gone), 0);
    for (uint64_t i = 0; i < 3; i++) {
        check_eq(unit_send(publisher, 100, i, SHMBUS_NOWAIT), 0);
    }
    shmbus_message message;
    check_eq(shmbus_peek(subscriber, &message, SHMBUS_NOWAIT), 0);
    const struct watched before = watched();
    unit_join(unit_fork(observe, &user));
    const struct watched after = watched();
    check(before.hash == after.hash);
    check_eq(before.status.st_blocks, after.status.st_blocks);
    check(memcmp(&before.status.st_mtim, &after.status.st_mtim, sizeof before.status.st_mtim) == 0);
    check(memcmp(&before.status.st_ctim, &after.status.st_ctim, sizeof before.status.st_ctim) == 0);
    check_eq(shmbus_close(bus), 0);
}

UNIT(observers, write_nothing)
{
    check_observer(0);
}

UNIT(observers, write_nothing_as_another_user)
{
    NEEDS_ROOT();
    check_observer(ALICE);
}
