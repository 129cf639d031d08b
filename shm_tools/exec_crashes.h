/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which messages workers have crashed with. The oldest that a worker had read is what it was at: the crash counts
 * against that one. The others are suspects: who reads ahead and keeps its answers back was at one of them. All are
 * given to workers one at a time from then on, so that the next crash has one culprit.
 *
 * concurrency   one thread
 * killed        the counts are lost, with the workers
 */
#ifndef SHMBUS_TOOLS_EXEC_CRASHES_H
#define SHMBUS_TOOLS_EXEC_CRASHES_H

#include <stddef.h>
#include <stdint.h>

/* Others of the group may answer what crashed our workers, and we are not told: the oldest is forgotten then. */
#define CRASHES_MAX 4096u

struct crash {
    uint64_t sequence;
    uint32_t times; /* 0: a suspect */
    int guilty;     /* is to be passed over */
};

struct crashes {
    struct crash *all;
    size_t count;
};

void crashes_free(struct crashes *crashes);

/* NULL: no worker crashed with it. */
struct crash *crashes_find(const struct crashes *crashes, uint64_t sequence);

/* A message that was with a worker that crashed. The result lives until the next call. */
struct crash *crashes_suspect(struct crashes *crashes, uint64_t sequence);

/* The message is done with. */
void crashes_remove(struct crashes *crashes, uint64_t sequence);

#endif
