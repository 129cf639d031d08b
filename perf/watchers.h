/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shmbus itself while people look at it: `shmbus top` at 2 Hz and `shmbus stat` twice a second, on the bus that is
 * measured. They run where the kernel puts them: with two CPUs, on those of the two roles.
 *
 * concurrency   `prepare` and `finish` in the parent
 * killed        the lookers end when their bus is gone, or are left to whoever started the bench
 */
#ifndef SHMBUS_PERF_WATCHERS_H
#define SHMBUS_PERF_WATCHERS_H

#include "perf/peer_bus.h"

/* Is the command there, in the build that this program belongs to? */
bool watchers_available(void);

/* bus_prepare() and bus_finish() with lookers between. */
int watchers_prepare(struct bench_run *run, int variant);
void watchers_finish(struct bench_run *run, int variant);

#endif
