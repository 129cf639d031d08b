/* SPDX-License-Identifier: Apache-2.0 */
#include "field.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define MOST 256u
#define SECONDS 60 /* far more than it takes */

static struct ledger *ledger;

static void expect(const char *what, const char *channel, int64_t result, int64_t expected)
{
    if (result != expected) {
        ledger_fail(ledger, "after the storm %s of \"%s\" gave %lld, not %lld: %s", what, channel,
                    (long long)result, (long long)expected, result < 0 ? shmbus_strerror((int)result) : "");
        _exit(1);
    }
}

/* All publishers' entries, and not one more. */
static void check_publishers(shmbus_bus *bus, const char *channel, uint32_t most, bool single)
{
    shmbus_publisher *publishers[MOST];
    shmbus_publisher *none = NULL;
    for (uint32_t i = 0; i < most; i++) {
        expect("opening each publisher", channel, shmbus_publisher_open(bus, channel, NULL, &publishers[i]),
               0);
    }
    expect("opening one publisher too many", channel, shmbus_publisher_open(bus, channel, NULL, &none),
           single ? -EBUSY : -EUSERS);
    for (uint32_t i = 0; i < most; i++) {
        expect("closing a publisher", channel, shmbus_publisher_close(publishers[i]), 0);
    }
}

/* `most` subscribers, of one shared group or of one each, and not one more. */
static void check_subscribers(shmbus_bus *bus, const char *channel, uint32_t most, bool shared)
{
    const shmbus_subscriber_options options = {.group = shared ? "all" : NULL, .shared = shared};
    shmbus_subscriber *subscribers[MOST];
    shmbus_subscriber *none = NULL;
    for (uint32_t i = 0; i < most; i++) {
        expect(shared ? "opening each member" : "opening each group", channel,
               shmbus_subscriber_open(bus, channel, &options, &subscribers[i]), 0);
    }
    expect("opening one subscriber too many", channel, shmbus_subscriber_open(bus, channel, &options, &none),
           -EUSERS);
    for (uint32_t i = 0; i < most; i++) {
        expect("closing a subscriber", channel, shmbus_subscriber_close(subscribers[i]), 0);
    }
}

static void remove_durable(shmbus_bus *bus, const struct crew *crew)
{
    const char *channel = crew->places[0].worker.channel;
    for (unsigned g = 0; g < PLAN_GROUPS; g++) {
        if (crew->plan->groups[g].kind == GROUP_DURABLE) {
            char group[16];
            (void)snprintf(group, sizeof group, "group-%u", g);
            expect("removing a durable group", channel, shmbus_group_remove(bus, channel, group), 0);
        }
    }
}

static void check_channel(shmbus_bus *bus, const struct crew *crew)
{
    const char *channel = crew->places[0].worker.channel;
    const shmbus_channel_options limits = field_limits(crew->plan);
    remove_durable(bus, crew);
    check_publishers(bus, channel, limits.publishers, crew->plan->producers == SHMBUS_SINGLE);
    check_subscribers(bus, channel, limits.groups, false);
    check_subscribers(bus, channel, limits.members, true);
    expect("removing it", channel, shmbus_channel_remove(bus, channel), 0);
}

static void check_channels(shmbus_bus *bus, uint32_t most)
{
    const shmbus_channel_options small = {.slots = 1, .arena = 4096};
    char name[32];
    for (uint32_t i = 0; i < FIELD_CHURNED; i++) {
        (void)snprintf(name, sizeof name, "churned-%u", i);
        (void)shmbus_channel_remove(bus, name);
    }
    for (uint32_t i = 0; i <= most; i++) {
        (void)snprintf(name, sizeof name, "after-%u", i);
        expect("creating each channel", name, shmbus_channel_create(bus, name, &small),
               i < most ? 0 : -EUSERS);
    }
}

/* This process has one attachment already. */
static void check_participants(const char *bus_name, uint32_t most)
{
    const shmbus_bus_options options = {.open = SHMBUS_OPEN_EXISTING};
    for (uint32_t i = 1; i <= most; i++) {
        shmbus_bus *bus = NULL;
        expect("attaching as often as there are entries", bus_name, shmbus_open(bus_name, &options, &bus),
               i < most ? 0 : -EUSERS);
    }
}

void leaks_check(const struct field *field)
{
    const shmbus_bus_options options = {.open = SHMBUS_OPEN_EXISTING, .participant_name = "leaks"};
    const shmbus_bus_options limits = field_bus_limits(field);
    shmbus_bus *bus = NULL;
    ledger = field->crews[0]->ledger;
    (void)alarm(SECONDS);
    expect("attaching", field->bus_name, shmbus_open(field->bus_name, &options, &bus), 0);
    const int repairs = shmbus_recover(bus);
    expect("repairing", field->bus_name, repairs < 0 ? repairs : 0, 0);
    expect("repairing again", field->bus_name, shmbus_recover(bus), 0);
    for (unsigned i = 0; i < field->count; i++) {
        check_channel(bus, field->crews[i]);
    }
    check_channels(bus, limits.channels);
    check_participants(field->bus_name, limits.participants);
    _exit(0);
}
