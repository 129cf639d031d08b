/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of an actor, for its table. Each takes what it needs from the actor's bytes.
 *
 * concurrency   as the actor's
 * killed        as the actor's
 */
#ifndef SHMBUS_TESTS_FUZZ_ACTOR_ACTS_H
#define SHMBUS_TESTS_FUZZ_ACTOR_ACTS_H

#include "actor.h"

/* Checks the answer of the call that the actor is in. */
int64_t actor_check(const struct actor *actor, int64_t result);

/* At once, or after some microseconds. */
int64_t actor_deadline(struct actor *actor);

/* The channel, or now and then one that is not there, or another. */
const char *actor_channel(struct actor *actor);

/* What to create the channel with if it is missing; now and then NULL. */
const shmbus_channel_options *actor_shape(struct actor *actor);

void act_send(struct actor *actor);
void act_send_batch(struct actor *actor);
void act_claim(struct actor *actor);
void act_claim_batch(struct actor *actor);
void act_finish(struct actor *actor);
void act_finish_batch(struct actor *actor);
void act_publisher_stats(struct actor *actor);
void act_publisher_close(struct actor *actor);

void act_recv(struct actor *actor);
void act_peek(struct actor *actor);
void act_next(struct actor *actor);
void act_release(struct actor *actor);
void act_poll(struct actor *actor);
void act_subscriber_stats(struct actor *actor);

void act_join(struct actor *actor);
void act_leave(struct actor *actor);
void act_remove_group(struct actor *actor);

void act_wait(struct actor *actor);
void act_wait_for_message(struct actor *actor);
void act_wait_for_room(struct actor *actor);

void act_attach(struct actor *actor);
void act_create(struct actor *actor);
void act_remove(struct actor *actor);
void act_options(struct actor *actor);
void act_recover(struct actor *actor);
void act_look(struct actor *actor);

#endif
