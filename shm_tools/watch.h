/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bus that is looked at for long: it may be removed, made anew, or damaged in the meantime.
 *
 * concurrency   one thread
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_WATCH_H
#define SHMBUS_TOOLS_WATCH_H

#include "looking.h"
#include "rates.h"

struct watch {
    const struct looking *looking;
    const char *only; /* channel, or NULL for all */
    shmbus_view *view;
    uint64_t created_ns;          /* of the bus that `view` shows */
    struct snapshot snapshots[2]; /* the last two looks */
    int latest;
    int valid; /* the latest is a look, and not only a place for one */
    struct rates rates;
};

/* Starts watching: nothing is opened yet. The first of all, for it keeps a segment's truncation from killing us. */
void watch_begin(struct watch *watch, const struct looking *looking, const char *only);
void watch_end(struct watch *watch);

/*
 * Looks, and computes the rates since the look before, if that was at the same bus. 0, or a negative errno that
 * shmbus_strerror() explains: then there is no latest look, and the next call tries again.
 */
int watch_look(struct watch *watch);

static inline const struct snapshot *watch_latest(const struct watch *watch)
{
    return &watch->snapshots[watch->latest];
}

#endif
