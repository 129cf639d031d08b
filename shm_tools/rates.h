/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happened on a bus between two looks at it, from the difference of its counters.
 *
 * Entries come, go, and are used again for somebody else in between. What was not there before is counted from 0: all
 * it did, it did since. What has gone took its counters with it; a channel's messages are counted all the same, by
 * their sequence, and a group's by its totals.
 *
 * concurrency   one thread
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_RATES_H
#define SHMBUS_TOOLS_RATES_H

#include "snapshot.h"

/* Counts of the interval; rate_of() makes them rates. */
struct flow {
    uint64_t messages; /* published, or delivered */
    uint64_t bytes;    /* by publishers that are still there, or delivered */
    uint64_t missed;
    uint64_t blocked;
};

struct channel_rates {
    struct flow flow;
    uint64_t lag;    /* of the group furthest behind, messages */
    uint64_t missed; /* by its groups, since they joined */
    shmbus_latency latency;
};

struct member_rates {
    struct flow flow;
    shmbus_latency latency;
};

/* What one participant's publishers sent and its members got. */
struct participant_rates {
    struct flow sent;
    struct flow got;
    uint32_t publishers;
    uint32_t members;
    uint64_t held;
};

/* Item i of a list belongs to item i of the same list of the later snapshot. All 0 is an empty one. */
struct rates {
    double seconds; /* 0: there was no look before, all flows are 0 */
    struct flow total;
    struct vector channels;     /* struct channel_rates */
    struct vector publishers;   /* struct flow */
    struct vector groups;       /* struct flow */
    struct vector members;      /* struct member_rates */
    struct vector participants; /* struct participant_rates */
};

/* `before` is NULL, or an earlier look at the same bus. */
void rates_compute(struct rates *rates, const struct snapshot *before, const struct snapshot *after);

void rates_free(struct rates *rates);

/* Per second; 0 when there was no look before. */
double rate_of(const struct rates *rates, uint64_t count);

/* What was sampled between two states of one histogram. `before` is NULL for all of it. */
void latency_between(const shmbus_latency *before, const shmbus_latency *after, shmbus_latency *between);

/* Adds the samples of `more`. */
void latency_add(shmbus_latency *sum, const shmbus_latency *more);

static inline const struct channel_rates *rates_channel(const struct rates *rates, size_t i)
{
    return (const struct channel_rates *)rates->channels.items + i;
}

static inline const struct flow *rates_publisher(const struct rates *rates, size_t i)
{
    return (const struct flow *)rates->publishers.items + i;
}

static inline const struct flow *rates_group(const struct rates *rates, size_t i)
{
    return (const struct flow *)rates->groups.items + i;
}

static inline const struct member_rates *rates_member(const struct rates *rates, size_t i)
{
    return (const struct member_rates *)rates->members.items + i;
}

static inline const struct participant_rates *rates_participant(const struct rates *rates, size_t i)
{
    return (const struct participant_rates *)rates->participants.items + i;
}

#endif
