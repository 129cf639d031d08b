/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGINT and SIGTERM ask a running command to end; a second one kills it at once.
 *
 * After the first, SIGALRM comes every second, so that a read() or write() that the signal just missed
 * is interrupted too. Waits on the bus are cut into steps of WAIT_STEP and look at signals_stop() between.
 *
 * concurrency   one thread; the handlers only set a flag
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_SIGNALS_H
#define SHMBUS_TOOLS_SIGNALS_H

#include <stdint.h>

/* Longest wait, in nanoseconds, before a command looks for signals again. */
#define WAIT_STEP INT64_C(200000000)

void signals_install(void);

/* The signal that asked for the end, or 0. */
int signals_stop(void);

/* Sleeps `milliseconds`, or until a signal: for polling what cannot be waited for. */
void signals_nap(unsigned milliseconds);

/* Sleeps until `deadline`, CLOCK_MONOTONIC nanoseconds. The signal that asked for the end, or 0. */
int signals_nap_until(int64_t deadline);

#endif
