/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a round of the stress test does. A scenario is a row of a table; what it leaves open (0) the seed of
 * the round decides. Pure values: no concurrency, nothing to kill.
 */
#ifndef SHMBUS_TESTS_STRESS_PLAN_H
#define SHMBUS_TESTS_STRESS_PLAN_H

#include <shmbus/shmbus.h>

#include <stdbool.h>
#include <stdint.h>

#define PLAN_GROUPS 5u
#define PLAN_PUBLISHERS 16u
#define PLAN_NAME_SIZE 32

/* What publishers do: a set of bits. */
#define SEND_ONE 1u
#define SEND_BATCH 2u
#define SEND_CLAIM 4u
#define SEND_CLAIM_BATCH 8u
#define SEND_ABORTS 16u /* with the claims: some are given up */
#define SEND_ALL 31u

/* What subscribers call: a set of bits. */
#define RECEIVE_RECV 1u
#define RECEIVE_NEXT 2u
#define RECEIVE_PEEK 4u
#define RECEIVE_POLL 8u
#define RECEIVE_ALL 15u
/* These say that a message was read before it is given back: what a killed reader had not said is not lost. */
#define RECEIVE_KILLABLE (RECEIVE_NEXT | RECEIVE_PEEK | RECEIVE_POLL)

enum plan_kind {
    GROUP_NONE = 0,
    GROUP_EXCLUSIVE, /* a named group; its one member stays */
    GROUP_JOINER,    /* each member joins a group of its own, reads some messages, leaves, joins again */
    GROUP_DURABLE,   /* its members take turns: each enters, reads some, leaves */
    GROUP_SHARED,    /* a work queue; its members stay */
    GROUP_CHANGING,  /* a work queue; all members but the first come and go */
};

struct plan_group {
    enum plan_kind kind;
    uint32_t members;
    enum shmbus_from from; /* where joiners start */
    uint32_t stint;        /* messages between joining and leaving, on average */
};

struct plan {
    const char *name;
    const char *about;
    enum shmbus_producers producers;
    enum shmbus_overflow overflow;
    uint32_t slots;     /* 0: the seed decides */
    uint32_t slot_size; /* 0: the seed decides */
    uint32_t arena;     /* bytes; 0: the seed decides */
    uint32_t largest;   /* largest message; 0: the seed decides */
    uint64_t first;     /* first sequence; 0: just below 2^32, or 0, or just below 2^33 */
    uint32_t publishers;
    uint32_t publisher_stint; /* messages between opening and closing, on average; 0: they stay */
    uint32_t sends;           /* SEND_* */
    uint32_t receives;        /* RECEIVE_* */
    int wait;                 /* enum shmbus_wait; -1: each worker its own */
    uint32_t messages;        /* of each publisher; 0: what the number of slots allows in about a second */
    bool waitsets;            /* they wait through sets now and then */
    bool kill_publishers;
    uint32_t survivors; /* publishers that are not killed: the first ones */
    bool kill_subscribers;
    uint32_t death_points; /* at one of so many points a mortal one ends itself; 0: often */
    bool pause;            /* stop a worker for a while instead of killing it, half the time */
    bool any;              /* the seed decides everything above */
    struct plan_group groups[PLAN_GROUPS];
};

/* The table. */
extern const struct plan plans[];
extern const unsigned plan_count;

/* Decides what `scenario` leaves open. `messages` is the user's wish, 0: none. */
void plan_make(struct plan *plan, const struct plan *scenario, uint64_t seed, uint32_t messages);

/* One line that tells the round apart. */
void plan_describe(const struct plan *plan, char *text, unsigned size);

static inline bool plan_kills(const struct plan *plan)
{
    return plan->kill_publishers || plan->kill_subscribers;
}

/* Does the group see every message of the round? */
static inline bool plan_sees_all(const struct plan_group *group)
{
    return group->kind != GROUP_NONE && group->kind != GROUP_JOINER;
}

static inline bool plan_is_shared(const struct plan_group *group)
{
    return group->kind == GROUP_SHARED || group->kind == GROUP_CHANGING;
}

/* Does this member leave and come back? */
static inline bool plan_leaves(const struct plan_group *group, uint32_t member)
{
    return group->kind == GROUP_JOINER || group->kind == GROUP_DURABLE ||
           (group->kind == GROUP_CHANGING && member > 0);
}

#endif
