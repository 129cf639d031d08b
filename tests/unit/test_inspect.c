/* SPDX-License-Identifier: Apache-2.0 */
/* Read-only views: what they tell, that they change nothing, and the ledger of every group at any time. */
#define _GNU_SOURCE
#include "cursor.h"
#include "unit.h"
#include "unit_map.h"

#include <fcntl.h>
#include <sys/stat.h>

static shmbus_view *view_open(void)
{
    shmbus_view *view = NULL;
    check_eq(shmbus_view_open(unit_bus, &view), 0);
    return view;
}

/* ---------------------------------------------------------------------------------------------- buses */

struct search {
    const char *name;
    unsigned found, calls, stop_after;
};

static int look_for(void *context, const char *name)
{
    struct search *search = context;
    search->found += strcmp(name, search->name) == 0;
    return ++search->calls == search->stop_after;
}

UNIT(inspect, lists_buses)
{
    struct search search = {.name = unit_bus};
    check_eq(shmbus_list(look_for, &search), 0);
    check_eq(search.found, 0);
    check_eq(shmbus_close(unit_open()), 0);
    check_eq(shmbus_list(look_for, &search), 0);
    check_eq(search.found, 1);
    search = (struct search){.name = unit_bus, .stop_after = 1};
    check_eq(shmbus_list(look_for, &search), 0);
    check_eq(search.calls, 1);
    check_fails(shmbus_list(NULL, NULL), -EINVAL, "callback");
}

UNIT(inspect, refuses_what_is_no_bus)
{
    shmbus_view *view = NULL;
    check_fails(shmbus_view_open(unit_bus, &view), -ENOENT, unit_bus);
    check_fails(shmbus_view_open(NULL, &view), -EINVAL, "47");
    check_fails(shmbus_view_open("", &view), -EINVAL, "47");
    check_fails(shmbus_view_open("a/b", &view), -EINVAL, "0x2f");
    check_fails(shmbus_view_open(unit_bus, NULL), -EINVAL, "NULL");
    check(view == NULL);
    shmbus_view_close(NULL);
    check(access(unit_path(), F_OK) != 0);
}

UNIT(inspect, refuses_null)
{
    shmbus_bus *bus = unit_open();
    (void)unit_publisher(bus, &(shmbus_channel_options){.slots = 8});
    shmbus_view *view = view_open();
    uint32_t cursor = 0;
    shmbus_channel_info channel;
    shmbus_group_info group;
    check_fails(shmbus_view_bus(view, NULL), -EINVAL, "NULL");
    check_fails(shmbus_view_bus(NULL, &(shmbus_bus_info){0}), -EINVAL, "NULL");
    check_fails(shmbus_view_participant(view, &cursor, NULL), -EINVAL, "NULL");
    check_fails(shmbus_view_participant(view, NULL, &(shmbus_participant_info){0}), -EINVAL, "NULL");
    check_fails(shmbus_view_channel(NULL, &cursor, &channel), -EINVAL, "NULL");
    check_fails(shmbus_view_channel(view, NULL, &channel), -EINVAL, "NULL");
    check_fails(shmbus_view_publisher(view, 0, &cursor, NULL), -EINVAL, "NULL");
    check_fails(shmbus_view_group(view, 0, NULL, &group), -EINVAL, "NULL");
    check_fails(shmbus_view_member(view, 0, &cursor, NULL), -EINVAL, "NULL");
    check_fails(shmbus_view_group(view, 1, &cursor, &group), -ENOENT, "channel number 1");
    check_fails(shmbus_view_group(view, UINT32_MAX, &cursor, &group), -ENOENT, "4294967295");
    cursor = UINT32_MAX;
    check_eq(shmbus_view_group(view, 0, &cursor, &group), 0);
    check_eq(shmbus_view_channel(view, &cursor, &channel), 0);
    shmbus_view_close(view);
    check_eq(shmbus_close(bus), 0);
}

UNIT(inspect, tells_about_the_bus)
{
    const shmbus_bus_options options = {.participants = 5, .channels = 3, .mode = 0640};
    shmbus_bus *bus = NULL, *second = NULL;
    check_eq(shmbus_open(unit_bus, &options, &bus), 0);
    check_eq(shmbus_open(unit_bus, NULL, &second), 0);
    check_eq(shmbus_channel_create(bus, "a", NULL), 0);
    check_eq(shmbus_channel_create(bus, "b", NULL), 0);
    shmbus_view *view = view_open();
    shmbus_bus_info info;
    check_eq(shmbus_view_bus(view, &info), 0);
    check(strcmp(info.name, unit_bus) == 0);
    check_eq(info.size, unit_file().size);
    check_eq(info.resident, unit_file().blocks * 512);
    check_eq(info.mode, 0640);
    check_eq(info.uid, geteuid());
    check_eq(info.participants, 2);
    check_eq(info.dead, 0);
    check_eq(info.participants_max, 5);
    check_eq(info.channels, 2);
    check_eq(info.channels_max, 3);
    check(info.fingerprint != 0);
    check_eq(shmbus_close(second), 0);
    check_eq(shmbus_close(bus), 0);
    check_eq(shmbus_view_bus(view, &info), 0); /* of a bus that nobody serves any more */
    check_eq(info.participants, 0);
    shmbus_view_close(view);
}

UNIT(inspect, tells_about_participants)
{
    char longest[100];
    memset(longest, 'n', sizeof longest);
    longest[99] = '\0';
    const shmbus_bus_options named = {.participant_name = "somebody"},
                             long_named = {.participant_name = longest};
    shmbus_bus *first = NULL, *second = NULL;
    check_eq(shmbus_open(unit_bus, &named, &first), 0);
    check_eq(shmbus_open(unit_bus, &long_named, &second), 0);
    shmbus_view *view = view_open();
    shmbus_participant_info info;
    uint32_t cursor = 0;
    check_eq(shmbus_view_participant(view, &cursor, &info), 1);
    check(strcmp(info.name, "somebody") == 0);
    check_eq(info.index, 0);
    check_eq(info.pid, getpid());
    check_eq(info.alive, 1);
    const uint32_t generation = info.generation;
    check_eq(shmbus_view_participant(view, &cursor, &info), 1);
    check_eq(info.index, 1);
    check_eq(strlen(info.name), SHMBUS_NAME_MAX);
    check_eq(shmbus_view_participant(view, &cursor, &info), 0);
    /* An entry that is used again has another generation. */
    check_eq(shmbus_close(first), 0);
    check_eq(shmbus_open(unit_bus, NULL, &first), 0);
    cursor = 0;
    check_eq(shmbus_view_participant(view, &cursor, &info), 1);
    check_eq(info.generation, generation + 1);
    check(strcmp(info.name, program_invocation_short_name) == 0);
    shmbus_view_close(view);
    check_eq(shmbus_close(first), 0);
    check_eq(shmbus_close(second), 0);
}

/* Who waits for a group before it sends must not count on one whose first member may yet begin behind the next message. */
UNIT(inspect, counts_groups_whose_place_is_settled)
{
    shmbus_bus *bus = unit_open();
    check_eq(shmbus_channel_create(bus, "c", NULL), 0);
    (void)unit_subscriber(bus, NULL);
    const struct ring ring = unit_ring(unit_map());
    const uint32_t group = load32_relaxed(&ring.members[0].group);
    store32_relaxed(&ring.members[0].group, group | MEMBER_JOINING);
    shmbus_view *view = view_open();
    const unsigned settled[] = {0, 1, 1};
    for (unsigned i = 0; i < 3; i++) {
        shmbus_channel_info info;
        uint32_t cursor = 0;
        check_eq(shmbus_view_channel(view, &cursor, &info), 1);
        check_eq(info.groups, settled[i]);
        if (i == 0) {
            store32_relaxed(&ring.members[0].group, group); /* it has joined */
        } else {
            store32_relaxed(&ring.members[0].group,
                            group | MEMBER_JOINING); /* a durable group's next member */
            store64_relaxed(&ring.groups[0].state, load64_relaxed(&ring.groups[0].state) | GROUP_DURABLE);
        }
    }
    store32_relaxed(&ring.members[0].group, group);
    shmbus_view_close(view);
    check_eq(shmbus_close(bus), 0);
}

UNIT(inspect, tells_about_channels)
{
    shmbus_bus *bus = unit_open();
    const char *const names[] = {"a", "b", "c", "d"};
    for (unsigned i = 0; i < 4; i++) {
        check_eq(shmbus_channel_create(bus, names[i], &(shmbus_channel_options){.slots = 8u << i, .type = i}),
                 0);
    }
    check_eq(shmbus_channel_remove(bus, "b"), 0);
    shmbus_publisher *publisher = unit_publisher(bus, NULL);
    (void)unit_worker(bus, "g");
    (void)unit_worker(bus, "g");
    (void)unit_subscriber(bus, NULL);
    check_eq(unit_send(publisher, 10, 0, SHMBUS_NOWAIT), 0);
    shmbus_view *view = view_open();
    shmbus_channel_info info;
    uint32_t cursor = 0;
    for (unsigned i = 0; i < 4; i += i ? 1 : 2) {
        check_eq(shmbus_view_channel(view, &cursor, &info), 1);
        check(strcmp(info.name, names[i]) == 0);
        check_eq(info.options.slots, 8 << i);
        check_eq(info.options.type, i);
        check(info.size >= info.options.arena);
        const bool used = i == 2;
        check_eq(info.published, used);
        check_eq(info.publishers, used);
        check_eq(info.groups, used ? 2 : 0);
        check_eq(info.members, used ? 3 : 0);
    }
    check_eq(shmbus_view_channel(view, &cursor, &info), 0);
    shmbus_view_close(view);
    check_eq(shmbus_close(bus), 0);
}

UNIT(inspect, tells_about_members)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &(shmbus_channel_options){.slots = 64});
    shmbus_subscriber *exclusive = unit_subscriber(bus, "e"), *shared = unit_worker(bus, "s");
    shmbus_message message;
    for (uint64_t i = 0; i < 20; i++) {
        check_eq(unit_send(publisher, 10, i, SHMBUS_NOWAIT), 0);
    }
    for (unsigned i = 0; i < 5; i++) {
        check_eq(shmbus_next(exclusive, &message, SHMBUS_NOWAIT), 0);
        check_eq(shmbus_next(shared, &message, SHMBUS_NOWAIT), 0);
    }
    for (uint32_t i = 0; i < 2; i++) {
        const shmbus_member_info info = unit_member_info(i);
        check_eq(info.group, i);
        check_eq(info.participant, 0);
        check_eq(info.alive, 1);
        check_eq(info.stats.messages, 4);
        check_eq(info.stats.bytes, 40);
        check_eq(info.stats.position, 4);
        const shmbus_group_info group = unit_group_info(i ? "s" : "e");
        check_eq(group.index, i);
        check_eq(group.shared, (int)i);
        check_eq(group.durable, 0);
        check_eq(group.members, 1);
        check_eq(group.joined, 0);
        check_eq(group.position, 4);
        check_eq(group.pending, 16);
        check_eq(group.bytes, 40);
    }
    check_eq(unit_member_info(1).held, 1); /* shared: taken and not released */
    check_eq(shmbus_close(bus), 0);
}

/* ------------------------------------------------------------------------------------ nothing changes */

static uint64_t checksum(void)
{
    const int fd = open(unit_path(), O_RDONLY | O_CLOEXEC);
    check(fd >= 0);
    uint64_t sum = 0;
    static unsigned char bytes[65536];
    for (ssize_t size; (size = read(fd, bytes, sizeof bytes)) > 0;) {
        for (ssize_t i = 0; i < size; i++) {
            sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
        }
    }
    check_eq(close(fd), 0);
    return sum;
}

static void look_at_everything(void)
{
    shmbus_view *view = view_open();
    shmbus_bus_info bus;
    shmbus_participant_info participant;
    shmbus_channel_info channel;
    shmbus_publisher_info publisher;
    shmbus_group_info group;
    shmbus_member_info member;
    unsigned seen = 0;
    check_eq(shmbus_view_bus(view, &bus), 0);
    for (uint32_t i = 0; shmbus_view_participant(view, &i, &participant) == 1;) {
        seen++;
    }
    for (uint32_t i = 0; shmbus_view_channel(view, &i, &channel) == 1;) {
        for (uint32_t j = 0; shmbus_view_publisher(view, channel.index, &j, &publisher) == 1;) {
            seen++;
        }
        for (uint32_t j = 0; shmbus_view_group(view, channel.index, &j, &group) == 1;) {
            seen++;
        }
        for (uint32_t j = 0; shmbus_view_member(view, channel.index, &j, &member) == 1;) {
            seen++;
        }
    }
    check_eq(seen, 6);
    shmbus_view_close(view);
}

UNIT(inspect, changes_nothing_and_needs_only_to_read)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &(shmbus_channel_options){.slots = 64});
    (void)unit_subscriber(bus, NULL);
    (void)unit_worker(bus, "s");
    for (uint64_t i = 0; i < 20; i++) {
        check_eq(unit_send(publisher, 100, i, SHMBUS_NOWAIT), 0);
    }
    const uint64_t before = checksum();
    look_at_everything();
    check_eq(checksum(), before);
    check_eq(chmod(unit_path(), 0444), 0);
    const bool root = geteuid() == 0;
    check_eq(root ? setegid(65534) + seteuid(65534) : 0, 0);
    look_at_everything();
    check_eq(root ? seteuid(0) : 0, 0);
    check_eq(checksum(), before);
    check_eq(shmbus_close(bus), 0);
}

/* --------------------------------------------------------------------------------------- the ledger */

#define HANDLES 6

struct actors {
    shmbus_bus *bus;
    shmbus_publisher *publishers[2];
    shmbus_claim_t claims[2][4];
    int open[2]; /* claims of each that are open */
    shmbus_subscriber *subscribers[HANDLES];
    uint64_t random;
};

static uint32_t draw(struct actors *a, uint32_t below)
{
    a->random = a->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(a->random >> 33) % below;
}

/* Two exclusive groups, one of them durable, and two members each of a shared one and of a durable shared one. */
static void toggle_subscriber(struct actors *a, unsigned who)
{
    if (a->subscribers[who]) {
        check_eq(shmbus_subscriber_close(a->subscribers[who]), 0);
        a->subscribers[who] = NULL;
        return;
    }
    const char *const groups[HANDLES] = {"e", "ed", "s", "s", "sd", "sd"};
    const shmbus_subscriber_options options = {
        .group = groups[who],
        .shared = who >= 2,
        .durable = who == 1 || who >= 4,
        .from = draw(a, 2) ? SHMBUS_FROM_OLDEST : SHMBUS_FROM_NOW,
    };
    check_eq(shmbus_subscriber_open(a->bus, "c", &options, &a->subscribers[who]), 0);
}

static void act_as_publisher(struct actors *a)
{
    const unsigned who = draw(a, 2);
    if (a->open[who] > 0) {
        const shmbus_claim_t *claim = &a->claims[who][--a->open[who]];
        check_eq(draw(a, 3) ? shmbus_commit(a->publishers[who], claim)
                            : shmbus_abort(a->publishers[who], claim),
                 0);
    } else if (draw(a, 3) == 0) {
        for (unsigned i = 0; i < 4; i++) {
            a->claims[who][i].size = draw(a, 200);
        }
        const int claimed =
            shmbus_claim_batch(a->publishers[who], a->claims[who], draw(a, 4) + 1, SHMBUS_NOWAIT);
        a->open[who] = claimed > 0 ? claimed : 0;
    } else {
        (void)unit_send(a->publishers[who], draw(a, 3000), 0, SHMBUS_NOWAIT);
    }
}

static int stop_at_random(void *context, const shmbus_message *message)
{
    (void)message;
    return draw(context, 3) == 0;
}

static void act_as_subscriber(struct actors *a)
{
    const unsigned who = draw(a, HANDLES);
    shmbus_message message;
    if (!a->subscribers[who] || draw(a, 40) == 0) {
        toggle_subscriber(a, who);
    } else if (draw(a, 5) == 0) {
        (void)shmbus_peek(a->subscribers[who], &message, SHMBUS_NOWAIT);
    } else if (draw(a, 3) == 0) {
        (void)shmbus_poll(a->subscribers[who], draw(a, 10) + 1, SHMBUS_NOWAIT, stop_at_random, a);
    } else {
        (void)shmbus_next(a->subscribers[who], &message, SHMBUS_NOWAIT);
    }
}

static void check_ledger_always(enum shmbus_overflow overflow, uint64_t first_sequence)
{
    const shmbus_channel_options options = {.slots = 32,
                                            .overflow = overflow,
                                            .arena = 32 << 10,
                                            .largest = 4096,
                                            .first_sequence = first_sequence};
    struct actors actors = {.bus = unit_open(), .random = first_sequence + 1};
    actors.publishers[0] = unit_publisher(actors.bus, &options);
    actors.publishers[1] = unit_publisher(actors.bus, NULL);
    for (unsigned step = 0; step < 4000; step++) {
        if (draw(&actors, 2)) {
            act_as_publisher(&actors);
        } else {
            act_as_subscriber(&actors);
        }
        unit_check_ledger();
    }
    check(unit_channel_info().published > first_sequence + 300);
    check_eq(shmbus_close(actors.bus), 0);
    unit_check_ledger();
    check_eq(shmbus_remove(unit_bus), 0);
}

UNIT(inspect, ledger_is_right_at_any_time)
{
    check_ledger_always(SHMBUS_BLOCK, (UINT64_C(1) << 32) - 200);
    check_ledger_always(SHMBUS_BLOCK, 0);
    check_ledger_always(SHMBUS_OVERWRITE, (UINT64_C(1) << 32) - 200);
    check_ledger_always(SHMBUS_OVERWRITE, 7);
}
