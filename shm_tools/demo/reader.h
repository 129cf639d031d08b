/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One reading process of the demo. It opens the bus by itself (a forked child has no attachment), joins its
 * group on both channels and takes its turn in each phase. It prints nothing: what went wrong is left in
 * its slot of the control block. Killed here: the publisher notices, and ends the demo.
 */
#ifndef DEMO_READER_H
#define DEMO_READER_H

#include "control.h"

/* The whole life of reader number `index`, 0..DEMO_READERS-1. Returns the exit status of its process. */
int reader_run(control *shared, const phase_plan *plans, int index);

#endif
