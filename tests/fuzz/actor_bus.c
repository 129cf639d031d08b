/* SPDX-License-Identifier: Apache-2.0 */
#include "actor_acts.h"

#include "verdict.h"

#include <stdio.h>
#include <string.h>

void act_attach(struct actor *actor)
{
    const shmbus_bus_options options = {.open = SHMBUS_OPEN_EXISTING};
    if (!actor->bus) {
        (void)actor_check(actor, shmbus_open(actor->bus_name, &options, &actor->bus));
    } else if (bytes_below(actor->bytes, 4) == 0) {
        actor_end(actor);
    }
}

void act_create(struct actor *actor)
{
    const uint32_t shape = bytes_below(actor->bytes, 32);
    const shmbus_channel_options options = {.slots = 1u << (shape & 3),
                                            .arena = 4096u << (shape >> 4),
                                            .largest = 1500,
                                            .groups = 2,
                                            .members = 2,
                                            .publishers = 2};
    const shmbus_channel_options *asked = shape & 8 ? actor_shape(actor) : &options;
    (void)actor_check(actor, shmbus_channel_create(actor->bus, actor_channel(actor), asked));
}

void act_remove(struct actor *actor)
{
    const char *channel = bytes_below(actor->bytes, 16) ? "other" : actor_channel(actor);
    (void)actor_check(actor, shmbus_channel_remove(actor->bus, channel));
}

void act_options(struct actor *actor)
{
    shmbus_channel_options options;
    (void)actor_check(actor, shmbus_channel_options_of(actor->bus, actor_channel(actor), &options));
}

void act_recover(struct actor *actor)
{
    (void)actor_check(actor, shmbus_recover(actor->bus));
}

/* -------------------------------------------------------------------------------------------- views */

static void check_name(const char *name, size_t size)
{
    if (strnlen(name, size) == size) {
        fuzz_fail("a name without end");
    }
}

/* A few messages from anywhere on: each call ends, and tells of no more bytes than it was given room for. */
static void look_at_messages(struct actor *actor, const shmbus_channel_info *channel)
{
    unsigned char data[300];
    shmbus_sighting seen;
    uint64_t next = channel->oldest - 2;
    for (unsigned i = 0; i < 40; i++) {
        const uint64_t before = next;
        const size_t capacity = sizeof data - 7 * (i % 3);
        if (actor_check(
                actor, shmbus_view_message(actor->view, channel->index, &next, data, capacity, &seen)) != 1) {
            break;
        }
        if (next != seen.sequence + 1 || seen.missed != seen.sequence - before) {
            fuzz_fail("a sighting that does not follow the last one");
        }
    }
}

static void look_at_latency(struct actor *actor, uint32_t channel, uint32_t member)
{
    shmbus_latency latency;
    if (actor_check(actor, shmbus_view_latency(actor->view, channel, member, &latency)) == 0) {
        (void)shmbus_latency_quantile(&latency, 0.5);
        (void)shmbus_latency_quantile(&latency, 1);
    }
}

static int look_at_field(void *context, const shmbus_field *field)
{
    (void)context;
    if (field->text) {
        check_name(field->text, SHMBUS_NAME_MAX + 1);
    }
    return 0;
}

static void look_at_channel(struct actor *actor, uint32_t channel)
{
    shmbus_publisher_info publisher;
    shmbus_group_info group;
    shmbus_member_info member;
    uint32_t cursor = 0;
    while (actor_check(actor, shmbus_view_publisher(actor->view, channel, &cursor, &publisher)) == 1) {
    }
    for (cursor = 0; actor_check(actor, shmbus_view_group(actor->view, channel, &cursor, &group)) == 1;) {
        check_name(group.name, sizeof group.name);
    }
    for (cursor = 0; actor_check(actor, shmbus_view_member(actor->view, channel, &cursor, &member)) == 1;) {
        look_at_latency(actor, channel, member.index);
    }
}

static void look_at_bus(struct actor *actor)
{
    shmbus_bus_info bus;
    shmbus_participant_info participant;
    shmbus_channel_info channel;
    uint32_t cursor = 0;
    (void)actor_check(actor, shmbus_view_bus(actor->view, &bus));
    while (actor_check(actor, shmbus_view_participant(actor->view, &cursor, &participant)) == 1) {
        check_name(participant.name, sizeof participant.name);
    }
    cursor = 0;
    for (uint32_t before = 0; before != UINT32_MAX; before = cursor) {
        const int64_t found = actor_check(actor, shmbus_view_channel(actor->view, &cursor, &channel));
        if (found == 1) {
            check_name(channel.name, sizeof channel.name);
            look_at_channel(actor, channel.index);
            look_at_messages(actor, &channel);
        } else if (found == 0 || cursor == before) {
            break;
        }
    }
}

void act_look(struct actor *actor)
{
    if (actor->view && bytes_below(actor->bytes, 4) == 0) {
        shmbus_view_close(actor->view);
        actor->view = NULL;
    }
    if (!actor->view && actor_check(actor, shmbus_view_open(actor->bus_name, &actor->view)) == 0) {
        /* Once for each view: it takes as long as all the rest. */
        (void)actor_check(actor, shmbus_view_fields(actor->view, look_at_field, NULL));
    }
    if (actor->view) {
        look_at_bus(actor);
    }
}
