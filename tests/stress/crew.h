/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A channel and the processes that work on it: started, started again when they were killed, watched, buried.
 *
 *   call              who                  may overlap with
 *   crew_bury         a signal handler     everything: kills the workers
 *   others            the parent           its own workers
 *
 * killed        workers die with their parent. A crew lies in memory that they share with it, so that it sees
 *               what each of them is at.
 */
#ifndef SHMBUS_TESTS_STRESS_CREW_H
#define SHMBUS_TESTS_STRESS_CREW_H

#include "worker.h"

#include <shmbus/inspect.h>
#include <sys/types.h>

#define CREW_PLACES (PLAN_PUBLISHERS + PLAN_GROUPS * 8)

struct place {
    struct worker worker;
    volatile pid_t pid; /* 0: nobody */
    void (*work)(struct worker *worker);
    bool paused;
};

struct crew {
    const struct plan *plan;
    struct ledger *ledger;
    shmbus_view *view;
    uint64_t kills;
    uint64_t progress;   /* as last seen */
    int64_t progress_at; /* when it was */
    uint64_t longest_stall;
    unsigned count;
    struct place places[CREW_PLACES];
};

/* A crew of nobody yet, for a channel of a bus; the caller gives it its view. NULL when there is no memory. */
struct crew *crew_open(const struct plan *plan, struct ledger *ledger, const char *bus, const char *channel);
void crew_close(struct crew *crew);

/* One more that counts as a reader: it says that it is ready, works until the ledger's `stop`, and says so. */
struct place *crew_add(struct crew *crew, const char *name, void (*work)(struct worker *worker));

/* Creates the channel; for a process of its own, as the parent that forks has no threads. 0 or an error. */
int crew_make_channel(const struct crew *crew, shmbus_bus *bus, const shmbus_channel_options *limits);

void crew_start(struct crew *crew);

/* Looks for workers that have ended. Those that were killed are started again; other bad ends are failures. */
void crew_reap(struct crew *crew);

bool crew_failed(const struct crew *crew);
bool crew_anybody_left(const struct crew *crew);

/* Notes what has moved, and fails when nothing has for too long. */
void crew_watch(struct crew *crew);

/* It has nothing to do for now. */
void crew_rest(struct crew *crew);

/* Everything that has moved so far. */
uint64_t crew_progress(const struct crew *crew);

void crew_pause(struct place *place);
void crew_resume(struct crew *crew);

unsigned crew_readers(const struct crew *crew);

/* The channel as the bus shows it; false, and the round has failed, when it is not there. */
bool crew_channel(const struct crew *crew, shmbus_channel_info *info);

/* What the groups that see everything have not given back. */
uint64_t crew_pending(const struct crew *crew);

/* Everybody ends, now. */
void crew_end(struct crew *crew);
void crew_bury(const struct crew *crew);

#endif
