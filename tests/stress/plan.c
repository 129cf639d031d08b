/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include "random.h"

#include <inttypes.h>
#include <stdio.h>

#define WAIT_MIXED (-1)
#define ALL_WAYS .sends = SEND_ALL, .receives = RECEIVE_ALL, .wait = WAIT_MIXED
#define KILLABLE_WAYS .sends = SEND_ALL, .receives = RECEIVE_KILLABLE, .wait = WAIT_MIXED
#define SINGLE .producers = SHMBUS_SINGLE, .overflow = SHMBUS_BLOCK
#define MULTI .producers = SHMBUS_MULTI, .overflow = SHMBUS_BLOCK
#define SINGLE_OVERWRITE .producers = SHMBUS_SINGLE, .overflow = SHMBUS_OVERWRITE
#define MULTI_OVERWRITE .producers = SHMBUS_MULTI, .overflow = SHMBUS_OVERWRITE

#define EXCLUSIVE                                                                                            \
    {                                                                                                        \
        .kind = GROUP_EXCLUSIVE, .members = 1                                                                \
    }
#define SHARED(count)                                                                                        \
    {                                                                                                        \
        .kind = GROUP_SHARED, .members = (count)                                                             \
    }
#define CHANGING(count, messages_between)                                                                    \
    {                                                                                                        \
        .kind = GROUP_CHANGING, .members = (count), .stint = (messages_between)                              \
    }
#define DURABLE(count, messages_between)                                                                     \
    {                                                                                                        \
        .kind = GROUP_DURABLE, .members = (count), .stint = (messages_between)                               \
    }
#define JOINERS(count, start, messages_between)                                                              \
    {                                                                                                        \
        .kind = GROUP_JOINER, .members = (count), .from = (start), .stint = (messages_between)               \
    }

const struct plan plans[] = {
    /* who meets whom */
    {.name = "one_to_one",
     .about = "1 publisher, 1 group",
     SINGLE,
     ALL_WAYS,
     .publishers = 1,
     .groups = {EXCLUSIVE}},
    {.name = "four_to_one",
     .about = "4 publishers, 1 group",
     MULTI,
     ALL_WAYS,
     .publishers = 4,
     .groups = {EXCLUSIVE}},
    {.name = "one_to_four",
     .about = "1 publisher, 4 groups",
     SINGLE,
     ALL_WAYS,
     .publishers = 1,
     .groups = {EXCLUSIVE, EXCLUSIVE, EXCLUSIVE, EXCLUSIVE}},
    {.name = "work_queues",
     .about = "4 publishers, 3 groups of 3 members",
     MULTI,
     ALL_WAYS,
     .publishers = 4,
     .groups = {SHARED(3), SHARED(3), SHARED(3)}},
    {.name = "crowd",
     .about = "8 publishers, 5 groups, 12 members",
     MULTI,
     ALL_WAYS,
     .publishers = 8,
     .groups = {SHARED(4), EXCLUSIVE, SHARED(3), EXCLUSIVE, SHARED(3)}},

    /* shapes of the ring */
    {.name = "tiny_ring",
     .about = "one slot",
     MULTI,
     ALL_WAYS,
     .slots = 1,
     .arena = 4096,
     .publishers = 3,
     .groups = {EXCLUSIVE, SHARED(2)}},
    {.name = "tiny_single",
     .about = "two slots",
     SINGLE,
     ALL_WAYS,
     .slots = 2,
     .arena = 4096,
     .publishers = 1,
     .groups = {EXCLUSIVE, EXCLUSIVE}},
    {.name = "wrap",
     .about = "sequences and lines pass 2^32",
     MULTI,
     ALL_WAYS,
     .slots = 64,
     .arena = 65536,
     .first = (UINT64_C(1) << 32) - 700,
     .publishers = 3,
     .groups = {EXCLUSIVE, SHARED(3), DURABLE(2, 100)}},
    {.name = "small_arena",
     .about = "large messages, the arena is always full",
     MULTI,
     ALL_WAYS,
     .slots = 1024,
     .arena = 8192,
     .largest = 4096,
     .publishers = 4,
     .groups = {EXCLUSIVE, SHARED(3)}},

    /* overwriting */
    {.name = "overwrite",
     .about = "1 publisher overwrites, 2 groups",
     SINGLE_OVERWRITE,
     ALL_WAYS,
     .publishers = 1,
     .groups = {EXCLUSIVE, EXCLUSIVE}},
    {.name = "overwrite_multi",
     .about = "4 publishers overwrite, 3 groups",
     MULTI_OVERWRITE,
     ALL_WAYS,
     .publishers = 4,
     .groups = {EXCLUSIVE, SHARED(3), EXCLUSIVE}},
    {.name = "overwrite_join",
     .about = "readers of an overwriting channel come and go",
     MULTI_OVERWRITE,
     ALL_WAYS,
     .publishers = 3,
     .publisher_stint = 500,
     .groups = {EXCLUSIVE, JOINERS(2, SHMBUS_FROM_OLDEST, 50), JOINERS(2, SHMBUS_FROM_NOW, 50),
                CHANGING(3, 100)}},

    /* joining and leaving */
    {.name = "join_now",
     .about = "one reader joins now, leaves, and joins again; nobody else reads",
     MULTI,
     ALL_WAYS,
     .slots = 1024,
     .arena = 8192,
     .publishers = 4,
     .groups = {JOINERS(1, SHMBUS_FROM_NOW, 60)}},
    {.name = "join_oldest",
     .about = "readers join at the oldest; nobody else reads",
     MULTI,
     ALL_WAYS,
     .slots = 1024,
     .arena = 8192,
     .publishers = 4,
     .groups = {JOINERS(3, SHMBUS_FROM_OLDEST, 200)}},
    {.name = "join_single",
     .about = "readers come and go beside one that stays",
     SINGLE,
     ALL_WAYS,
     .publishers = 1,
     .groups = {EXCLUSIVE, JOINERS(2, SHMBUS_FROM_OLDEST, 100), JOINERS(2, SHMBUS_FROM_NOW, 100)}},
    {.name = "durable",
     .about = "durable groups are left and entered again",
     MULTI,
     ALL_WAYS,
     .publishers = 3,
     .groups = {DURABLE(2, 100), DURABLE(1, 20), DURABLE(3, 500)}},
    {.name = "changing_queue",
     .about = "members of work queues come and go",
     MULTI,
     ALL_WAYS,
     .publishers = 3,
     .groups = {CHANGING(4, 50), CHANGING(3, 300), EXCLUSIVE}},
    {.name = "publishers_change",
     .about = "publishers come and go",
     MULTI,
     ALL_WAYS,
     .publishers = 6,
     .publisher_stint = 100,
     .groups = {EXCLUSIVE, SHARED(3)}},
    {.name = "single_changes",
     .about = "publishers take turns",
     SINGLE,
     ALL_WAYS,
     .publishers = 3,
     .publisher_stint = 200,
     .groups = {EXCLUSIVE, SHARED(2)}},
    {.name = "all_change",
     .about = "everybody comes and goes",
     MULTI,
     ALL_WAYS,
     .publishers = 5,
     .publisher_stint = 150,
     .groups = {CHANGING(3, 100), DURABLE(2, 100), JOINERS(2, SHMBUS_FROM_OLDEST, 100),
                JOINERS(2, SHMBUS_FROM_NOW, 100)}},

    /* dying */
    {.name = "kill_publishers",
     .about = "publishers are killed and started again",
     MULTI,
     KILLABLE_WAYS,
     .publishers = 4,
     .kill_publishers = true,
     .groups = {EXCLUSIVE, SHARED(3)}},
    {.name = "kill_single",
     .about = "the single publisher is killed, another takes its place",
     SINGLE,
     KILLABLE_WAYS,
     .publishers = 2,
     .publisher_stint = 300,
     .kill_publishers = true,
     .groups = {EXCLUSIVE, SHARED(2)}},
    {.name = "kill_subscribers",
     .about = "subscribers are killed and started again",
     MULTI,
     KILLABLE_WAYS,
     .publishers = 3,
     .kill_subscribers = true,
     .groups = {CHANGING(4, 100), DURABLE(2, 200), EXCLUSIVE}},
    {.name = "kill_all",
     .about = "anybody is killed or stopped for a while",
     MULTI,
     KILLABLE_WAYS,
     .publishers = 4,
     .publisher_stint = 400,
     .kill_publishers = true,
     .kill_subscribers = true,
     .pause = true,
     .groups = {CHANGING(4, 200), DURABLE(2, 200), JOINERS(2, SHMBUS_FROM_OLDEST, 100), EXCLUSIVE}},
    {.name = "kill_overwrite",
     .about = "anybody on an overwriting channel is killed",
     MULTI_OVERWRITE,
     KILLABLE_WAYS,
     .publishers = 4,
     .kill_publishers = true,
     .kill_subscribers = true,
     .pause = true,
     .groups = {EXCLUSIVE, CHANGING(3, 100), JOINERS(2, SHMBUS_FROM_OLDEST, 100)}},

    {.name = "any", .about = "the seed decides everything but the killing", .any = true},
};

const unsigned plan_count = sizeof plans / sizeof *plans;

static void any_group(struct random *random, struct plan_group *group)
{
    group->kind = (enum plan_kind)random_between(random, GROUP_EXCLUSIVE, GROUP_CHANGING);
    group->members = group->kind == GROUP_EXCLUSIVE ? 1 : (uint32_t)random_between(random, 1, 4);
    group->from = random_one_in(random, 2) ? SHMBUS_FROM_NOW : SHMBUS_FROM_OLDEST;
    group->stint = (uint32_t)random_between(random, 20, 300);
}

static void any_plan(struct random *random, struct plan *plan)
{
    plan->producers = random_one_in(random, 3) ? SHMBUS_SINGLE : SHMBUS_MULTI;
    plan->overflow = random_one_in(random, 3) ? SHMBUS_OVERWRITE : SHMBUS_BLOCK;
    plan->publishers = (uint32_t)random_between(random, 1, 6);
    if (random_one_in(random, 3) || (plan->producers == SHMBUS_SINGLE && plan->publishers > 1)) {
        plan->publisher_stint = (uint32_t)random_between(random, 20, 500);
    }
    plan->sends = (uint32_t)random_between(random, 1, SEND_ALL);
    plan->receives = (uint32_t)random_between(random, 1, RECEIVE_ALL);
    plan->wait = WAIT_MIXED;
    const unsigned groups = (unsigned)random_between(random, 1, 4);
    for (unsigned i = 0; i < groups; i++) {
        any_group(random, &plan->groups[i]);
    }
}

/* What a row leaves open. */
static void any_shape(struct random *random, struct plan *plan)
{
    static const uint32_t slots[] = {1, 2, 8, 64, 512, 4096, 64, 512};
    if (plan->slots == 0) {
        plan->slots = slots[random_below(random, sizeof slots / sizeof *slots)];
    }
    if (plan->slot_size == 0) {
        plan->slot_size = 64u << random_below(random, 3);
    }
    if (plan->arena == 0) {
        plan->arena = 4096u << random_below(random, 5);
    }
    if (plan->largest == 0) {
        const uint32_t most = plan->arena / 2;
        plan->largest =
            random_one_in(random, 4) ? 40 : (uint32_t)random_between(random, 300, most < 8192 ? most : 8192);
    }
    const uint64_t before = random_between(random, 1, 3000);
    const uint64_t starts[] = {0, (UINT64_C(1) << 32) - before, (UINT64_C(1) << 33) - before, before};
    if (plan->first == 0) {
        plan->first = starts[random_below(random, 4)];
    }
    if ((plan->sends & ~SEND_ABORTS) == 0) {
        plan->sends |= SEND_ONE;
    }
}

/* Fewer where each message has to wait for its reader, or where much is started and stopped. */
static uint32_t messages_for(const struct plan *plan)
{
    uint32_t all = plan->slots == 1 ? 6000 : plan->slots < 64 ? 20000 : 60000;
    if (plan_kills(plan) && all > 40000) {
        all = 40000;
    }
    return all / plan->publishers;
}

void plan_make(struct plan *plan, const struct plan *scenario, uint64_t seed, uint32_t messages)
{
    struct random random = random_seeded(seed, 1000);
    *plan = *scenario;
    if (plan->any) {
        any_plan(&random, plan);
    }
    any_shape(&random, plan);
    if (messages != 0) {
        plan->messages = messages;
    }
    if (plan->messages == 0) {
        plan->messages = messages_for(plan);
    }
}

void plan_describe(const struct plan *plan, char *text, unsigned size)
{
    static const char *const kinds[] = {"", "exclusive", "joiners", "durable", "shared", "changing"};
    int used = snprintf(text, size,
                        "%s %s, %u slots of %u, arena %u, largest %u, first %" PRIu64 ", %u x %u messages",
                        plan->producers == SHMBUS_SINGLE ? "single" : "multi",
                        plan->overflow == SHMBUS_BLOCK ? "block" : "overwrite", plan->slots, plan->slot_size,
                        plan->arena, plan->largest, plan->first, plan->publishers, plan->messages);
    for (unsigned i = 0; i < PLAN_GROUPS && used > 0 && (unsigned)used < size; i++) {
        if (plan->groups[i].kind != GROUP_NONE) {
            used += snprintf(text + used, size - (unsigned)used, ", %s x%u", kinds[plan->groups[i].kind],
                             plan->groups[i].members);
        }
    }
}
