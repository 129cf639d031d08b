/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process of a trial: its handles, and what it does with them. Whatever fails that must not ends the process
 * with a text.
 *
 * concurrency   each process has its own; the story is shared
 * killed        that is the purpose
 */
#ifndef SHMBUS_TESTS_CRASH_STEP_ACTOR_H
#define SHMBUS_TESTS_CRASH_STEP_ACTOR_H

#include "../../stress/message.h"
#include "scenario.h"
#include "story.h"

#include <shmbus/inspect.h>

#define BATCH 3u /* messages of a batch */

/* Who a message is from: the story's are numbered there, those of the later checks count up. */
#define FROM_STORY 0u
#define FROM_CHECK 1u

#define PATIENCE_NS INT64_C(5000000000)

struct actor {
    const struct scenario *scenario;
    struct story *story;
    const char *name; /* of the bus */
    shmbus_bus *bus;
    shmbus_publisher *publisher;
    shmbus_subscriber *subscriber;
    shmbus_claim_t claim;
    /* Prepared, so that the operation need not be stepped through filling them. */
    unsigned char ready[BATCH][LARGE_SIZE];
    unsigned first_ready; /* message number of ready[0] */
    size_t ready_size;
};

/* Ends the process when `result` is negative: `what` failed. */
int64_t actor_must(const struct actor *actor, int64_t result, const char *what);

shmbus_channel_options actor_channel_options(const struct scenario *scenario);
shmbus_subscriber_options actor_group_options(const struct scenario *scenario);

/* Open what is not open yet; a bus and a channel that are missing are created. */
void actor_attach(struct actor *actor);
void actor_publish(struct actor *actor);
void actor_join(struct actor *actor);

/* Sends `count` new messages of the story; they must find room. */
void actor_send_story(struct actor *actor, unsigned count, size_t size);

/* Fills `ready` with the next message numbers of the story. */
void actor_make_ready(struct actor *actor, size_t size);

/* The first message that the group has not been shown, as the facts tell. */
unsigned actor_next(const struct actor *actor);

/* Reads and gives back `count` messages of the story, which must be there. */
void actor_drain(struct actor *actor, unsigned count);

/* Peeks the next message of the story and keeps it. */
void actor_hold(struct actor *actor);

#endif
