/* SPDX-License-Identifier: Apache-2.0 */
/* Observers of the simulated world: nobody knows of them, and nobody waits. */
#include "world.h"

#include "oracle.h"

#include <errno.h>

/* Where to look next: mostly on, at times at the oldest, or anywhere around. */
static uint64_t choose(struct random *random, uint64_t next)
{
    const uint64_t first = world.options.first_sequence;
    if (!random_one_in(random, 6)) {
        return next;
    }
    if (random_one_in(random, 2)) {
        return adapter_next(first);
    }
    return next - random_below(random, 3ull * world.options.slots) + world.options.slots;
}

/* One glance; where the next message is. */
static uint64_t glance(struct actor *actor, uint64_t sequence)
{
    unsigned char bytes[WORLD_SIZE_MAX];
    struct adapter_sight sight;
    machine_call("glance");
    switch (adapter_glance(sequence, bytes, sizeof bytes, &sight)) {
    case 0:
        oracle_sights(sequence, &sight, bytes);
        return sequence + 1;
    case -ESTALE:
        return adapter_next(sequence + 1);
    case -EAGAIN:
        world_sleep((int64_t)random_below(&actor->random, 1000000));
        return sequence;
    default:
        machine_violation("sequence %llu is called damaged", (unsigned long long)sequence);
    }
}

/* A payload taken for a time would mostly lie in the future. */
static void date(uint64_t sequence)
{
    machine_call("when was it sent");
    const int64_t sent = adapter_time_of(sequence);
    if (sent < 0 || sent > machine_time()) {
        machine_violation("sequence %llu was sent at %lld", (unsigned long long)sequence, (long long)sent);
    }
}

void world_observe(struct actor *actor, uint32_t glances)
{
    uint64_t next = world.options.first_sequence;
    for (uint32_t i = 0; i < glances && (world.publishing > 0 || i < 10); i++) {
        next = glance(actor, choose(&actor->random, next));
        if (random_one_in(&actor->random, 2)) {
            date(choose(&actor->random, next));
        }
    }
}
