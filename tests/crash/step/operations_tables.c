/* SPDX-License-Identifier: Apache-2.0 */
/* Coming and going: what changes the tables of a channel or of the bus. */
#include "operations.h"

/* A group of its own beside the survivor's. */
static void join_own(struct actor *victim, enum shmbus_from from)
{
    const shmbus_subscriber_options options = {.from = from};
    (void)actor_must(victim, shmbus_subscriber_open(victim->bus, CHANNEL, &options, &victim->subscriber),
                     "shmbus_subscriber_open");
}

void do_join_now(struct actor *victim)
{
    join_own(victim, SHMBUS_FROM_NOW);
}

void do_join_oldest(struct actor *victim)
{
    join_own(victim, SHMBUS_FROM_OLDEST);
}

void do_join_group(struct actor *victim)
{
    const shmbus_subscriber_options options = actor_group_options(victim->scenario);
    (void)actor_must(victim, shmbus_subscriber_open(victim->bus, CHANNEL, &options, &victim->subscriber),
                     "shmbus_subscriber_open");
}

void do_leave(struct actor *victim)
{
    (void)actor_must(victim, shmbus_subscriber_close(victim->subscriber), "shmbus_subscriber_close");
}

void do_publisher_open(struct actor *victim)
{
    const shmbus_publisher_options options = {.wait = SHMBUS_WAIT_BLOCK};
    (void)actor_must(victim, shmbus_publisher_open(victim->bus, CHANNEL, &options, &victim->publisher),
                     "shmbus_publisher_open");
}

void do_publisher_close(struct actor *victim)
{
    (void)actor_must(victim, shmbus_publisher_close(victim->publisher), "shmbus_publisher_close");
}

void do_attach(struct actor *victim)
{
    actor_attach(victim);
}

void do_detach(struct actor *victim)
{
    (void)actor_must(victim, shmbus_close(victim->bus), "shmbus_close");
}

void do_bus_remove(struct actor *victim)
{
    (void)actor_must(victim, shmbus_remove(victim->name), "shmbus_remove");
}

void do_channel_create(struct actor *victim)
{
    const shmbus_channel_options options = actor_channel_options(victim->scenario);
    (void)actor_must(victim, shmbus_channel_create(victim->bus, CHANNEL, &options), "shmbus_channel_create");
}

void do_channel_remove(struct actor *victim)
{
    (void)actor_must(victim, shmbus_channel_remove(victim->bus, CHANNEL), "shmbus_channel_remove");
}

void do_group_remove(struct actor *victim)
{
    (void)actor_must(victim, shmbus_group_remove(victim->bus, CHANNEL, GROUP), "shmbus_group_remove");
}

void do_recover(struct actor *victim)
{
    (void)actor_must(victim, shmbus_recover(victim->bus), "shmbus_recover");
}
