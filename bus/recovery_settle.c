/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The accounts of members that left, under the directory lock. Adding to totals is not a thing that can be done
 * twice: the sums are written beside the totals that count, and one store says that they count now, and whose are in
 * them. Who dies before it has added nothing; after it, the next holder of the lock frees that member's entry.
 */
#include "recovery_parts.h"
#include "waiter.h"

static void add_up(struct shm_totals *sum, const struct shm_totals *before, const struct shm_member *member)
{
    store64_relaxed(&sum->messages, load64_relaxed(&before->messages) + load64_relaxed(&member->messages));
    store64_relaxed(&sum->bytes, load64_relaxed(&before->bytes) + load64_relaxed(&member->bytes));
    store64_relaxed(&sum->missed, load64_relaxed(&before->missed) + load64_relaxed(&member->missed));
    store64_relaxed(&sum->aborted, load64_relaxed(&before->aborted) + load64_relaxed(&member->aborted));
    store64_relaxed(&sum->redelivered,
                    load64_relaxed(&before->redelivered) + load64_relaxed(&member->redelivered));
}

static void free_member(struct shm_member *member)
{
    store64_release(&member->owner, OWNER_NONE); /* [rel:owner] */
}

/* Adds the counters of member `index` to its group's, if that is still there, and frees the entry. */
static void settle_member(const struct ring *ring, uint32_t index)
{
    struct shm_member *member = &ring->members[index];
    if (!(recovery_group_state(ring, member) & GROUP_ACTIVE)) {
        free_member(member);
        return;
    }
    struct shm_group *group = &ring->groups[load32_relaxed(&member->group) % ring->group_max];
    const uint32_t other = ~load32_relaxed(&group->settled) & 1;
    add_up(&group->totals[other], &group->totals[!other], member);
    store32_release(&group->settled, (index + 1) << 1 | other); /* [rel:settled] */
    free_member(member);
    store32_release(&group->settled, other); /* [rel:settled] */
}

/* What a holder of the lock that died had added, and not yet freed. */
static void finish_settling(const struct ring *ring)
{
    for (uint32_t i = 0, n = cursor_used(&ring->shared->groups_used, ring->group_max); i < n; i++) {
        struct shm_group *group = &ring->groups[i];
        const uint32_t settled = load32_relaxed(&group->settled);
        const uint32_t member = (settled >> 1) - 1;
        if (member < ring->member_max) {
            free_member(&ring->members[member]);
            store32_release(&group->settled, settled & 1); /* [rel:settled] */
        }
    }
}

/* Behind the last message that the member may have seen: the one it held, and what a batch showed it. */
static uint32_t seen_end(const struct ring *ring, const struct shm_member *member, uint32_t held)
{
    const uint32_t shown = load32_relaxed(&member->held_end) - held;
    return held + (shown >= 1 && shown <= ring->slot_count ? shown : 1);
}

void recovery_stop_exclusive(const struct ring *ring, const struct shm_member *member, bool interrupted)
{
    struct shm_group *group = &ring->groups[load32_relaxed(&member->group) % ring->group_max];
    const position held = load64_acquire(&member->held); /* [acq:held] */
    if ((int32_t)(position_sequence(held) - position_sequence(load64_relaxed(&group->cursor))) > 0) {
        store64_release(&group->cursor, held); /* [rel:cursor] */
    }
    /* Who was to see what a dead one had seen, and has not come to its end, leaves the rest marked as it was. */
    const uint32_t attempts = load32_relaxed(&member->attempts) + interrupted;
    if (attempts > 0) {
        store32_relaxed(&group->attempts, attempts);
        store32_relaxed(&group->interrupted_end, seen_end(ring, member, position_sequence(held)));
        (void)or64_release(&group->state, GROUP_INTERRUPTED); /* [rel:group-state] */
    }
}

/* Can it be settled: has it left, or is it the dead member of a group of its own? */
static bool has_left(const struct channel *channel, const struct shm_member *member)
{
    const uint64_t owner = load64_acquire(&member->owner); /* [acq:owner] */
    if (owner == OWNER_NONE || (owner & (OWNER_ORPHAN | OWNER_ADOPTED))) {
        return false;
    }
    if (owner & OWNER_SPENT) {
        return true;
    }
    const uint64_t state = recovery_group_state(&channel->ring, member);
    return (state & (GROUP_ACTIVE | GROUP_SHARED)) == GROUP_ACTIVE && !recovery_alive(channel, owner);
}

unsigned recovery_settle(struct channel *channel)
{
    const struct ring *ring = &channel->ring;
    finish_settling(ring);
    unsigned settled = 0;
    for (uint32_t i = 0, n = cursor_used(&ring->shared->members_used, ring->member_max); i < n; i++) {
        struct shm_member *member = &ring->members[i];
        if (!has_left(channel, member)) {
            continue;
        }
        const uint64_t owner = load64_relaxed(&member->owner);
        if (member_joined(owner)) {
            waiter_forget(&ring->shared->data, &channel->segment->self, participant_index(owner));
            recovery_stop_exclusive(ring, member, true);
        }
        settle_member(ring, i);
        settled++;
    }
    return settled;
}
