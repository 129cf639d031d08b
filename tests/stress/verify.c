/* SPDX-License-Identifier: Apache-2.0 */
#include "verify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------- the bus's figures */

static uint64_t sum_of(const struct plan *plan, const struct ledger *ledger, bool aborted)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < plan->publishers; i++) {
        sum += atomic_load(aborted ? &ledger->publishers[i].aborted : &ledger->publishers[i].committed);
    }
    return sum;
}

static void check_group(const struct plan *plan, struct ledger *ledger, uint64_t published,
                        const shmbus_group_info *info)
{
    const unsigned g = (unsigned)strtoul(info->name + strlen("group-"), NULL, 10);
    const struct plan_group *group = &plan->groups[g];
    const uint64_t from = group->kind == GROUP_NONE ? 0 : published - info->joined;
    if (info->pending != 0 || info->position != published) {
        ledger_fail(ledger,
                    "group %u is at %" PRIu64 " with %" PRIu64 " pending; published was up to %" PRIu64, g,
                    info->position, info->pending, published);
    }
    if (!plan_kills(plan) && from != info->messages + info->missed + info->aborted) {
        ledger_fail(ledger,
                    "group %u: %" PRIu64 " published since it joined, but its members count %" PRIu64
                    " messages, %" PRIu64 " missed, %" PRIu64 " aborted",
                    g, from, info->messages, info->missed, info->aborted);
    }
    if (plan->overflow == SHMBUS_BLOCK && info->missed != 0) {
        ledger_fail(ledger, "group %u of a channel that does not overwrite has missed %" PRIu64, g,
                    info->missed);
    }
    const uint64_t seen = atomic_load(&ledger->groups[g].seen);
    if (!plan_kills(plan) && info->messages != seen) {
        ledger_fail(ledger, "group %u: its members count %" PRIu64 " messages, they saw %" PRIu64, g,
                    info->messages, seen);
    }
}

void verify_figures(const struct crew *crew)
{
    const struct plan *plan = crew->plan;
    struct ledger *ledger = crew->ledger;
    shmbus_channel_info channel;
    shmbus_group_info group;
    if (!crew_channel(crew, &channel)) {
        return;
    }
    const uint64_t committed = sum_of(plan, ledger, false);
    const uint64_t aborted = sum_of(plan, ledger, true);
    if (!plan_kills(plan) && channel.published - plan->first != committed + aborted) {
        ledger_fail(ledger,
                    "%" PRIu64 " messages were committed and %" PRIu64 " aborted, but %" PRIu64 " published",
                    committed, aborted, channel.published - plan->first);
    }
    unsigned found = 0;
    unsigned expected = 0;
    for (uint32_t cursor = 0; shmbus_view_group(crew->view, channel.index, &cursor, &group) == 1;) {
        if (strncmp(group.name, "group-", 6) == 0) {
            check_group(plan, ledger, channel.published, &group);
            found++;
        }
    }
    for (unsigned g = 0; g < PLAN_GROUPS; g++) {
        expected += plan_sees_all(&plan->groups[g]);
    }
    if (found != expected) {
        ledger_fail(ledger, "the channel has %u groups that see everything, not %u", found, expected);
    }
}

/* ---------------------------------------------------------------------------------------- the ledger */

/* The walk along the sequences, in the order of the ring. */
struct walk {
    const struct plan *plan;
    struct ledger *ledger;
    bool whole;    /* whatever lies in the ring was seen */
    bool complete; /* and each publisher has sent all its messages */
    uint64_t at;
    uint8_t holder[4096]; /* 1 + the worker behind each of the channel's publisher numbers */
    uint64_t
        next[PLAN_PUBLISHERS]; /* number behind the last one of each worker; small messages have no name */
    uint64_t unseen[PLAN_GROUPS];
    uint8_t *arrived[PLAN_PUBLISHERS];
};

static void check_aborted(struct walk *walk)
{
    for (unsigned g = 0; g < PLAN_GROUPS; g++) {
        if (plan_sees_all(&walk->plan->groups[g]) && atomic_load(&walk->ledger->seen[g][walk->at]) != 0) {
            ledger_fail(walk->ledger, "message %" PRIu64 " was given up, but group %u has seen it",
                        walk->plan->first + walk->at, g);
        }
    }
}

static bool has_full_group(const struct plan *plan)
{
    for (unsigned g = 0; g < PLAN_GROUPS; g++) {
        if (plan_sees_all(&plan->groups[g])) {
            return true;
        }
    }
    return false;
}

/* Which message lies here? By its name, or by what its publisher sent before. */
static bool identify(struct walk *walk, struct message_id *id)
{
    struct ledger *ledger = walk->ledger;
    const uint64_t name = atomic_load(&ledger->name[walk->at]);
    const uint16_t index = atomic_load(&ledger->index[walk->at]);
    if (name != 0) {
        *id = (struct message_id){.publisher = (uint32_t)((name - 1) >> 32), .number = (uint32_t)(name - 1)};
        if (index != 0) {
            walk->holder[index - 1] = (uint8_t)(id->publisher + 1);
        }
        return true;
    }
    if (index == 0 || walk->holder[index - 1] == 0) {
        return false;
    }
    id->publisher = walk->holder[index - 1] - 1u;
    id->number = (uint32_t)walk->next[id->publisher];
    return true;
}

/* A message without a name must have the content of the one that had to come. */
static void check_small(struct walk *walk, struct message_id id)
{
    const uint64_t record = atomic_load(&walk->ledger->record[walk->at]);
    const uint64_t digest = message_digest_of_small(RECORD_SIZE(record), walk->ledger->seed, id);
    if ((digest & RECORD_DIGEST_MASK) != (record & RECORD_DIGEST_MASK)) {
        ledger_fail(walk->ledger, "message %" PRIu64 " of %u bytes is not number %u of publisher %u",
                    walk->plan->first + walk->at, RECORD_SIZE(record), id.number, id.publisher);
    }
}

/* The message must be the next of its publisher, or a later one where some may be missing. */
static void check_message(struct walk *walk)
{
    struct ledger *ledger = walk->ledger;
    const uint64_t sequence = walk->plan->first + walk->at;
    const bool small = atomic_load(&ledger->name[walk->at]) == 0;
    struct message_id id;
    if (small && !walk->whole) {
        return; /* what came before it may be missing */
    }
    if (!identify(walk, &id)) {
        ledger_fail(ledger, "message %" PRIu64 " of %u bytes follows no message of its publisher", sequence,
                    RECORD_SIZE(atomic_load(&ledger->record[walk->at])));
        return;
    }
    if (id.publisher >= walk->plan->publishers || id.number >= walk->plan->messages) {
        ledger_fail(ledger, "message %" PRIu64 " is number %u of publisher %u, which does not exist",
                    sequence, id.number, id.publisher);
        return;
    }
    const uint64_t expected = walk->next[id.publisher];
    if (id.number < expected || (walk->complete && id.number != expected)) {
        ledger_fail(ledger,
                    "message %" PRIu64 " is number %u of publisher %u; number %" PRIu64 " had to come",
                    sequence, id.number, id.publisher, expected);
    }
    if (small) {
        check_small(walk, id);
    }
    walk->arrived[id.publisher][id.number] = 1;
    walk->next[id.publisher] = (uint64_t)id.number + 1;
}

/* Killed in shmbus_recv(), a reader may have had one message that it could not write down. */
static bool excused(struct walk *walk, unsigned group)
{
    return ++walk->unseen[group] <= atomic_load(&walk->ledger->groups[group].excused);
}

static void step(struct walk *walk)
{
    struct ledger *ledger = walk->ledger;
    const unsigned kind = RECORD_KIND(atomic_load(&ledger->record[walk->at]));
    if (kind == RECORD_ABORTED) {
        check_aborted(walk);
        return;
    }
    bool any = false;
    for (unsigned g = 0; g < PLAN_GROUPS; g++) {
        any |= plan_sees_all(&walk->plan->groups[g]) && atomic_load(&ledger->seen[g][walk->at]) != 0;
    }
    for (unsigned g = 0; g < PLAN_GROUPS; g++) {
        if (walk->whole && (any || walk->complete) && plan_sees_all(&walk->plan->groups[g]) &&
            atomic_load(&ledger->seen[g][walk->at]) == 0 && !excused(walk, g)) {
            ledger_fail(ledger, "group %u has not seen message %" PRIu64, g, walk->plan->first + walk->at);
        }
    }
    if (kind == RECORD_MESSAGE && (any || !walk->whole)) {
        check_message(walk);
    }
}

/* Whatever was committed has arrived. */
static void check_arrived(struct walk *walk)
{
    for (unsigned p = 0; p < walk->plan->publishers; p++) {
        for (uint32_t n = 0; n < walk->plan->messages; n++) {
            const uint8_t state = atomic_load(&walk->ledger->numbers[p][n]);
            if (state == NUMBER_COMMITTED && !walk->arrived[p][n]) {
                ledger_fail(walk->ledger, "number %u of publisher %u was committed and is lost", n, p);
            }
            if (state != NUMBER_COMMITTED && !walk->plan->kill_publishers) {
                ledger_fail(walk->ledger, "number %u of publisher %u was not committed", n, p);
            }
        }
    }
}

void verify_ledger(const struct plan *plan, struct ledger *ledger, uint64_t published)
{
    static struct walk walk;
    memset(&walk, 0, sizeof walk);
    walk.plan = plan;
    walk.ledger = ledger;
    walk.whole = plan->overflow == SHMBUS_BLOCK && has_full_group(plan);
    walk.complete = walk.whole && !plan->kill_publishers;
    const uint64_t count = published - plan->first;
    if (count > ledger->capacity) {
        ledger_fail(ledger, "%" PRIu64 " messages were published, more than the %" PRIu64 " of this round",
                    count, ledger->capacity);
        return;
    }
    uint8_t *arrived = calloc(plan->publishers, plan->messages);
    if (!arrived) {
        ledger_fail(ledger, "no memory for the verdict");
        return;
    }
    for (unsigned p = 0; p < plan->publishers; p++) {
        walk.arrived[p] = arrived + (size_t)p * plan->messages;
    }
    for (walk.at = 0; walk.at < count; walk.at++) {
        step(&walk);
    }
    if (walk.whole) {
        check_arrived(&walk);
    }
    free(arrived);
}
