/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the kernel keeps a process from running because its control group is frozen: by docker pause, systemctl
 * freeze, or a batch system. Knows both versions of control groups.
 *
 * concurrency   any thread: no state
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_FREEZER_H
#define SHMBUS_TOOLS_FREEZER_H

#include <stddef.h>

/* `cgroups` is what /proc/PID/cgroup says. */
int freezer_holds(const char *cgroups);

/* The shell command that thaws it, or an empty text when that is not to be found. */
void freezer_thaw_command(const char *cgroups, char *command, size_t size);

#endif
