/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attachments and who is alive. An attachment is an entry of the table and an OFD lock on its byte; the
 * kernel drops the lock when the process ends, however it ends. No pid and no time decides.
 *
 *   call                  who                           may overlap with
 *   participant_attach    holder of the directory lock  participant_alive of others
 *   participant_detach    the owner                     participant_alive of others
 *   participant_alive     anybody                       everything
 *
 * killed        the lock is gone: the entry counts as dead, whatever it says, and is used again with the
 *               next generation, which makes the old owner word dead for good.
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
    bool registered; /* membarrier reaches this process: its sends need no fence */
};

/* Takes a free or dead entry. -EUSERS when all are alive. `table`, `count` and `lock_fd` are set. */
int participant_attach(struct participant *self, const char *name);

void participant_detach(struct participant *self);

/* Is the attachment that marked an entry with `owner` alive? */
bool participant_alive(const struct participant *self, uint64_t owner);

/* Index of the owner's entry, or UINT32_MAX. */
static inline uint32_t participant_index(uint64_t owner)
{
    return (uint32_t)owner - 1;
}

#endif
