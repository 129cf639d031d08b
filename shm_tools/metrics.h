/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metrics of a bus: every figure of a read-only view as a sample on a page for Prometheus. Their names and
 * labels are an interface: they may be added to, not changed.
 *
 * concurrency   one thread; the bus may change meanwhile: see <shmbus/inspect.h>
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_METRICS_H
#define SHMBUS_TOOLS_METRICS_H

#include "exposition.h"
#include "looking.h"

/*
 * Adds what there is to tell of one bus or copied file, under the label bus="NAME", or its path. Returns 0, or the
 * negative errno for which it says shmbus_up 0, behind what could be seen before.
 */
int metrics_add(struct exposition *page, const struct looking *looking);

#endif
