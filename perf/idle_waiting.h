/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it costs to wait for messages that do not come: context switches and CPU time.
 *
 * concurrency   one thread
 * killed        the measured processes are killed with their parent; a bus of that moment stays
 */
#ifndef SHMBUS_PERF_IDLE_WAITING_H
#define SHMBUS_PERF_IDLE_WAITING_H

#include <stdbool.h>

#define IDLE_RECEIVERS 50u
#define IDLE_SOURCES 100u /* of the large waitset */

/* Of the processes that wait one way. NAN where it could not be measured. */
struct idle_rates {
    double switches; /* of context per second: the process that had most */
    double cpu;      /* time of all per time, a share of one CPU */
};

struct idle_waiting {
    double seconds;
    struct idle_rates naps;        /* floor: IDLE_RECEIVERS processes that sleep 250 ms again and again */
    struct idle_rates receivers;   /* as many in shmbus_recv() */
    struct idle_rates waitset_one; /* a process with a waitset of one source */
    struct idle_rates waitset_all; /* one with a waitset of IDLE_SOURCES */
};

/* `name`: of a bus that does not exist yet; it is removed again. False when it was interrupted. */
bool idle_waiting_measure(const char *name, double seconds, struct idle_waiting *cost);

/* Could all of it be measured? */
bool idle_waiting_known(const struct idle_waiting *cost);

#endif
