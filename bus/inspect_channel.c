/* SPDX-License-Identifier: Apache-2.0 */
/* inspect.h: channels, their publishers, groups and members, latencies. */
#include "cursor.h"
#include "error.h"
#include "inspect_view.h"
#include "latency.h"
#include "ring_glance.h"
#include "ring_producer.h"
#include "ring_repair.h"

/* Messages looked through for one that says when it was sent: a megabyte of slots at most. */
#define SENT_LOOKS 4096u

/*
 * May publishers count on it? A group whose first member is still joining is active, so that its messages stay, but may
 * yet begin behind the next one. It is durable only when its place is settled.
 */
static bool is_settled(const struct ring *ring, uint32_t index)
{
    const uint64_t state = load64_acquire(&ring->groups[index].state); /* [acq:group-state] */
    bool settled = (state & GROUP_DURABLE) != 0;
    for (uint32_t i = 0; (state & GROUP_ACTIVE) && !settled && i < ring->member_max; i++) {
        const struct shm_member *member = &ring->members[i];
        settled = member_joined(load64_acquire(&member->owner)) && /* [acq:owner] */
                  load32_acquire(&member->group) == index;         /* [acq:member-group] */
    }
    return settled && (state & GROUP_ACTIVE);
}

static void count_users(const struct ring *ring, shmbus_channel_info *info)
{
    for (uint32_t i = 0; i < ring->publisher_max; i++) {
        info->publishers += load64_acquire(&ring->publishers[i].owner) != OWNER_NONE; /* [acq:owner] */
    }
    for (uint32_t i = 0; i < ring->group_max; i++) {
        info->groups += is_settled(ring, i);
    }
    for (uint32_t i = 0; i < ring->member_max; i++) {
        info->members += member_joined(load64_acquire(&ring->members[i].owner)); /* [acq:owner] */
    }
}

/* 1, or -ENOENT: what was filled may be another channel's. */
static int seen(const struct shmbus_view *view, uint32_t index)
{
    const int gone = view_channel_stays(view, index);
    return gone == 0 ? 1 : gone;
}

/* ------------------------------------------------------------------------------------------ groups */

static void add_counters(const struct shm_member *member, shmbus_group_info *info)
{
    info->messages += load64_relaxed(&member->messages);
    info->bytes += load64_relaxed(&member->bytes);
    info->missed += load64_relaxed(&member->missed);
    info->aborted += load64_relaxed(&member->aborted);
    info->redelivered += load64_relaxed(&member->redelivered);
}

/*
 * The group's position: the least that it holds, whether published by now or not. Member number `settled` - 1 is in
 * the group's totals already.
 */
static void add_members(const struct ring *ring, uint32_t group, uint32_t settled, uint64_t *sequence,
                        shmbus_group_info *info)
{
    const bool shared = info->shared;
    const uint64_t cursor = *sequence;
    for (uint32_t i = 0; i < ring->member_max; i++) {
        const struct shm_member *member = &ring->members[i];
        const uint64_t owner = load64_acquire(&member->owner);                /* [acq:owner] */
        if (owner == OWNER_NONE || load32_acquire(&member->group) != group) { /* [acq:member-group] */
            continue;
        }
        if (i + 1 != settled) {
            add_counters(member, info);
        }
        info->members += member_joined(owner);
        if (!member_in_use(owner)) {
            continue;
        }
        const uint64_t held =
            sequence_near(cursor, position_sequence(load64_acquire(&member->held))); /* [acq:held] */
        if (!shared && held > *sequence) {
            *sequence = held;
        }
        if (shared && load32_relaxed(&member->busy) && held < cursor) {
            const uint64_t end = sequence_near(cursor, load32_relaxed(&member->held_end));
            *sequence = held < *sequence ? held : *sequence;
            info->pending += held < end ? (end < cursor ? end : cursor) - held : 0;
        }
    }
}

/* For ring_claimer(): of a copy nobody knows who is alive, and all may be. */
static bool may_live(const void *view, uint64_t owner)
{
    return view_alive(view, owner) != 0;
}

/* What is to be said of the message that the group stands at, when there is one. */
static void look_at_front(const struct shmbus_view *view, const struct ring *ring, uint64_t tail,
                          shmbus_group_info *info)
{
    const uint64_t behind = tail - info->position;
    if (behind == 0 || behind > ring->slot_count) {
        return;
    }
    info->oldest_ns =
        (int64_t)glance_sent(ring, info->position, behind < SENT_LOOKS ? (uint32_t)behind : SENT_LOOKS);
    if (!ring_finished(ring, info->position)) {
        const struct ring_living living = {.alive = may_live, .who = view};
        info->unfinished = 1;
        info->waits_for = ring_claimer(ring, &living, info->position, tail);
    }
}

static void fill_group(const struct shmbus_view *view, const struct ring *ring, uint32_t index,
                       shmbus_group_info *info)
{
    const struct shm_group *group = &ring->groups[index];
    const uint64_t state = load64_relaxed(&group->state);
    const uint32_t settled = load32_acquire(&group->settled); /* [acq:settled] */
    const struct shm_totals *totals = &group->totals[settled & 1];
    *info = (shmbus_group_info){
        .index = index,
        .shared = (state & GROUP_SHARED) != 0,
        .durable = (state & GROUP_DURABLE) != 0,
        .joined = load64_relaxed(&group->joined),
        .messages = load64_relaxed(&totals->messages),
        .bytes = load64_relaxed(&totals->bytes),
        .missed = load64_relaxed(&totals->missed),
        .aborted = load64_relaxed(&totals->aborted),
        .redelivered = load64_relaxed(&totals->redelivered),
        .waits_for = UINT32_MAX,
        .interrupted = state & GROUP_INTERRUPTED ? load32_relaxed(&group->attempts) : 0,
    };
    view_name(info->name, group->name);
    const uint64_t cursor = cursor_sequence(ring, load64_acquire(&group->cursor)); /* [acq:cursor] */
    uint64_t sequence = cursor;
    add_members(ring, index, settled >> 1, &sequence, info);
    position tail;
    const uint64_t end = ring_tail(ring, &tail);
    info->pending += end - (info->shared ? cursor : sequence);
    info->position = sequence;
    look_at_front(view, ring, end, info);
}

int shmbus_view_group(shmbus_view *view, uint32_t index, uint32_t *cursor, shmbus_group_info *info)
{
    int err = view_check(view, cursor && info ? info : NULL);
    const struct view_channel *channel = err == 0 ? view_channel(view, index, &err) : NULL;
    if (!channel) {
        return err;
    }
    const struct ring *ring = &channel->ring;
    for (; *cursor < ring->group_max; ++*cursor) {
        if (load64_acquire(&ring->groups[*cursor].state) & GROUP_ACTIVE) { /* [acq:group-state] */
            fill_group(view, ring, (*cursor)++, info);
            return seen(view, index);
        }
    }
    return view_channel_stays(view, index);
}

/* ---------------------------------------------------------------------------------------- channels */

/* How far the group furthest behind is: a cursor of a shared group may be ahead of what its members hold. */
static uint64_t most_pending(const struct ring *ring, uint64_t tail)
{
    uint64_t most = 0;
    for (uint32_t i = 0; i < ring->group_max; i++) {
        const struct shm_group *group = &ring->groups[i];
        const uint64_t state = load64_acquire(&group->state); /* [acq:group-state] */
        if (state & GROUP_ACTIVE) {
            shmbus_group_info info = {.shared = (state & GROUP_SHARED) != 0};
            uint64_t sequence = cursor_sequence(ring, load64_acquire(&group->cursor)); /* [acq:cursor] */
            add_members(ring, i, 0, &sequence, &info);
            const uint64_t pending = (int64_t)(tail - sequence) > 0 ? tail - sequence : 0;
            most = pending > most ? pending : most;
        }
    }
    return most;
}

static void fill_channel(const struct shmbus_view *view, uint32_t index, const struct view_channel *channel,
                         shmbus_channel_info *info)
{
    const struct ring *ring = &channel->ring;
    position tail;
    *info = (shmbus_channel_info){
        .index = index,
        .generation = channel->generation,
        .options = channel->geometry.options,
        .size = channel->geometry.size,
        .published = ring_tail(ring, &tail),
        .oldest = glance_oldest(ring),
        .readers_asleep = (load64_relaxed(&ring->shared->data.sleepers) & WAIT_FLAGS) != 0,
        .publishers_asleep = (load64_relaxed(&ring->shared->space.sleepers) & WAIT_FLAGS) != 0,
    };
    info->pending = most_pending(ring, info->published);
    view_name(info->name, view->entries[index].name);
    count_users(ring, info);
}

int shmbus_view_channel(shmbus_view *view, uint32_t *cursor, shmbus_channel_info *info)
{
    int err = view_check(view, cursor && info ? info : NULL);
    if (err != 0) {
        return err;
    }
    err = -ENOENT;
    while (err == -ENOENT && *cursor < view->geometry.channels) {
        const uint32_t index = (*cursor)++;
        err = 0;
        const struct view_channel *channel = view_channel(view, index, &err);
        if (channel) {
            fill_channel(view, index, channel, info);
            err = view_channel_stays(view, index);
        }
    }
    return err == 0 ? 1 : err == -ENOENT ? 0 : err;
}

/* --------------------------------------------------------------------------- publishers and members */

int shmbus_view_publisher(shmbus_view *view, uint32_t index, uint32_t *cursor, shmbus_publisher_info *info)
{
    int err = view_check(view, cursor && info ? info : NULL);
    const struct view_channel *channel = err == 0 ? view_channel(view, index, &err) : NULL;
    if (!channel) {
        return err;
    }
    const struct ring *ring = &channel->ring;
    for (; *cursor < ring->publisher_max; ++*cursor) {
        const struct shm_publisher *entry = &ring->publishers[*cursor];
        const uint64_t owner = load64_acquire(&entry->owner); /* [acq:owner] */
        if (owner == OWNER_NONE) {
            continue;
        }
        *info = (shmbus_publisher_info){
            .index = (*cursor)++,
            .participant = participant_index(owner),
            .alive = view_alive(view, owner),
            .fenced = load32_relaxed(&entry->fenced) != 0,
            .stats =
                {
                    .messages = producer_messages(ring, entry),
                    .bytes = load64_relaxed(&entry->bytes),
                    .aborted = load64_relaxed(&entry->aborted),
                    .blocked = load64_relaxed(&entry->blocked),
                    .spins = load64_relaxed(&entry->spins),
                    .sleeps = load64_relaxed(&entry->sleeps),
                    .wakes = load64_relaxed(&entry->wakes),
                },
        };
        return seen(view, index);
    }
    return view_channel_stays(view, index);
}

/* The words are of several moments: what it has just taken over may lie before what it held. */
static uint32_t count_held(const struct shm_member *member, uint64_t held)
{
    const int32_t count = (int32_t)(load32_relaxed(&member->held_end) - (uint32_t)held);
    return load32_relaxed(&member->busy) && count > 0 ? (uint32_t)count : 0;
}

static void fill_member(const struct shmbus_view *view, const struct ring *ring, uint32_t index,
                        uint64_t owner, shmbus_member_info *info)
{
    const struct shm_member *member = &ring->members[index];
    const uint64_t held = cursor_sequence(ring, load64_acquire(&member->held)); /* [acq:held] */
    *info = (shmbus_member_info){
        .index = index,
        .group = load32_relaxed(&member->group) & ~MEMBER_JOINING,
        .participant = member_joined(owner) ? participant_index(owner) : UINT32_MAX,
        .alive = member_joined(owner) ? view_alive(view, owner) : 0,
        .held = count_held(member, held),
        .held_first = held,
        .stats =
            {
                .messages = load64_relaxed(&member->messages),
                .bytes = load64_relaxed(&member->bytes),
                .missed = load64_relaxed(&member->missed),
                .aborted = load64_relaxed(&member->aborted),
                .redelivered = load64_relaxed(&member->redelivered),
                .spins = load64_relaxed(&member->spins),
                .sleeps = load64_relaxed(&member->sleeps),
                .largest_lag = load64_relaxed(&member->largest_lag),
                .position = held,
            },
    };
}

int shmbus_view_member(shmbus_view *view, uint32_t index, uint32_t *cursor, shmbus_member_info *info)
{
    int err = view_check(view, cursor && info ? info : NULL);
    const struct view_channel *channel = err == 0 ? view_channel(view, index, &err) : NULL;
    if (!channel) {
        return err;
    }
    const struct ring *ring = &channel->ring;
    for (; *cursor < ring->member_max; ++*cursor) {
        const uint64_t owner = load64_acquire(&ring->members[*cursor].owner); /* [acq:owner] */
        if (member_in_use(owner)) {
            fill_member(view, ring, (*cursor)++, owner, info);
            return seen(view, index);
        }
    }
    return view_channel_stays(view, index);
}

/* ------------------------------------------------------------------------------------------ latency */

int shmbus_view_latency(shmbus_view *view, uint32_t index, uint32_t member, shmbus_latency *latency)
{
    int err = view_check(view, latency);
    const struct view_channel *channel = err == 0 ? view_channel(view, index, &err) : NULL;
    if (!channel) {
        return err;
    }
    if (member >= channel->ring.member_max) {
        return error_set(-EINVAL, "member is %u, channel %u has %u", member, index, channel->ring.member_max);
    }
    const struct shm_latency *shared = &channel->ring.latencies[member];
    *latency = (shmbus_latency){
        .sum_ns = load64_relaxed(&shared->sum),
        .largest_ns = load64_relaxed(&shared->largest),
    };
    for (unsigned i = 0; i < SHMBUS_LATENCY_BUCKETS; i++) {
        latency->buckets[i] = load64_relaxed(&shared->buckets[i]);
        latency->samples += latency->buckets[i];
    }
    return view_channel_stays(view, index);
}

uint64_t shmbus_latency_bound(unsigned index)
{
    return index < SHMBUS_LATENCY_BUCKETS - 1 ? latency_start(index + 1) : UINT64_MAX;
}

/* The last bucket has no upper end but the largest sample, which bounds every bucket. */
static uint64_t bucket_end(const shmbus_latency *latency, unsigned index)
{
    const uint64_t bound = shmbus_latency_bound(index);
    const uint64_t most = latency->largest_ns > latency_start(index) ? latency->largest_ns : bound;
    return most < bound ? most : bound;
}

uint64_t shmbus_latency_quantile(const shmbus_latency *latency, double share)
{
    if (!latency || latency->samples == 0) {
        return 0;
    }
    const double wanted = (share < 0 ? 0 : share > 1 ? 1 : share) * (double)latency->samples;
    double before = 0;
    for (unsigned i = 0; i < SHMBUS_LATENCY_BUCKETS; i++) {
        const double count = (double)latency->buckets[i];
        if (count > 0 && before + count >= wanted) {
            const double start = (double)latency_start(i);
            const double width = (double)bucket_end(latency, i) - start;
            const double time = start + width * ((wanted - before) / count);
            return time < 0x1p64 ? (uint64_t)time : UINT64_MAX; /* of a damaged segment */
        }
        before += count;
    }
    return latency->largest_ns;
}
