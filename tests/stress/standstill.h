/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a crew whose work does not go on is at, in words.
 *
 *   call                 who          may overlap with
 *   standstill_explain   the parent   its own workers
 *
 * killed        nothing is changed
 */
#ifndef SHMBUS_TESTS_STRESS_STANDSTILL_H
#define SHMBUS_TESTS_STRESS_STANDSTILL_H

#include "crew.h"

/*
 * The groups' positions, who holds the directory lock, and where each worker stands: what it does, and of each of its
 * threads [state, ticks of CPU time in user mode + in the kernel, system call with two arguments, where it waits].
 */
void standstill_explain(const struct crew *crew, char *text, size_t size);

#endif
