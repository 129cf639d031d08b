/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attachments and who is alive. An attachment is an entry of the table and an OFD lock on its byte; the
 * kernel drops the lock when the process ends, however it ends. No pid and no time decides.
 *
 *   call                  who                           may overlap with
 *   participant_prepare   who is about to attach        everything
 *   participant_attach    holder of the directory lock  participant_alive of others
 *   participant_detach    the owner                     participant_alive of others
 *   participant_alive     anybody                       everything
 *   participant_barrier   anybody, for his own          everything
 *   participant_ring      anybody, for anyone           everything
 *
 * killed        the lock is gone: the entry counts as dead, whatever it says, and is used again with the
 *               next generation, which makes the old owner word dead for good. A bell that is not rung to the
 *               end leaves its sleepers to their own bounded sleep.
 */
#ifndef SHMBUS_BUS_PARTICIPANT_H
#define SHMBUS_BUS_PARTICIPANT_H

#include "layout.h"

struct participant {
    struct shm_participant *table;
    uint32_t count;  /* entries */
    uint32_t index;  /* own entry */
    int lock_fd;     /* never mapped; holds the own lock */
    uint64_t owner;  /* {generation:32, index + 1:32}: how entries of this attachment are marked */
    bool fenced;     /* its sends shall have fences of their own, so that no membarrier interrupts it */
    bool registered; /* membarrier reaches this process: its sends need no fence */
    uint32_t flags;  /* PARTICIPANT_*, for the entry */
    uint64_t pid_namespace;
};

/*
 * Finds out what this process is, and how it can wait and send; `fenced` is set. Without the directory lock: the
 * first time in a process with threads, the kernel waits for an RCU grace period, which can take seconds on a crowded
 * machine.
 */
void participant_prepare(struct participant *self);

/* Takes a free or dead entry. -EUSERS when all are alive. It is prepared; `table`, `count` and `lock_fd` are set. */
int participant_attach(struct participant *self, const char *name);

/* Under the directory lock: frees the entries of those that died. */
void participant_sweep(const struct participant *self);

void participant_detach(struct participant *self);

/* Is the attachment that marked an entry with `owner` alive? */
bool participant_alive(const struct participant *self, uint64_t owner);

/* A full barrier in all registered processes; or, where the kernel refuses, only here: false, and it shows. */
bool participant_barrier(const struct participant *self);

/* Wakes the waitsets of participant `index`. */
void participant_ring(const struct participant *self, uint32_t index);

/* The futex that this attachment's waitsets sleep on. */
static inline atomic_u32 *participant_bell(const struct participant *self)
{
    return &self->table[self->index].bell;
}

/* Index of the owner's entry, whatever the state of what it owns; or UINT32_MAX. */
static inline uint32_t participant_index(uint64_t owner)
{
    return (uint32_t)(owner & OWNER_PARTICIPANT) - 1;
}

#endif
