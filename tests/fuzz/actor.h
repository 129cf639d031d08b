/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attachment that does what its bytes say: opens what it lacks, uses it, closes it. Every answer is checked.
 *
 * concurrency   an actor is used by one thread; any number of actors on a bus
 * killed        as any process that uses the bus
 */
#ifndef SHMBUS_TESTS_FUZZ_ACTOR_H
#define SHMBUS_TESTS_FUZZ_ACTOR_H

#include "bytes.h"

#include <shmbus/inspect.h>

#define ACTOR_PUBLISHERS 2
#define ACTOR_SUBSCRIBERS 3
#define ACTOR_CLAIMS 4

struct actor_publisher {
    shmbus_publisher *handle;
    shmbus_claim_t claims[ACTOR_CLAIMS];
    unsigned claimed; /* of `claims`, open */
};

struct actor {
    const char *bus_name;
    struct bytes *bytes;
    bool large;        /* sends what lies in the arena only */
    const char *doing; /* the operation it is in */
    shmbus_bus *bus;
    shmbus_waitset *set;
    shmbus_view *view;
    struct actor_publisher publishers[ACTOR_PUBLISHERS];
    shmbus_subscriber *subscribers[ACTOR_SUBSCRIBERS];
};

/* Kinds of operations: a set of them is a role. */
enum actor_kind {
    ACTOR_SENDS = 1,
    ACTOR_RECEIVES = 2,
    ACTOR_JOINS = 4,
    ACTOR_CHANNELS = 8,
    ACTOR_RECOVERS = 16,
    ACTOR_INSPECTS = 32,
    ACTOR_WAITS = 64,
    ACTOR_EVERYTHING = 127,
};

void actor_begin(struct actor *actor, const char *bus_name, struct bytes *bytes);

/* Does one operation of those kinds. */
void actor_act(struct actor *actor, unsigned kinds);

/* Closes everything it has open. */
void actor_end(struct actor *actor);

#endif
