/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of recovery share: recovery_claims.c repairs publishers, recovery_members.c members and groups,
 * recovery_settle.c does the accounts, recovery.c puts them together. See recovery.h for who may call, and for deaths.
 */
#ifndef SHMBUS_BUS_RECOVERY_PARTS_H
#define SHMBUS_BUS_RECOVERY_PARTS_H

#include "channel.h"
#include "cursor.h"
#include "recovery.h"

/* The attachment of an entry's owner, whatever has become of the entry, is alive. */
static inline bool recovery_alive(const struct channel *channel, uint64_t owner)
{
    return participant_alive(&channel->segment->self, owner & OWNER_PARTICIPANT);
}

static inline bool recovery_change(atomic_u64 *owner, uint64_t from, uint64_t to)
{
    return cas64_acq_rel(owner, &from, to); /* [rel:owner] [acq:owner] an adopter looks again behind it */
}

/* Aborts what the dead have claimed and not finished, and frees their entries. */
unsigned recovery_repair_publishers(struct channel *channel);

/* Aborts what is not finished and nobody alive names, wherever it is: recovery_repair_publishers() takes care of what
 * somebody may be waiting for. */
unsigned recovery_abort_unnamed(struct channel *channel);

/* Frees groups that nobody alive is in, but durable ones. */
unsigned recovery_repair_groups(struct channel *channel);

/* Leaves to others what dead members hold. */
unsigned recovery_repair_members(struct channel *channel);

/* Makes an orphan of the member, whose owner word is `owner`: false if that has changed. */
bool recovery_orphan(const struct ring *ring, struct shm_member *member, uint64_t owner);

/*
 * How many messages a member of a shared group holds that the cursor has passed: a claim whose CAS never came holds
 * none.
 */
uint32_t recovery_held(const struct ring *ring, const struct shm_group *group,
                       const struct shm_member *member);

/* The state of the group that a member has joined; GROUP_FREE when it has not, or that group is gone. */
uint64_t recovery_group_state(const struct ring *ring, const struct shm_member *member);

/* An exclusive group goes on where its member stopped. Under the directory lock. */
void recovery_stop_exclusive(const struct ring *ring, const struct shm_member *member, bool interrupted);

#endif
