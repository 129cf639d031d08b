/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that a dead publisher claimed, and a living one names too. */
#include "unit_map.h"

#define SLOTS 4

static const shmbus_channel_options channel = {.producers = SHMBUS_MULTI, .slots = SLOTS};

static void claim_and_die(void *ready)
{
    shmbus_publisher *publisher = unit_publisher(unit_open(), &channel);
    shmbus_claim_t claim = {.size = 8};
    check_eq(shmbus_claim(publisher, &claim, SHMBUS_NOWAIT), 0);
    unit_wait_to_be_killed(ready);
}

static unsigned send_all(shmbus_publisher *publisher)
{
    unsigned sent = 0;
    while (unit_send(publisher, 8, sent, SHMBUS_NOWAIT) == 0) {
        sent++;
    }
    return sent;
}

/*
 * A publisher that lost a claim to one that died names its message, until it goes on. A recovery in between must
 * leave the message alone; the next one aborts it, though no entry names it any more and nobody waits for it.
 */
UNIT(recovery_claims, of_a_message_that_a_living_one_named)
{
    struct unit_gate ready = unit_gate();
    const pid_t child = unit_fork(claim_and_die, &ready);
    unit_gate_wait(&ready);
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &channel);
    struct shm_header *header = unit_map();
    const struct ring ring = unit_ring(header);
    atomic_u64 *dead = &ring.publishers[0].intent;
    atomic_u64 *living = &ring.publishers[1].intent;
    const uint64_t own = load64_relaxed(living);
    store64_relaxed(living, load64_relaxed(dead));
    unit_kill(child);

    check_eq(shmbus_recover(bus), 1); /* the dead one's entry */
    check_eq(load64_relaxed(&ring.publishers[0].owner), OWNER_NONE);
    check(!ring_finished(&ring, 0));
    store64_relaxed(living, own);
    check_eq(shmbus_recover(bus), 1);
    check(ring_finished(&ring, 0));
    check_eq(shmbus_recover(bus), 0);

    /* A group that starts at the aborted message leaves the slots behind that. */
    shmbus_subscriber *subscriber = unit_subscriber(bus, "g");
    check_eq(send_all(publisher), SLOTS - 1);
    check_eq(shmbus_subscriber_close(subscriber), 0);
    check_eq(shmbus_close(bus), 0);
    check_eq(shmbus_remove(unit_bus), 0);
}
