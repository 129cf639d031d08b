/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting right what dead participants left in a channel.
 *
 *   call               who                            may overlap with
 *   recovery_run       holder of the directory lock   all publishers and subscribers
 *   recovery_look      who is held up, any thread     everything: gives up when the lock is taken
 *   recovery_release_* holder of the directory lock   all publishers and subscribers
 *
 * killed        each repair is one store or CAS and can be done again; the lock goes with the process.
 *
 *   dead publisher         its unfinished claims become aborted messages; its entry is freed
 *   dead member, shared    what it held is left as an orphan for the next member that looks
 *   dead member, own group the group goes on where it stopped (durable) or vanishes
 *
 * Only a released liveness lock makes a participant dead; silence does not.
 */
#ifndef SHMBUS_BUS_RECOVERY_H
#define SHMBUS_BUS_RECOVERY_H

#include "channel.h"
#include "ring_consumer.h"

/* Repairs the channel; returns how many entries it had to free or change. */
unsigned recovery_run(struct channel *channel);

/* The same, if nobody else holds the directory lock. */
unsigned recovery_look(struct channel *channel);

/*
 * Frees the entry of a publisher that leaves or is dead; its unfinished claims are aborted. False: not yet, a
 * living publisher names the same message and one of the two has claimed it.
 */
bool recovery_release_publisher(struct channel *channel, uint32_t index);

/*
 * Frees the entry of a member that leaves or is dead; its group goes with the last member. `interrupted`: it
 * may have seen a message that it has not given back.
 */
void recovery_release_member(struct channel *channel, uint32_t index, bool interrupted);

/* Removes a group that has no living member, with what its orphans held. */
void recovery_remove_group(struct channel *channel, uint32_t group);

/* Is there something for recovery_adopt() in this group? */
bool recovery_has_orphan(const struct ring *ring, uint32_t group);

/*
 * Gives `consumer`, a member of shared group `group` that has taken nothing, what an orphan of that group
 * held. False when there is none.
 */
bool recovery_adopt(struct channel *channel, uint32_t group, struct consumer *consumer);

#endif
