/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A round of the storm: one bus with a crew on each of several channels, and others that create and remove
 * channels beside them.
 *
 *   call           who                  may overlap with
 *   field_run      the parent           its own workers
 *   field_bury     a signal handler     everything: kills the workers, removes the bus
 *   others         the parent           its own workers
 *
 * killed        workers die with their parent; the bus's name stays
 */
#ifndef SHMBUS_TESTS_CRASH_STORM_FIELD_H
#define SHMBUS_TESTS_CRASH_STORM_FIELD_H

#include "crew.h"
#include "stalls.h"

#define FIELD_CHANNELS 8u
#define FIELD_MESSAGES 1000000u /* of each publisher: more than a round has time for */
#define FIELD_CHURNERS 3u
#define FIELD_CHURNED 4u /* names of channels that come and go */

struct field_plan {
    struct plan plan;
    bool measured; /* only the dead can hold its survivors up: their stalls count */
};

extern const struct field_plan field_plans[FIELD_CHANNELS];

enum field_kind {
    FIELD_KILLS, /* all channels; some are killed */
    FIELD_CALM,  /* one channel, so that the machine has time for it: how long does a kill hold up others? */
    FIELD_STOPS, /* all channels; some are killed, some stopped for a while */
    FIELD_KINDS
};

struct field {
    enum field_kind kind;
    unsigned count; /* channels */
    bool measured[FIELD_CHANNELS];
    struct crew *crews[FIELD_CHANNELS];
    struct plan plans[FIELD_CHANNELS];
    struct stalls *stalls; /* of each crew */
    struct stalls_histogram *histograms;
    struct random random;
    int64_t strike_at;
    int64_t sham_until;                 /* before that nobody is hit */
    bool (*awaited)(struct crew *crew); /* what every crew is to reach; NULL: it is to go on */
    char bus_name[BUS_NAME_SIZE];
};

/* Sums over rounds. */
struct field_totals {
    uint64_t messages;
    uint64_t seen;
    uint64_t marked;
    uint64_t missed;
    uint64_t joins;
    uint64_t excused; /* readers killed in shmbus_recv() */
    uint64_t kills;
    uint64_t stops;
    uint64_t rounds;
    uint64_t longest[FIELD_KINDS]; /* ns that a channel stood still */
};

/* 0, or 1 after printing what is wrong. `histograms`: STALLS_KINDS of them, shared with the workers. */
int field_run(uint64_t seed, unsigned seconds, enum field_kind kind, struct stalls_histogram *histograms,
              struct field_totals *totals);

void field_bury(void);

/* Kills or stops somebody, when it is time for it. */
void strike_maybe(struct field *field, struct field_totals *totals);

/* A worker that creates, uses and removes channels. */
void churn_work(struct worker *worker);

/* A worker that inspects the bus all the time. */
void onlooker_work(struct worker *worker);

/* Shape of a crew's channel: no entry more than it needs, so that one that is lost shows. */
shmbus_channel_options field_limits(const struct plan *plan);

/* Most attachments and channels at once. */
shmbus_bus_options field_bus_limits(const struct field *field);

/* In a process of its own, when all are gone: is everything usable again? Ends it with 0, or fails the round. */
void leaks_check(const struct field *field) __attribute__((noreturn));

#endif
