/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a seed makes: a channel, groups, processes that publish, subscribe and recover, and which of them are killed
 * or stopped where. Then the end: a process that was not there before must find everything usable.
 *
 * concurrency   one thread
 * killed        that is what it is for
 */
#ifndef SHMBUS_TESTS_SIM_WORLD_H
#define SHMBUS_TESTS_SIM_WORLD_H

#include "adapter.h"
#include "machine.h"

#define WORLD_GROUPS 3u
#define WORLD_SIZE_MAX 1000u
#define WORLD_CHANNEL "c"

struct world_group {
    const char *name; /* NULL: each member has its own */
    bool shared;
    bool durable;
};

/* What a process is there for. */
struct world_role {
    bool publishes;
    bool recovers;
    bool removes;  /* groups */
    bool observes; /* messages, in passing */
    const struct world_group *group;
    uint32_t lives; /* how often it opens the bus, one after the other */
    uint32_t messages;
    int64_t delay; /* ns before it starts */
};

/* What became of a schedule. */
struct world_result {
    uint64_t steps;
    uint64_t deliveries;
    uint64_t redeliveries;
    uint32_t kills;
    uint32_t stops;
};

/* Runs the schedule of this seed. What must not be ends the process: machine_violation(). */
void world_run(uint64_t seed, bool trace, struct world_result *result);

/* Memory is as weak as C11 allows (weak.h), in every schedule from here on. */
void world_weaken(void);

/* ------------------------------------------------------------------------------------------------ */
/* For the parts of the world                                                                         */
/* ------------------------------------------------------------------------------------------------ */

/* One process's view of it. */
struct actor {
    struct machine_process *process;
    struct world_role role;
    struct random random;
    shmbus_bus *bus;
    bool present;    /* it has not ended yet */
    bool has_member; /* and then: */
    uint32_t member; /* the oracle's number */
    shmbus_subscriber *subscriber;
    bool waits; /* inside a call that waits for a message */
};

struct world {
    struct random random;
    shmbus_channel_options options;
    struct world_group groups[WORLD_GROUPS];
    struct actor actors[MACHINE_PROCESSES];
    uint32_t publishing; /* publishing processes that have not ended */
    bool overwrite;
    bool removes; /* somebody removes groups: what they had not read is lost */
    bool churn;   /* members of one shared group come, die and go */
    bool busy;    /* many messages, and nobody sleeps for long: the ways of who is in a hurry */
};

extern struct world world;

/* Opens the bus, and the channel's options, as every process of the world does. */
void world_open(struct actor *actor);
void world_close(struct actor *actor);

/* Sleeps. */
void world_sleep(int64_t ns);

/* A message size: mostly small, at times in the arena. */
size_t world_size(struct random *random);

/* `messages` messages, in any way there is; fewer when there is no room. */
void world_publish(struct actor *actor, uint32_t messages);

/* One message each, in the usual way: how many could be sent at once, up to `most`. */
uint32_t world_publish_at_once(struct actor *actor, uint32_t most, size_t size);

/* Looks at messages in passing, `glances` times or until there are no more publishers. */
void world_observe(struct actor *actor, uint32_t glances);

/* Joins the role's group and reads, until there are no more publishers, or until it has enough. */
void world_subscribe(struct actor *actor, uint32_t messages);

/* Joins the group and reads what is there. */
void world_drain(struct actor *actor, const struct world_group *group);

/* The last process: recovers, reads the rest, uses all the room, and looks whether anything is left. */
void world_end(struct actor *actor);

#endif
