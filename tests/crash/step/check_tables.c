/* SPDX-License-Identifier: Apache-2.0 */
/* The last three: counters, room, entries. */
#include "check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/*
 * What one death may leave wrong in the counters: a message is given back, or committed, before it is counted,
 * and a member may have counted what it gave back no more. As many as one operation is about, at each end.
 */
#define SLACK (2 * BATCH)

static bool find_group(shmbus_view *view, shmbus_channel_info *channel, shmbus_group_info *group)
{
    for (uint32_t at = 0; shmbus_view_channel(view, &at, channel) == 1;) {
        for (uint32_t i = 0; shmbus_view_group(view, channel->index, &i, group) == 1;) {
            if (strcmp(group->name, GROUP) == 0) {
                return true;
            }
        }
    }
    return false;
}

void check_counters(struct check *check)
{
    struct actor *actor = check->actor;
    if (scenario_has(actor->scenario, WIPES | NO_GROUP)) {
        return;
    }
    shmbus_view *view;
    shmbus_channel_info channel;
    shmbus_group_info group;
    (void)actor_must(actor, shmbus_view_open(actor->name, &view), "shmbus_view_open");
    if (!find_group(view, &channel, &group)) {
        check_fail(check, "groups of that name", 0, 1);
    }
    shmbus_view_close(view);
    const uint64_t published = channel.published - group.joined;
    const uint64_t known = group.messages + group.aborted + group.missed + group.pending;
    if (known + SLACK < published || published + SLACK < known) {
        check_fail(check, "messages + aborted + missed + pending", known, published);
    }
    if (group.pending != 0) {
        check_fail(check, "pending, of a group that has read all", group.pending, 0);
    }
}

/* Sends until there is no room. */
static unsigned fill(struct check *check, size_t size, unsigned most)
{
    unsigned sent = 0;
    while (sent <= most && check_send(check, size, SHMBUS_NOWAIT) == 0) {
        sent++;
    }
    return sent;
}

static void check_slots(struct check *check)
{
    const unsigned slots = scenario_slots(check->actor->scenario);
    const unsigned sent = fill(check, SMALL_SIZE, slots);
    if (sent != slots) {
        check_fail(check, "messages that find room in an empty ring", sent, slots);
    }
    check_catch_up(check);
}

/* Where the arena's next line is does not show. What wraps around leaves it at a multiple of its own size, in the end. */
static void check_arena(struct check *check)
{
    const unsigned slots = scenario_slots(check->actor->scenario);
    unsigned best = 0;
    for (unsigned i = 0; i < 4 && best < slots; i++) {
        const unsigned sent = fill(check, scenario_arena(check->actor->scenario) / slots, slots);
        best = sent > best ? sent : best;
        check_catch_up(check);
    }
    if (best != slots) {
        check_fail(check, "parts of the arena that can be filled", best, slots);
    }
}

void check_room(struct check *check)
{
    if (!check->lossy) {
        check_slots(check);
        check_arena(check);
        return;
    }
    for (unsigned i = 0; i < 2 * scenario_slots(check->actor->scenario); i++) {
        if (check_send(check, LARGE_SIZE, SHMBUS_NOWAIT) != 0) {
            check_fail(check, "messages that an overwrite channel takes", i, i + 1);
        }
    }
    check_catch_up(check);
}

/* ------------------------------------------------------------------------------------------------ */

void check_close(struct check *check)
{
    struct actor *actor = check->actor;
    if (actor->publisher) {
        (void)actor_must(actor, shmbus_publisher_close(actor->publisher), "shmbus_publisher_close");
    }
    if (actor->subscriber) {
        (void)actor_must(actor, shmbus_subscriber_close(actor->subscriber), "shmbus_subscriber_close");
    }
    actor->publisher = NULL;
    actor->subscriber = NULL;
}

static void compare(const struct check *check, const char *what, unsigned opened, unsigned must_be, int err)
{
    if (opened != must_be) {
        story_fail(check->actor->story, "%s: %u could be opened, must be %u; then %d: %s", what, opened,
                   must_be, err, shmbus_strerror(err));
    }
}

static void count_publishers(const struct check *check)
{
    struct actor *actor = check->actor;
    shmbus_publisher *opened[PUBLISHERS + 1];
    unsigned count = 0;
    int err = 0;
    while (count <= PUBLISHERS &&
           (err = shmbus_publisher_open(actor->bus, CHANNEL, NULL, &opened[count])) == 0) {
        count++;
    }
    compare(check, "publishers", count, scenario_has(actor->scenario, MULTI) ? PUBLISHERS : 1, err);
    while (count > 0) {
        (void)actor_must(actor, shmbus_publisher_close(opened[--count]), "shmbus_publisher_close");
    }
}

static void count_subscribers(const struct check *check, const char *what,
                              const shmbus_subscriber_options *options, unsigned must_be)
{
    struct actor *actor = check->actor;
    shmbus_subscriber *opened[MEMBERS + 1];
    unsigned count = 0;
    int err = 0;
    while (count <= MEMBERS &&
           (err = shmbus_subscriber_open(actor->bus, CHANNEL, options, &opened[count])) == 0) {
        count++;
    }
    compare(check, what, count, must_be, err);
    while (count > 0) {
        (void)actor_must(actor, shmbus_subscriber_close(opened[--count]), "shmbus_subscriber_close");
    }
}

static bool has_name(const struct check *check)
{
    shmbus_view *view = NULL;
    const int err = shmbus_view_open(check->actor->name, &view);
    shmbus_view_close(view);
    return err != -ENOENT;
}

static void count_participants(const struct check *check)
{
    struct actor *actor = check->actor;
    if (!has_name(check)) {
        return; /* removed */
    }
    const shmbus_bus_options options = {.open = SHMBUS_OPEN_EXISTING, .participant_name = "step"};
    shmbus_bus *opened[PARTICIPANTS];
    unsigned count = 0;
    int err = 0;
    while (count < PARTICIPANTS && (err = shmbus_open(actor->name, &options, &opened[count])) == 0) {
        count++;
    }
    compare(check, "participants", count, PARTICIPANTS - 1, err);
    while (count > 0) {
        (void)actor_must(actor, shmbus_close(opened[--count]), "shmbus_close");
    }
}

static void count_channels(const struct check *check)
{
    struct actor *actor = check->actor;
    const shmbus_channel_options options = actor_channel_options(actor->scenario);
    unsigned count = 0;
    int err = 0;
    for (; count <= CHANNELS; count++) {
        char name[32];
        (void)snprintf(name, sizeof name, "other %u", count);
        err = shmbus_channel_create(actor->bus, name, &options);
        if (err != 0) {
            break;
        }
    }
    compare(check, "channels", count, CHANNELS - 1, err);
    for (unsigned i = 0; i < count; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "other %u", i);
        (void)actor_must(actor, shmbus_channel_remove(actor->bus, name), "shmbus_channel_remove");
    }
}

void check_entries(struct check *check)
{
    struct actor *actor = check->actor;
    check_close(check);
    count_publishers(check);
    if (!scenario_has(actor->scenario, PASSING)) {
        (void)actor_must(actor, shmbus_group_remove(actor->bus, CHANNEL, GROUP), "shmbus_group_remove");
    }
    const shmbus_subscriber_options own = {.group = NULL};
    count_subscribers(check, "groups", &own, GROUPS);
    const shmbus_subscriber_options shared = {.group = "crowd", .shared = 1};
    count_subscribers(check, "members", &shared, MEMBERS);
    count_participants(check);
    count_channels(check);
}
