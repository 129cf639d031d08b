/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call may answer, whatever stands in the segment.
 *
 * concurrency   any thread
 * killed        nothing is shared
 */
#ifndef SHMBUS_TESTS_FUZZ_VERDICT_H
#define SHMBUS_TESTS_FUZZ_VERDICT_H

#include <stddef.h>
#include <stdint.h>

/* Says what is wrong and aborts: the fuzzer keeps the input. */
void fuzz_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* `result` is not negative, or a documented error; -EBADMSG comes with an explanation. Returns `result`. */
int64_t verdict_of(const char *call, int64_t result);

/* All `size` bytes can be read: what a message shows. */
void verdict_readable(const void *data, size_t size);

/* CPU time of this thread, in nanoseconds: what a call that goes round and round uses up. */
int64_t verdict_cpu_ns(void);

/* Fails when the thread has used more than a second since `start`. */
void verdict_prompt(const char *call, int64_t start);

#endif
