/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is tried: each operation of the library from each state that it can start in. Tables only: no
 * concurrency, nothing to kill.
 *
 * The cast: the *survivor* makes the bus and stays attached; the *victim* dies in the operation; a *corpse* has
 * died before; a *sleeper* waits for what the victim does. All of them use channel CHANNEL and its group GROUP.
 */
#ifndef SHMBUS_TESTS_CRASH_STEP_SCENARIO_H
#define SHMBUS_TESTS_CRASH_STEP_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>

#define CHANNEL "channel"
#define GROUP "group"

#define PARTICIPANTS 4u
#define CHANNELS 2u
#define PUBLISHERS 3u /* multi */
#define GROUPS 3u
#define MEMBERS 4u
#define SLOTS 8u
#define SLOTS_TINY 2u
#define SLOTS_ROOMY 64u
#define ARENA 4096u
#define ARENA_ROOMY 65536u
#define LARGEST 2048u
#define SMALL_SIZE 24u
#define LARGE_SIZE 1200u /* three of these fit the arena, and leave 7 lines at its end */
#define MEDIUM_SIZE 500u /* too large for those: it has to begin at the arena's start */

enum {
    /* the victim */
    VICTIM_SENDS = 1 << 0,  /* has a publisher */
    VICTIM_READS = 1 << 1,  /* is a member of the group */
    VICTIM_HOLDS = 1 << 2,  /* has peeked a message */
    VICTIM_CLAIMS = 1 << 3, /* has a claim open */
    VICTIM_APART = 1 << 4,  /* is not attached yet */
    /* the survivor */
    SURVIVOR_HOLDS = 1 << 5,  /* is a member too, and has peeked a message */
    SURVIVOR_SILENT = 1 << 6, /* has no publisher */
    /* the others */
    CORPSE_HOLDS = 1 << 7,  /* a dead member had peeked a message */
    CORPSE_CLAIMS = 1 << 8, /* a dead publisher has a claim open */
    CORPSE_JOINED = 1 << 9, /* a dead member had a group of its own */
    SLEEPING_READER = 1 << 10,
    SLEEPING_SENDER = 1 << 11,
    /* the channel */
    MULTI = 1 << 12,
    OVERWRITE = 1 << 13,
    WRAPS = 1 << 14, /* sequences are about to pass 2^32 */
    TINY = 1 << 15,  /* two slots */
    ROOMY = 1 << 16, /* many slots: what was found free at a look lasts for more than one message */
    /* the messages */
    LARGE_BEFORE = 1 << 17, /* those that are there lie in the arena */
    LARGE_NOW = 1 << 18,    /* those of the operation do */
    /* the group */
    SHARED = 1 << 19,
    UNREAD = 1 << 20,   /* nobody is its member */
    PASSING = 1 << 21,  /* it is not durable */
    NO_GROUP = 1 << 22, /* it is not there, nor is */
    NO_CHANNEL = 1 << 23,
    NO_BUS = 1 << 24,
    /* the operation */
    WIPES = 1 << 25,   /* may remove messages or the group */
    REMOVES = 1 << 26, /* may remove the channel */
    EVERY = 1 << 27,   /* kill at each instruction, also where nothing changes */
};

struct actor;

struct operation {
    const char *suite;
    const char *name;
    void (*operate)(struct actor *victim);
    uint32_t flags;
    unsigned count; /* messages that it is about */
    const struct state *states;
};

struct state {
    const char *name; /* NULL ends a list */
    uint32_t flags;
    unsigned sent;    /* messages before */
    unsigned drained; /* of these, those that the group has given back before the others are sent */
};

struct scenario {
    const struct operation *operation;
    const struct state *state;
    uint32_t flags; /* of both */
};

extern const struct operation operations[];
extern const unsigned operation_count;

static inline struct scenario scenario_make(const struct operation *operation, const struct state *state)
{
    return (struct scenario){operation, state, operation->flags | state->flags};
}

static inline bool scenario_has(const struct scenario *scenario, uint32_t flag)
{
    return (scenario->flags & flag) != 0;
}

static inline unsigned scenario_slots(const struct scenario *scenario)
{
    if (scenario_has(scenario, ROOMY)) {
        return SLOTS_ROOMY;
    }
    return scenario_has(scenario, TINY) ? SLOTS_TINY : SLOTS;
}

static inline unsigned scenario_arena(const struct scenario *scenario)
{
    return scenario_has(scenario, ROOMY) ? ARENA_ROOMY : ARENA;
}

#endif
