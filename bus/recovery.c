/* SPDX-License-Identifier: Apache-2.0 */
#include "recovery_parts.h"
#include "waiter.h"

#define MOST_PASSES 8u

/* After a repair: it may be what somebody waits for. */
static void notify_all(struct channel *channel)
{
    waiter_tell(&channel->ring.shared->data, &channel->segment->self);
    waiter_tell(&channel->ring.shared->space, &channel->segment->self);
}

unsigned recovery_repair(struct channel *channel)
{
    unsigned repaired = recovery_repair_publishers(channel);
    repaired += recovery_repair_groups(channel);
    repaired += recovery_repair_members(channel);
    if (repaired > 0) {
        notify_all(channel);
    }
    return repaired;
}

unsigned recovery_run(struct channel *channel)
{
    unsigned repaired = 0;
    unsigned changed;
    /* A repair may leave another to do: an adopter's void entry, then its orphan, then that one's group. */
    for (unsigned pass = 0; pass < MOST_PASSES && (changed = recovery_repair(channel)) > 0; pass++) {
        repaired += changed;
    }
    return repaired + recovery_settle(channel);
}

unsigned recovery_run_thoroughly(struct channel *channel)
{
    const unsigned repaired = recovery_run(channel);
    const unsigned unnamed = recovery_abort_unnamed(channel);
    if (unnamed > 0) {
        notify_all(channel);
    }
    return repaired + unnamed;
}

unsigned recovery_look(struct channel *channel)
{
    unsigned repaired = recovery_repair(channel);
    if (repaired > 0 && segment_try_lock(channel->segment) == 0) {
        repaired += recovery_settle(channel);
        segment_unlock(channel->segment);
    }
    return repaired;
}

void recovery_leave_publisher(struct channel *channel, uint32_t index)
{
    struct shm_publisher *publisher = &channel->ring.publishers[index];
    const uint32_t self = participant_index(load64_relaxed(&publisher->owner));
    store64_release(&publisher->owner, OWNER_NONE); /* [rel:owner] */
    waiter_forget(&channel->ring.shared->space, &channel->segment->self, self);
    notify_all(channel);
}

/* Its own part of leaving: what it holds goes to others, and its entry is as good as free. */
static void let_go(struct channel *channel, uint32_t index, bool interrupted)
{
    const struct ring *ring = &channel->ring;
    struct shm_member *member = &ring->members[index];
    const uint64_t owner = load64_relaxed(&member->owner);
    struct shm_group *group = &ring->groups[load32_relaxed(&member->group) % ring->group_max];
    if (!(recovery_group_state(ring, member) & GROUP_SHARED)) {
        recovery_stop_exclusive(ring, member, interrupted);
    } else if (recovery_held(ring, group, member) > 0 && recovery_orphan(ring, member, owner)) {
        return;
    }
    (void)recovery_change(&member->owner, owner, owner | OWNER_SPENT);
}

void recovery_leave_group(struct channel *channel, uint32_t index, bool interrupted)
{
    const uint64_t owner = load64_relaxed(&channel->ring.members[index].owner);
    let_go(channel, index, interrupted);
    waiter_forget(&channel->ring.shared->data, &channel->segment->self, participant_index(owner));
    (void)recovery_repair_groups(channel);
    (void)recovery_repair_members(channel);
    (void)recovery_settle(channel);
    notify_all(channel);
}

void recovery_clear_group(const struct ring *ring, uint32_t group)
{
    for (uint32_t i = 0, n = cursor_used(&ring->shared->members_used, ring->member_max); i < n; i++) {
        struct shm_member *member = &ring->members[i];
        uint64_t owner = load64_acquire(&member->owner); /* [acq:owner] */
        if ((load32_relaxed(&member->group) & ~MEMBER_JOINING) == group) {
            /* Repairs go on beside this: none of their states may stay. */
            while (owner != OWNER_NONE &&
                   !cas64_release(&member->owner, &owner, OWNER_NONE)) { /* [rel:owner] */
            }
        }
    }
}

void recovery_remove_group(struct channel *channel, uint32_t group)
{
    (void)and64_release(&channel->ring.groups[group].state, GROUP_JOINS); /* [rel:group-state] */
    recovery_clear_group(&channel->ring, group);
    notify_all(channel);
}
