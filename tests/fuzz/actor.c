/* SPDX-License-Identifier: Apache-2.0 */
#include "actor.h"

#include "actor_acts.h"
#include "verdict.h"

static const struct {
    const char *name;
    void (*act)(struct actor *actor);
    unsigned kind;
} acts[] = {
    {"send", act_send, ACTOR_SENDS},
    {"send_batch", act_send_batch, ACTOR_SENDS},
    {"claim", act_claim, ACTOR_SENDS},
    {"claim_batch", act_claim_batch, ACTOR_SENDS},
    {"commit or abort", act_finish, ACTOR_SENDS},
    {"commit or abort batch", act_finish_batch, ACTOR_SENDS},
    {"publisher_stats", act_publisher_stats, ACTOR_SENDS},
    {"publisher_close", act_publisher_close, ACTOR_SENDS},
    {"recv", act_recv, ACTOR_RECEIVES},
    {"peek", act_peek, ACTOR_RECEIVES},
    {"next", act_next, ACTOR_RECEIVES},
    {"release", act_release, ACTOR_RECEIVES},
    {"poll", act_poll, ACTOR_RECEIVES},
    {"subscriber_stats", act_subscriber_stats, ACTOR_RECEIVES},
    {"subscriber_open", act_join, ACTOR_JOINS},
    {"subscriber_close", act_leave, ACTOR_JOINS},
    {"group_remove", act_remove_group, ACTOR_JOINS},
    {"waitset_wait", act_wait, ACTOR_WAITS},
    {"waitset_add_subscriber", act_wait_for_message, ACTOR_WAITS},
    {"waitset_add_publisher", act_wait_for_room, ACTOR_WAITS},
    {"open", act_attach, ACTOR_CHANNELS},
    {"channel_create", act_create, ACTOR_CHANNELS},
    {"channel_remove", act_remove, ACTOR_CHANNELS},
    {"channel_options_of", act_options, ACTOR_CHANNELS},
    {"recover", act_recover, ACTOR_RECOVERS},
    {"view", act_look, ACTOR_INSPECTS},
};

#define ACTS (sizeof acts / sizeof *acts)

void actor_begin(struct actor *actor, const char *bus_name, struct bytes *bytes)
{
    *actor = (struct actor){.bus_name = bus_name, .bytes = bytes, .doing = "nothing"};
}

/* Number `number` of those of the role's kinds, on a circle. */
static size_t of_kinds(unsigned kinds, uint32_t number)
{
    size_t at = 0;
    for (;; at = (at + 1) % ACTS) {
        if ((acts[at].kind & kinds) && number-- == 0) {
            return at;
        }
    }
}

/* Without the bus nothing else can be done. */
static bool is_attached(struct actor *actor)
{
    if (!actor->bus) {
        actor->doing = "open";
        act_attach(actor);
    }
    return actor->bus != NULL;
}

void actor_act(struct actor *actor, unsigned kinds)
{
    const size_t at = of_kinds(kinds, bytes_below(actor->bytes, 64));
    const int64_t start = verdict_cpu_ns();
    if (acts[at].kind == ACTOR_INSPECTS || is_attached(actor)) {
        actor->doing = acts[at].name;
        acts[at].act(actor);
    }
    verdict_prompt(actor->doing, start);
}

void actor_end(struct actor *actor)
{
    const int64_t start = verdict_cpu_ns();
    actor->doing = "close";
    if (actor->set) {
        (void)actor_check(actor, shmbus_waitset_close(actor->set));
    }
    if (actor->bus && actor_check(actor, shmbus_close(actor->bus)) != 0) {
        fuzz_fail("the bus cannot be closed");
    }
    shmbus_view_close(actor->view);
    verdict_prompt(actor->doing, start);
    const bool large = actor->large;
    actor_begin(actor, actor->bus_name, actor->bytes);
    actor->large = large;
}

int64_t actor_check(const struct actor *actor, int64_t result)
{
    return verdict_of(actor->doing, result);
}

int64_t actor_deadline(struct actor *actor)
{
    const uint32_t choice = bytes_below(actor->bytes, 16);
    return choice < 12 ? SHMBUS_NOWAIT : shmbus_deadline(INT64_C(1000) << (2 * (choice - 12)));
}

const char *actor_channel(struct actor *actor)
{
    const uint32_t choice = bytes_below(actor->bytes, 16);
    return choice < 14 ? "c" : choice < 15 ? "other" : "none";
}

const shmbus_channel_options *actor_shape(struct actor *actor)
{
    static const shmbus_channel_options small = {.arena = 4096, .largest = 1500};
    return bytes_below(actor->bytes, 8) ? &small : NULL;
}
