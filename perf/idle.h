/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it costs to be attached and do nothing: memory of a process and of a bus.
 *
 * concurrency   one thread
 * killed        the measured processes end with the pipe to them
 */
#ifndef SHMBUS_PERF_IDLE_H
#define SHMBUS_PERF_IDLE_H

/* Bytes; -1 where it could not be measured. Proportional set sizes, as /proc/PID/smaps_rollup has them. */
struct idle_cost {
    double bare;       /* a process linked to libc only */
    double attached;   /* one attached to a default bus */
    double subscribed; /* and subscribed to its default channel */
    double bus;        /* resident bytes of the bus then: shared by all processes */
};

/* `name`: of a bus that does not exist yet; it is removed again. */
void idle_measure(const char *name, struct idle_cost *cost);

#endif
