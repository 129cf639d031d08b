/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting right what dead participants left in a channel.
 *
 *   call                     who                            may overlap with
 *   recovery_repair          anybody                        everything, other repairs too
 *   recovery_look            who is held up                 everything
 *   recovery_adopt           the member's one user          everything
 *   recovery_run[_thoroughly],
 *   recovery_settle          holder of the directory lock   all publishers and subscribers, repairs
 *   recovery_leave_*         holder of the directory lock   the same
 *   recovery_remove_group,
 *   recovery_clear_group     holder of the directory lock   the same
 *
 * progress      recovery_repair and recovery_adopt are lock-free: nobody waits for a repairer, paused or dead.
 * killed        each repair is one CAS that anybody may do again. What needs the lock is done again by its next
 *               holder. docs/crash-safety.md goes through all of it.
 *
 *   dead publisher         its unfinished claims become aborted messages; its entry is freed
 *   dead member, shared    what it held is left as an orphan for the next member that looks
 *   dead member, own group the group goes on where it stopped (durable) or vanishes
 *
 * Two parts. *Repair* is all that somebody may wait for, and takes no lock. *Settling* adds the counters of members
 * that left to those of their group and frees their entries: only who opens something needs that, under the
 * directory lock, which it holds anyway.
 *
 * Only a released liveness lock makes a participant dead; silence does not.
 */
#ifndef SHMBUS_BUS_RECOVERY_H
#define SHMBUS_BUS_RECOVERY_H

#include "channel.h"
#include "ring_consumer.h"

/* Repairs the channel; how many words it had to change. */
unsigned recovery_repair(struct channel *channel);

/* Settles what repair has left for that; how many entries it freed. */
unsigned recovery_settle(struct channel *channel);

/* Both. */
unsigned recovery_run(struct channel *channel);

/* The same, and a look at every slot for messages that no entry names any more: for who does not wait. */
unsigned recovery_run_thoroughly(struct channel *channel);

/* Repairs, and settles if nobody else holds the directory lock. */
unsigned recovery_look(struct channel *channel);

/* Frees the entry of a publisher that leaves; it has no claim open. */
void recovery_leave_publisher(struct channel *channel, uint32_t index);

/*
 * Frees the entry of a member that leaves, or leaves what it holds to others; its group goes with the last member.
 * `interrupted`: it may have seen a message that it has not given back.
 */
void recovery_leave_group(struct channel *channel, uint32_t index, bool interrupted);

/* Removes a group that has no living member, with what its orphans held. */
void recovery_remove_group(struct channel *channel, uint32_t group);

/* Frees the members that a group of that index, which is no more, has left. Before a new one takes its place. */
void recovery_clear_group(const struct ring *ring, uint32_t group);

/* Is there something for recovery_adopt() in this group? */
bool recovery_has_orphan(const struct ring *ring, uint32_t group);

/*
 * Gives `consumer`, member number `self` of shared group `group` that has taken nothing, what an orphan of that
 * group held. False when there is none.
 */
bool recovery_adopt(struct channel *channel, uint32_t group, uint32_t self, struct consumer *consumer);

#endif
