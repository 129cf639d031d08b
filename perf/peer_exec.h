/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines through a program that echoes them: over pipes to it, and over a bus with `shmbus exec` between. The echo and
 * `exec` run where the kernel puts them: with two CPUs, on those of the two roles.
 *
 * concurrency   `prepare` and `finish` in the parent, `body` in each process of a run
 * killed        the echo ends with its standard input, `exec` is left to whoever started the bench
 */
#ifndef SHMBUS_PERF_PEER_EXEC_H
#define SHMBUS_PERF_PEER_EXEC_H

#include "perf/bench.h"

/* A line of the streams, without its newline; a multiple of 8 less one. */
#define ECHO_LINE 55u

/* Are the programs there, in the build that this one belongs to? */
bool exec_available(void);

/* `variant` is not used. */
int pipe_prepare(struct bench_run *run, int variant);
void pipe_body(struct bench_role *role, int variant);
void pipe_finish(struct bench_run *run, int variant);

int exec_prepare(struct bench_run *run, int variant);
void exec_body(struct bench_role *role, int variant);
void exec_finish(struct bench_run *run, int variant);

#endif
