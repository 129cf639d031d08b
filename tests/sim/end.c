/* SPDX-License-Identifier: Apache-2.0 */
/* The end of the simulated world: what was left behind can be read, put right, and used again. */
#include "world.h"

#include "oracle.h"

static struct adapter_audit look(void)
{
    struct adapter_audit audit;
    adapter_audit(&audit);
    return audit;
}

static void recover(struct actor *actor)
{
    const int repaired = shmbus_recover(actor->bus);
    const int again = shmbus_recover(actor->bus);
    machine_trace("repaired %d, and then %d", repaired, again);
    if (repaired < 0 || again != 0) {
        machine_violation("recovery made %d repairs, and %d after that", repaired, again);
    }
}

static void check_free(const char *when)
{
    const struct adapter_audit audit = look();
    if (audit.publishers != 0 || audit.members != 0) {
        machine_violation("%s: %u publishers and %u members are left, and nobody lives", when,
                          audit.publishers, audit.members);
    }
    for (uint32_t i = 0; i < audit.groups; i++) {
        if (!audit.group[i].durable) {
            machine_violation("%s: group \"%s\" is left, and nobody is in it", when, audit.group[i].name);
        }
    }
}

/* The durable groups have seen all. */
static uint32_t drain_all(struct actor *actor)
{
    const struct adapter_audit audit = look();
    for (uint32_t i = 0; i < audit.groups; i++) {
        const struct world_group group = {
            .name = audit.group[i].name, .shared = audit.group[i].shared, .durable = true};
        world_drain(actor, &group);
    }
    if (look().orphans != 0) {
        machine_violation("%u members' messages are with nobody, and all groups have read all",
                          look().orphans);
    }
    return audit.groups;
}

/* All slots can be used, and not one more, where a group stands still. */
static void use_all_room(struct actor *actor, bool grouped, size_t size)
{
    const uint32_t slots = world.options.slots;
    const bool bounded = grouped && !world.overwrite;
    const uint32_t sent = world_publish_at_once(actor, slots + 1, size);
    if (sent != slots + !bounded) {
        machine_violation("room for %u messages of %zu bytes in %u slots", sent, size, slots);
    }
}

void world_end(struct actor *actor)
{
    world_open(actor);
    recover(actor);
    check_free("after recovery");
    const bool grouped = drain_all(actor) > 0;
    for (uint32_t round = 0; round < 3; round++) {
        use_all_room(actor, grouped, random_between(&actor->random, 8, 56));
        (void)drain_all(actor);
    }
    if (world_publish_at_once(actor, 1, WORLD_SIZE_MAX) != 1) {
        machine_violation("no room for a large message in an empty channel");
    }
    (void)drain_all(actor);
    check_free("at the end");
    world_close(actor);
}
