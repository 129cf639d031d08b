/* SPDX-License-Identifier: Apache-2.0 */
/* Between the runner's main(), runner.c, and the scheduler. One thread. */
#ifndef SHMBUS_TESTS_MODEL_RUNNER_H
#define SHMBUS_TESTS_MODEL_RUNNER_H

/* Runs the program once. */
void scheduler_run(void);

/* The program is wrong: says why, and how to repeat it. */
_Noreturn void runner_fail(const char *why);

#endif
