/* SPDX-License-Identifier: Apache-2.0 */
#include "rates.h"

#include <string.h>

static uint64_t grown(uint64_t before, uint64_t after)
{
    return after > before ? after - before : 0;
}

/* ----------------------------------------------------------------------------------------- latency */

/* Counters that went back are those of a new entry. */
static int is_continued(const shmbus_latency *before, const shmbus_latency *after)
{
    int continued = before->sum_ns <= after->sum_ns && before->largest_ns <= after->largest_ns;
    for (unsigned i = 0; i < SHMBUS_LATENCY_BUCKETS; i++) {
        continued &= before->buckets[i] <= after->buckets[i];
    }
    return continued;
}

/* The largest of all may be older: then it is known only as well as its bucket. */
static uint64_t largest_between(const shmbus_latency *before, const shmbus_latency *after,
                                const shmbus_latency *between)
{
    unsigned last = SHMBUS_LATENCY_BUCKETS;
    while (last > 0 && between->buckets[last - 1] == 0) {
        last--;
    }
    if (last == 0) {
        return 0;
    }
    const uint64_t bound = shmbus_latency_bound(last - 1) - 1;
    return after->largest_ns > before->largest_ns || bound > after->largest_ns ? after->largest_ns : bound;
}

void latency_between(const shmbus_latency *before, const shmbus_latency *after, shmbus_latency *between)
{
    *between = *after;
    if (!before || !is_continued(before, after)) {
        return;
    }
    between->samples = 0;
    between->sum_ns -= before->sum_ns;
    for (unsigned i = 0; i < SHMBUS_LATENCY_BUCKETS; i++) {
        between->buckets[i] -= before->buckets[i];
        between->samples += between->buckets[i];
    }
    between->largest_ns = largest_between(before, after, between);
}

void latency_add(shmbus_latency *sum, const shmbus_latency *more)
{
    if (more->samples == 0) {
        return;
    }
    sum->samples += more->samples;
    sum->sum_ns += more->sum_ns;
    sum->largest_ns = more->largest_ns > sum->largest_ns ? more->largest_ns : sum->largest_ns;
    for (unsigned i = 0; i < SHMBUS_LATENCY_BUCKETS; i++) {
        sum->buckets[i] += more->buckets[i];
    }
}

/* --------------------------------------------------------------------------------- who was there before */

/* Was entry `index` of the participants' table the same process's then? */
static int is_same_owner(const struct snapshot *before, const struct snapshot *after, uint32_t index)
{
    const shmbus_participant_info *then = snapshot_owner(before, index);
    const shmbus_participant_info *now = snapshot_owner(after, index);
    return then && now && then->generation == now->generation;
}

static const shmbus_publisher_info *publisher_before(const struct snapshot *before,
                                                     const struct snapshot_channel *channel,
                                                     const struct snapshot *after,
                                                     const shmbus_publisher_info *info)
{
    const shmbus_publisher_info *then = channel ? snapshot_publisher_of(before, channel, info->index) : NULL;
    const int same = then && then->participant == info->participant &&
                     is_same_owner(before, after, info->participant) &&
                     then->stats.messages <= info->stats.messages && then->stats.bytes <= info->stats.bytes;
    return same ? then : NULL;
}

static const struct snapshot_member *member_before(const struct snapshot *before,
                                                   const struct snapshot_channel *channel,
                                                   const struct snapshot *after,
                                                   const shmbus_member_info *info)
{
    for (size_t i = 0; channel && i < channel->members.count; i++) {
        const struct snapshot_member *then = snapshot_member(before, channel->members.first + i);
        if (then->info.index == info->index) {
            const int same =
                then->info.group == info->group && then->info.participant == info->participant &&
                (info->participant == UINT32_MAX || is_same_owner(before, after, info->participant)) &&
                then->info.stats.messages <= info->stats.messages;
            return same ? then : NULL;
        }
    }
    return NULL;
}

/* --------------------------------------------------------------------------------------- differences */

struct work {
    struct rates *rates;
    const struct snapshot *before; /* NULL: none */
    const struct snapshot *after;
    const struct snapshot_channel *then; /* the channel at hand, before; NULL: it was not there */
    struct channel_rates *channel;       /* what is gathered for it */
};

static void add_flow(struct flow *sum, const struct flow *more)
{
    sum->messages += more->messages;
    sum->bytes += more->bytes;
    sum->missed += more->missed;
    sum->blocked += more->blocked;
}

static struct participant_rates *owner_rates(const struct work *work, uint32_t index)
{
    const shmbus_participant_info *owner = snapshot_owner(work->after, index);
    const shmbus_participant_info *first = work->after->participants.items;
    return owner ? (struct participant_rates *)work->rates->participants.items + (owner - first) : NULL;
}

static void add_publisher(struct work *work, const shmbus_publisher_info *info)
{
    const shmbus_publisher_info *then = publisher_before(work->before, work->then, work->after, info);
    const shmbus_publisher_stats none = {0};
    const shmbus_publisher_stats *old = then ? &then->stats : &none;
    struct flow *flow = vector_add(&work->rates->publishers, sizeof *flow);
    struct participant_rates *owner = owner_rates(work, info->participant);
    if (work->before) {
        flow->messages = grown(old->messages, info->stats.messages);
        flow->bytes = grown(old->bytes, info->stats.bytes);
        flow->blocked = grown(old->blocked, info->stats.blocked);
    }
    work->channel->flow.bytes += flow->bytes;
    work->channel->flow.blocked += flow->blocked;
    if (owner) {
        add_flow(&owner->sent, flow);
        owner->publishers++;
    }
}

static void add_group(struct work *work, const shmbus_group_info *info)
{
    const shmbus_group_info *then = snapshot_group_before(work->before, work->then, info);
    const shmbus_group_info none = {0};
    const shmbus_group_info *old = then ? then : &none;
    struct flow *flow = vector_add(&work->rates->groups, sizeof *flow);
    if (work->before) {
        flow->messages = grown(old->messages, info->messages);
        flow->bytes = grown(old->bytes, info->bytes);
        flow->missed = grown(old->missed, info->missed);
    }
    work->channel->flow.missed += flow->missed;
    work->channel->missed += info->missed;
    work->channel->lag = info->pending > work->channel->lag ? info->pending : work->channel->lag;
}

static void add_member(struct work *work, const struct snapshot_member *now)
{
    const shmbus_member_info *info = &now->info;
    const struct snapshot_member *then = member_before(work->before, work->then, work->after, info);
    const shmbus_subscriber_stats none = {0};
    const shmbus_subscriber_stats *old = then ? &then->info.stats : &none;
    struct member_rates *member = vector_add(&work->rates->members, sizeof *member);
    struct participant_rates *owner = owner_rates(work, info->participant);
    if (work->before) {
        member->flow.messages = grown(old->messages, info->stats.messages);
        member->flow.bytes = grown(old->bytes, info->stats.bytes);
        member->flow.missed = grown(old->missed, info->stats.missed);
        latency_between(then ? &then->latency : NULL, &now->latency, &member->latency);
    }
    latency_add(&work->channel->latency, &member->latency);
    if (owner) {
        add_flow(&owner->got, &member->flow);
        owner->members++;
        owner->held += info->held;
    }
}

static void add_channel(struct work *work, const struct snapshot_channel *now)
{
    work->then = snapshot_channel_before(work->before, &now->info);
    work->channel = vector_add(&work->rates->channels, sizeof *work->channel);
    if (work->before) {
        work->channel->flow.messages = grown(
            work->then ? work->then->info.published : now->info.options.first_sequence, now->info.published);
    }
    for (size_t i = 0; i < now->publishers.count; i++) {
        add_publisher(work, snapshot_publisher(work->after, now->publishers.first + i));
    }
    for (size_t i = 0; i < now->groups.count; i++) {
        add_group(work, snapshot_group(work->after, now->groups.first + i));
    }
    for (size_t i = 0; i < now->members.count; i++) {
        add_member(work, snapshot_member(work->after, now->members.first + i));
    }
    add_flow(&work->rates->total, &work->channel->flow);
}

static void clear(struct rates *rates)
{
    rates->seconds = 0;
    rates->total = (struct flow){0};
    rates->channels.count = 0;
    rates->publishers.count = 0;
    rates->groups.count = 0;
    rates->members.count = 0;
    rates->participants.count = 0;
}

void rates_compute(struct rates *rates, const struct snapshot *before, const struct snapshot *after)
{
    struct work work = {.rates = rates, .before = before, .after = after};
    clear(rates);
    if (before) {
        rates->seconds = (double)(after->at - before->at) / 1e9;
    }
    for (size_t i = 0; i < after->participants.count; i++) {
        (void)vector_add(&rates->participants, sizeof(struct participant_rates));
    }
    for (size_t i = 0; i < after->channels.count; i++) {
        add_channel(&work, snapshot_channel(after, i));
    }
}

void rates_free(struct rates *rates)
{
    vector_free(&rates->channels);
    vector_free(&rates->publishers);
    vector_free(&rates->groups);
    vector_free(&rates->members);
    vector_free(&rates->participants);
}

double rate_of(const struct rates *rates, uint64_t count)
{
    return rates->seconds > 0 ? (double)count / rates->seconds : 0;
}
