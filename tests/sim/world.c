/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "oracle.h"
#include "os.h"

#undef memcpy

#include <errno.h>
#include <stdio.h>

struct world world;

/* ------------------------------------------------------------------------------------------------ */
/* Planning                                                                                           */
/* ------------------------------------------------------------------------------------------------ */

static uint64_t first_sequence(struct random *random)
{
    switch (random_below(random, 4)) {
    case 0:
        return 0;
    case 1:
        return random_below(random, 100);
    default: /* so that it goes through 2^32, or 2^31 */
        return (UINT64_C(1) << random_between(random, 31, 33)) - random_between(random, 1, 12);
    }
}

static void plan_channel(struct random *random)
{
    world.overwrite = random_one_in(random, 4);
    world.busy = random_one_in(random, 6);
    world.churn = !world.busy && random_one_in(random, 4);
    const bool single = random_one_in(random, world.busy ? 2 : 3);
    world.options = (shmbus_channel_options){
        .producers = single ? SHMBUS_SINGLE : SHMBUS_MULTI,
        .overflow = world.overwrite ? SHMBUS_OVERWRITE : SHMBUS_BLOCK,
        .slots = UINT32_C(1) << (world.busy ? random_between(random, 3, 7) : random_below(random, 4)),
        .slot_size = 64,
        .arena = 4096,
        .largest = WORLD_SIZE_MAX,
        .publishers = single ? 1 : (uint32_t)random_between(random, 2, 4),
        .groups = 4,
        .members = 5,
        .first_sequence = first_sequence(random),
    };
}

static void plan_groups(struct random *random)
{
    static const char *const names[WORLD_GROUPS] = {"a", "b", NULL};
    for (uint32_t i = 0; i < WORLD_GROUPS; i++) {
        world.groups[i] = (struct world_group){
            .name = names[i],
            .shared = names[i] && ((world.churn && i == 0) || random_one_in(random, 2)),
            .durable = names[i] && random_one_in(random, 3),
        };
    }
}

static struct world_role plan_churner(struct random *random, uint32_t index)
{
    const uint64_t kind = index < 2 ? index : random_below(random, 8);
    return (struct world_role){
        .publishes = kind == 0,
        .recovers = kind == 2,
        .group = &world.groups[0],
        .lives = (uint32_t)random_between(random, 1, 3),
        .messages = (uint32_t)random_between(random, 1, kind == 0 ? 15 : 5),
        .delay = random_one_in(random, 3) ? (int64_t)random_below(random, 100000000) : 0,
    };
}

static struct world_role plan_role(struct random *random, uint32_t index)
{
    if (world.churn) {
        return plan_churner(random, index);
    }
    struct world_role role = {
        .lives = random_one_in(random, 4) ? 2 : 1,
        .messages = (uint32_t)random_between(random, 1, world.busy ? 60 : 10),
        .delay = random_one_in(random, 4) ? (int64_t)random_below(random, 200000000) : 0,
    };
    const uint64_t kind = index < 2 ? index : random_below(random, 8);
    role.publishes = kind == 0 || (kind >= 2 && kind < 4);
    role.recovers = kind == 4;
    role.removes = kind == 5 && random_one_in(random, 3);
    role.observes = kind == 6;
    role.messages = role.observes ? (uint32_t)random_between(random, 10, 100) : role.messages;
    world.removes |= role.removes;
    weak_observed |= role.observes;
    role.group = &world.groups[random_one_in(random, 2) ? 0 : random_below(random, WORLD_GROUPS)];
    if (!role.publishes && !role.recovers && !role.removes && !role.observes && random_one_in(random, 2)) {
        role.messages = 1000; /* reads until the end */
    }
    return role;
}

static void plan_fate(struct random *random, struct machine_process *process, uint32_t *kills)
{
    if (*kills > 0 && random_one_in(random, 2)) {
        --*kills;
        process->kill_call = (uint32_t)random_between(random, 1, random_one_in(random, 3) ? 2 : 14);
        process->kill_after = random_below(random, random_one_in(random, 4) ? 400 : 40);
        if (random_one_in(random, 3)) {
            process->kill_call = 0;
            process->kill_swap = (uint32_t)random_between(random, 1, 5);
            process->kill_winner = random_one_in(random, 2);
        }
    } else if (random_one_in(random, 10)) {
        process->stop_call = (uint32_t)random_between(random, 1, 10);
        process->stop_after = random_below(random, 40);
        process->stop_for = random_between(random, 10, 3000);
    }
}

static bool weak;

void world_weaken(void)
{
    weak = true;
}

static struct machine_plan plan_machine(struct random *random)
{
    static const uint32_t stale[] = {1, 2, 8, 32};
    static const int64_t ticks[] = {1000, 50000, 2000000};
    return (struct machine_plan){
        .policy = (enum machine_policy)random_below(random, MACHINE_POLICIES),
        .mean = UINT32_C(1) << random_below(random, 6),
        .tick = ticks[random_below(random, 3)],
        .burial = random_one_in(random, 2) ? 50 : 2000,
        .before_cas = (uint32_t)random_below(random, 3),
        .changes = (uint32_t)random_below(random, 6),
        .change_span = 3000,
        .stale = weak ? stale[random_below(random, 4)] : 0,
    };
}

/* ------------------------------------------------------------------------------------------------ */
/* Processes                                                                                          */
/* ------------------------------------------------------------------------------------------------ */

void world_sleep(int64_t ns)
{
    static const char nobody;
    (void)machine_block(&nobody, machine_time() + ns);
}

size_t world_size(struct random *random)
{
    if (!random_one_in(random, world.busy ? 2 : 4)) {
        return random_between(random, ORACLE_SIZE_MIN, 56);
    }
    return random_between(random, 57, world.busy || random_one_in(random, 2) ? 200 : WORLD_SIZE_MAX);
}

void world_open(struct actor *actor)
{
    const shmbus_bus_options options = {
        .participants = MACHINE_PROCESSES + 2, .channels = 1, .participant_name = "p"};
    machine_call("open");
    int err = shmbus_open("sim", &options, &actor->bus);
    if (err == 0) {
        err = shmbus_channel_create(actor->bus, WORLD_CHANNEL, &world.options);
    }
    if (err != 0) {
        machine_violation("opening the bus: %d", err);
    }
}

void world_close(struct actor *actor)
{
    machine_call("close");
    (void)shmbus_close(actor->bus);
}

static void recover_often(struct actor *actor, uint32_t times)
{
    for (uint32_t i = 0; i < times; i++) {
        machine_call("recover");
        const int repaired = shmbus_recover(actor->bus);
        if (repaired < 0) {
            machine_violation("shmbus_recover: %d", repaired);
        }
        world_sleep((int64_t)random_below(&actor->random, 10000000));
    }
}

static void remove_often(struct actor *actor, uint32_t times)
{
    for (uint32_t i = 0; i < times; i++) {
        machine_call("remove group");
        const char *name = world.groups[random_below(&actor->random, 2)].name;
        const int err = shmbus_group_remove(actor->bus, WORLD_CHANNEL, name);
        if (err != 0 && err != -ENOENT && err != -EBUSY) {
            machine_violation("shmbus_group_remove: %d", err);
        }
        world_sleep((int64_t)random_below(&actor->random, 20000000));
    }
}

static void gone(struct actor *actor)
{
    world.publishing -= actor->present && actor->role.publishes;
    actor->present = false;
}

static void live(struct machine_process *self, void *context)
{
    struct actor *actor = context;
    (void)self;
    if (actor->role.delay > 0) {
        world_sleep(actor->role.delay);
    }
    for (uint32_t life = 0; life < actor->role.lives; life++) {
        world_open(actor);
        if (actor->role.publishes) {
            world_publish(actor, actor->role.messages);
        } else if (actor->role.recovers) {
            recover_often(actor, actor->role.messages);
        } else if (actor->role.removes) {
            remove_often(actor, actor->role.messages);
        } else if (actor->role.observes) {
            world_observe(actor, actor->role.messages);
        } else {
            world_subscribe(actor, actor->role.messages);
        }
        world_close(actor);
    }
    gone(actor);
}

static void live_last(struct machine_process *self, void *context)
{
    (void)self;
    machine_calm();
    world_end(context);
}

/* The kernel has taken down a killed process. */
static void buried(uint32_t index, uint32_t life)
{
    struct actor *actor = &world.actors[index];
    gone(actor);
    if (actor->has_member) {
        actor->has_member = false;
        oracle_died(actor->member);
    }
    os_process_gone(index, life);
}

/* Nobody runs. Who sleeps although there is a message for it missed its wake-up, if nobody died waking it. */
static void idle(void)
{
    for (uint32_t i = 0; i < MACHINE_PROCESSES && machine_kills() == 0 && machine_stops() == 0; i++) {
        const struct actor *actor = &world.actors[i];
        if (actor->present && actor->waits && adapter_ready(actor->subscriber)) {
            machine_violation("process %u sleeps, and there is a message for it", i);
        }
    }
}

static void start_world(uint64_t seed)
{
    struct random *random = &world.random;
    const uint32_t processes = (uint32_t)random_between(random, world.churn ? 4 : 2, world.churn ? 8 : 6);
    uint32_t kills = (uint32_t)random_below(random, world.churn ? 6 : 4);
    for (uint32_t i = 0; i < processes; i++) {
        struct actor *actor = &world.actors[i];
        *actor = (struct actor){
            .role = plan_role(random, i), .present = true, .random = random_seeded(seed, 10 + i)};
        world.publishing += actor->role.publishes;
        actor->process = machine_spawn(live, actor);
        plan_fate(random, actor->process, &kills);
    }
}

/* All processes of before have ended, so the last one is the first of the table again. */
static void run_last(uint64_t seed)
{
    struct actor *actor = &world.actors[0];
    *actor = (struct actor){.present = true, .random = random_seeded(seed, 99)};
    actor->process = machine_spawn(live_last, actor);
    machine_run();
}

void world_run(uint64_t seed, bool trace, struct world_result *result)
{
    memset(&world, 0, sizeof world);
    world.random = random_seeded(seed, 0);
    os_reset();
    adapter_reset();
    plan_channel(&world.random);
    plan_groups(&world.random);
    const struct machine_plan plan = plan_machine(&world.random);
    machine_reset(seed, &plan, trace);
    oracle_reset(world.options.first_sequence, world.overwrite);
    sim_sleep_max = INT64_C(250000000);
    sim_sampling = random_one_in(&world.random, 4) ? 1 : UINT64_C(1) << 40;
    weak_observed = false;
    machine_buried = buried;
    machine_idle = idle;
    start_world(seed);
    machine_run();
    result->kills = machine_kills();
    result->stops = machine_stops();
    run_last(seed);
    oracle_finish();
    result->steps = machine_steps();
    result->deliveries = oracle_deliveries();
    result->redeliveries = oracle_redeliveries();
}
