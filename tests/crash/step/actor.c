/* SPDX-License-Identifier: Apache-2.0 */
#include "actor.h"

int64_t actor_must(const struct actor *actor, int64_t result, const char *what)
{
    if (result < 0) {
        story_fail(actor->story, "%s: %d: %s", what, (int)result, shmbus_strerror((int)result));
    }
    return result;
}

shmbus_channel_options actor_channel_options(const struct scenario *scenario)
{
    const bool multi = scenario_has(scenario, MULTI);
    return (shmbus_channel_options){
        .producers = multi ? SHMBUS_MULTI : SHMBUS_SINGLE,
        .overflow = scenario_has(scenario, OVERWRITE) ? SHMBUS_OVERWRITE : SHMBUS_BLOCK,
        .slots = scenario_slots(scenario),
        .slot_size = 64,
        .arena = scenario_arena(scenario),
        .largest = LARGEST,
        .publishers = multi ? PUBLISHERS : 1,
        .groups = GROUPS,
        .members = MEMBERS,
        .first_sequence = scenario_has(scenario, WRAPS) ? (UINT64_C(1) << 32) - 2 : 0,
    };
}

shmbus_subscriber_options actor_group_options(const struct scenario *scenario)
{
    return (shmbus_subscriber_options){
        .group = GROUP,
        .shared = scenario_has(scenario, SHARED),
        .durable = !scenario_has(scenario, PASSING),
        .from = SHMBUS_FROM_OLDEST,
        .wait = SHMBUS_WAIT_BLOCK,
    };
}

void actor_attach(struct actor *actor)
{
    if (!actor->bus) {
        const shmbus_bus_options options = {
            .participants = PARTICIPANTS, .channels = CHANNELS, .participant_name = "step"};
        (void)actor_must(actor, shmbus_open(actor->name, &options, &actor->bus), "shmbus_open");
    }
}

void actor_publish(struct actor *actor)
{
    if (!actor->publisher) {
        const shmbus_channel_options channel = actor_channel_options(actor->scenario);
        const shmbus_publisher_options options = {.channel = &channel, .wait = SHMBUS_WAIT_BLOCK};
        (void)actor_must(actor, shmbus_publisher_open(actor->bus, CHANNEL, &options, &actor->publisher),
                         "shmbus_publisher_open");
    }
}

void actor_join(struct actor *actor)
{
    if (!actor->subscriber) {
        const shmbus_channel_options channel = actor_channel_options(actor->scenario);
        shmbus_subscriber_options options = actor_group_options(actor->scenario);
        options.channel = &channel;
        (void)actor_must(actor, shmbus_subscriber_open(actor->bus, CHANNEL, &options, &actor->subscriber),
                         "shmbus_subscriber_open");
    }
}

static void fill(unsigned char *to, size_t size, unsigned number)
{
    (void)message_fill(to, size, 0, (struct message_id){.publisher = FROM_STORY, .number = number});
}

void actor_send_story(struct actor *actor, unsigned count, size_t size)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned char bytes[LARGE_SIZE];
        const unsigned number = actor->story->facts.told++;
        fill(bytes, size, number);
        actor->story->facts.sent[number] = SENT_TRIED;
        (void)actor_must(actor, shmbus_send(actor->publisher, bytes, size, SHMBUS_NOWAIT), "shmbus_send");
        actor->story->facts.sent[number] = SENT_COMMITTED;
    }
}

void actor_make_ready(struct actor *actor, size_t size)
{
    actor->first_ready = actor->story->facts.told;
    actor->story->facts.told += BATCH;
    actor->ready_size = size;
    for (unsigned i = 0; i < BATCH; i++) {
        fill(actor->ready[i], size, actor->first_ready + i);
    }
}

unsigned actor_next(const struct actor *actor)
{
    unsigned number = 0;
    while (number < STORY_MESSAGES - 1 && actor->story->facts.taken[number] != TAKEN_NOT &&
           actor->story->facts.taken[number] != TAKEN_ORPHAN) {
        number++;
    }
    return number;
}

void actor_hold(struct actor *actor)
{
    shmbus_message message;
    const unsigned number = actor_next(actor);
    (void)actor_must(actor, shmbus_peek(actor->subscriber, &message, SHMBUS_NOWAIT), "shmbus_peek");
    actor->story->facts.taken[number] = TAKEN_SHOWN;
}

void actor_drain(struct actor *actor, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const unsigned number = actor_next(actor);
        actor_hold(actor);
        (void)actor_must(actor, shmbus_release(actor->subscriber), "shmbus_release");
        actor->story->facts.taken[number] = TAKEN_GIVEN;
    }
}
