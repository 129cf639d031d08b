/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All workers of an `exec`, from the first message to the last: one loop, which sleeps in one poll() for the bus, the
 * pipes and the processes.
 *
 * concurrency   one thread
 * killed        the workers end; what they were given and have not answered goes to others
 */
#ifndef SHMBUS_TOOLS_EXEC_POOL_H
#define SHMBUS_TOOLS_EXEC_POOL_H

#include "exec.h"

/* Runs to the end. `window` and `group` are set. Returns the exit code. */
int pool_run(const struct exec_options *options);

#endif
