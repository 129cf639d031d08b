/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "subscriber.h"

#include "cursor.h"
#include "error.h"
#include "latency.h"
#include "os_clock.h"
#include "recovery.h"
#include "wait.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUP_KIND (GROUP_SHARED | GROUP_DURABLE)

static int find_group(const struct ring *ring, const char *name)
{
    for (uint32_t i = 0; i < ring->group_max; i++) {
        const struct shm_group *group = &ring->groups[i];
        if ((load64_acquire(&group->state) & GROUP_ACTIVE) && /* [acq:group-state] */
            strncmp(group->name, name, NAME_SIZE) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static int free_group(const struct ring *ring)
{
    for (uint32_t i = 0; i < ring->group_max; i++) {
        if (!(load64_acquire(&ring->groups[i].state) & GROUP_ACTIVE)) { /* [acq:group-state] */
            return (int)i;
        }
    }
    return -1;
}

static int free_member(const struct ring *ring)
{
    for (uint32_t i = 0; i < ring->member_max; i++) {
        if (load64_acquire(&ring->members[i].owner) == OWNER_NONE) { /* [acq:owner] */
            return (int)i;
        }
    }
    return -1;
}

/* The member of an exclusive group, or -1. */
static int member_of(const struct ring *ring, uint32_t group)
{
    for (uint32_t i = 0; i < ring->member_max; i++) {
        if (member_joined(load64_acquire(&ring->members[i].owner)) && /* [acq:owner] */
            load32_acquire(&ring->members[i].group) == group) {       /* [acq:member-group] */
            return (int)i;
        }
    }
    return -1;
}

static int group_taken(const struct channel *channel, const char *name, int member)
{
    const struct participant *self = &channel->segment->self;
    const uint32_t owner = participant_index(load64_relaxed(&channel->ring.members[member].owner));
    const struct shm_participant *holder = &self->table[owner < self->count ? owner : 0];
    return error_set(
        -EBUSY,
        "group \"%s\" of channel \"%s\" is not shared and has a member: participant %u \"%.*s\", "
        "pid %u",
        name, channel->name, owner, SHMBUS_NAME_MAX, holder->name, load32_relaxed(&holder->pid));
}

/* May a member with these options step into the group that is there? -EAGAIN: it is not there any more. */
static int check_group(const struct channel *channel, uint32_t index,
                       const shmbus_subscriber_options *options)
{
    const uint64_t state = load64_relaxed(&channel->ring.groups[index].state);
    const bool shared = (state & GROUP_SHARED) != 0;
    const bool durable = (state & GROUP_DURABLE) != 0;
    if (!(state & GROUP_ACTIVE)) {
        return -EAGAIN; /* it has gone with its last member since it was found */
    }
    if (shared != (options->shared != 0) || (options->durable && !durable)) {
        return error_set(-EBUSY, "group \"%s\" of channel \"%s\" exists and is %s and %s", options->group,
                         channel->name, shared ? "shared" : "not shared",
                         durable ? "durable" : "not durable");
    }
    const int member = shared ? -1 : member_of(&channel->ring, index);
    return member >= 0 ? group_taken(channel, options->group, member) : 0;
}

static void clear_group(struct shm_group *group, const char *name)
{
    memset(group->name, 0, sizeof group->name);
    memcpy(group->name, name, strlen(name));
    struct shm_totals *totals = &group->totals[0];
    store64_relaxed(&totals->messages, 0);
    store64_relaxed(&totals->bytes, 0);
    store64_relaxed(&totals->missed, 0);
    store64_relaxed(&totals->aborted, 0);
    store64_relaxed(&totals->redelivered, 0);
    store32_relaxed(&group->settled, 0);
    store32_relaxed(&group->attempts, 0);
    store32_relaxed(&group->interrupted_end, 0);
}

static void used_up_to(atomic_u32 *used, uint32_t index)
{
    if (load32_relaxed(used) <= index) {
        store32_release(used, index + 1); /* [rel:tables] */
    }
}

/* Makes a new group active; its first sequence. The member's entry is there already, not yet joined. */
static uint64_t start_group(struct channel *channel, uint32_t index, const char *name,
                            const shmbus_subscriber_options *options)
{
    const struct ring *ring = &channel->ring;
    struct shm_group *group = &ring->groups[index];
    clear_group(group, name);
    used_up_to(&ring->shared->groups_used, index);
    const uint64_t flags = (options->shared ? GROUP_SHARED : 0) | (options->durable ? GROUP_DURABLE : 0);
    const uint64_t first = cursor_join(ring, group, flags, options->from == SHMBUS_FROM_OLDEST);
    store64_relaxed(&group->joined, first);
    return first;
}

/*
 * Steps into an existing group: where its member starts. False when the group has gone with its last member since it
 * was found. The member's entry names it already: who frees the group now and has not seen that finds its state
 * changed.
 */
static bool enter_group(struct channel *channel, uint32_t index, uint64_t *first)
{
    const struct ring *ring = &channel->ring;
    struct shm_group *group = &ring->groups[index];
    uint64_t state = load64_acquire(&group->state); /* [acq:group-state] */
    do {
        if (!(state & GROUP_ACTIVE)) {
            return false;
        }
    } while (
        !cas64_acq_rel(&group->state, &state, state + GROUP_JOIN)); /* [rel:group-state] [acq:group-state] */
    *first = cursor_sequence(ring, load64_acquire(&group->cursor)); /* [acq:cursor] */
    return true;
}

static void take_member(struct channel *channel, uint32_t index, uint32_t group)
{
    struct shm_member *member = &channel->ring.members[index];
    /* Word by word: others look at entries that are free, too. */
    store32_relaxed(&member->group, group | MEMBER_JOINING);
    store32_release(&member->busy,
                    MEMBER_IDLE);      /* [rel:busy] who sees it knows that the last user has read all */
    store64_release(&member->held, 0); /* [rel:held] who sees it sees that the entry has left its group */
    store32_relaxed(&member->held_end, 0);
    store32_relaxed(&member->attempts, 0);
    store64_relaxed(&member->messages, 0);
    store64_relaxed(&member->bytes, 0);
    store64_relaxed(&member->missed, 0);
    store64_relaxed(&member->aborted, 0);
    store64_relaxed(&member->redelivered, 0);
    store64_relaxed(&member->sleeps, 0);
    store64_relaxed(&member->spins, 0);
    store64_relaxed(&member->largest_lag, 0);
    latency_clear(&channel->ring.latencies[index]);
    used_up_to(&channel->ring.shared->members_used, index);
    store64_release(&member->owner, channel->segment->self.owner); /* [rel:owner] */
}

/*
 * Makes it a member. A group that was interrupted by a death may have seen its next messages already: its member says
 * so before it is one, and the group no more from then on.
 */
static void become_member(struct consumer *consumer, uint32_t index)
{
    struct shm_group *group = consumer->group;
    const bool interrupted = (load64_relaxed(&group->state) & GROUP_INTERRUPTED) != 0;
    if (interrupted) {
        const uint32_t seen = load32_relaxed(&group->interrupted_end) - (uint32_t)consumer->sequence;
        const bool sound = seen >= 1 && seen <= consumer->ring->slot_count;
        consumer_expect_redelivery(consumer, sound ? seen : 1, load32_relaxed(&group->attempts));
    }
    store32_release(&consumer->own->group, index); /* [rel:member-group] */
    if (interrupted) {
        (void)and64_release(&group->state, ~GROUP_INTERRUPTED); /* [rel:group-state] */
    }
}

/* The name of an anonymous group: unique among the living, for the participant's generation is in it. */
static const char *group_name(const struct channel *channel, const shmbus_subscriber_options *options,
                              uint32_t member, char buffer[NAME_SIZE])
{
    if (options->group) {
        return options->group;
    }
    (void)snprintf(buffer, NAME_SIZE, "~%" PRIu64 ".%u", channel->segment->self.owner, member);
    return buffer;
}

static int find_places(struct channel *channel, const shmbus_subscriber_options *options, int *group,
                       int *member, bool *is_new)
{
    const struct ring *ring = &channel->ring;
    *group = options->group ? find_group(ring, options->group) : -1;
    *is_new = *group < 0;
    if (*is_new) {
        *group = free_group(ring);
    }
    *member = free_member(ring);
    if (*group < 0) {
        return error_set(-EUSERS, "channel \"%s\" has %u groups, as many as it was created for",
                         channel->name, ring->group_max);
    }
    if (*member < 0) {
        return error_set(-EUSERS, "channel \"%s\" has %u subscribers, as many as it was created for",
                         channel->name, ring->member_max);
    }
    return *is_new ? 0 : check_group(channel, (uint32_t)*group, options);
}

/* Takes a member's entry and puts it into its group, new or not. The first sequence; -EAGAIN: the group has gone. */
static int join(struct subscriber *subscriber, struct channel *channel,
                const shmbus_subscriber_options *options, uint64_t *first)
{
    int group, member;
    bool is_new;
    (void)recovery_run(channel);
    const int err = find_places(channel, options, &group, &member, &is_new);
    if (err != 0) {
        return err;
    }
    subscriber->group = (uint32_t)group;
    subscriber->member = (uint32_t)member;
    if (is_new) {
        recovery_clear_group(&channel->ring, subscriber->group);
    }
    take_member(channel, subscriber->member, subscriber->group);
    if (is_new) {
        char buffer[NAME_SIZE];
        const char *name = group_name(channel, options, subscriber->member, buffer);
        *first = start_group(channel, subscriber->group, name, options);
        return 0;
    }
    if (enter_group(channel, subscriber->group, first)) {
        return 0;
    }
    store64_release(&channel->ring.members[member].owner, OWNER_NONE); /* [rel:owner] */
    return -EAGAIN;
}

int subscriber_open(struct subscriber *subscriber, struct channel *channel,
                    const shmbus_subscriber_options *options, const atomic_u32 *closing)
{
    const struct ring *ring = &channel->ring;
    unsigned char *scratch = ring->overwrite ? malloc(ring->largest + 8) : NULL;
    if (ring->overwrite && !scratch) {
        return error_set(-ENOMEM, "no memory for a message of %" PRIu64 " bytes", ring->largest);
    }
    uint64_t first;
    int err;
    do {
        err = join(subscriber, channel, options, &first);
    } while (err == -EAGAIN);
    if (err != 0) {
        free(scratch);
        return err;
    }
    struct shm_member *entry = &ring->members[subscriber->member];
    consumer_init(&subscriber->consumer, ring, &ring->groups[subscriber->group], entry, first, scratch);
    become_member(&subscriber->consumer, subscriber->group);
    subscriber->channel = channel;
    subscriber->closing = closing;
    subscriber->orphans = load32_relaxed(&ring->shared->orphans) - 1; /* there may be some already */
    subscriber->style =
        (struct wait_style){.strategy = options->wait, .interruptible = options->interruptible != 0};
    wait_memory_init(&subscriber->waits);
    return 0;
}

void subscriber_close(struct subscriber *subscriber)
{
    consumer_publish(&subscriber->consumer);
    /* What is peeked and not given back will be seen again: as if we had died holding it. */
    recovery_leave_group(subscriber->channel, subscriber->member, subscriber->consumer.holding);
    free(subscriber->ahead);
    free(subscriber->consumer.scratch);
    channel_close(subscriber->channel);
}

int subscriber_remove_group(struct channel *channel, const char *name)
{
    (void)recovery_run(channel);
    const int index = find_group(&channel->ring, name);
    if (index < 0) {
        return error_set(-ENOENT, "channel \"%s\" has no group \"%s\"", channel->name, name);
    }
    const int member = member_of(&channel->ring, (uint32_t)index);
    if (member >= 0) {
        return error_set(-EBUSY, "group \"%s\" of channel \"%s\" has a living member", name, channel->name);
    }
    recovery_remove_group(channel, (uint32_t)index);
    return 0;
}

/* Takes what members that left had not given back, when there may be some new. */
static __attribute__((cold)) void adopt(struct subscriber *subscriber)
{
    struct channel *channel = subscriber->channel;
    struct consumer *consumer = &subscriber->consumer;
    const uint32_t orphans = load32_acquire(&channel->ring.shared->orphans); /* [acq:orphans] */
    while (consumer->sequence == consumer->end) {
        if (recovery_adopt(channel, subscriber->group, subscriber->member, consumer)) {
            return; /* and look again when that is done */
        }
        if (!recovery_has_orphan(&channel->ring, subscriber->group)) {
            subscriber->orphans = orphans;
            return;
        }
    }
}

void subscriber_tell_space(struct subscriber *subscriber)
{
    const struct participant *self = &subscriber->channel->segment->self;
    (void)waiter_notify(&subscriber->channel->ring.shared->space, self, !self->registered);
}

int subscriber_peek_error(const struct subscriber *subscriber, int err)
{
    const struct consumer *consumer = subscriber_front(subscriber);
    if (err != -EBADMSG) {
        return err;
    }
    if (channel_removed(subscriber->channel)) {
        return channel_removed_error(subscriber->channel); /* the zeros of a lost segment look like damage */
    }
    return error_set(
        -EBADMSG, "channel \"%s\" is damaged: slot %" PRIu64 " of group %u holds no message that fits it",
        subscriber->channel->name, consumer->sequence & (consumer->ring->slot_count - 1), subscriber->group);
}

int subscriber_try_peek(struct subscriber *subscriber, unsigned batch)
{
    struct consumer *consumer = &subscriber->consumer;
    if (consumer->shared && !consumer->holding &&
        load32_relaxed(&consumer->ring->shared->orphans) != subscriber->orphans) {
        adopt(subscriber);
    }
    int err = consumer_peek(consumer, batch);
    if (err == -EAGAIN && channel_removed(subscriber->channel)) {
        err = consumer_peek(consumer, batch); /* what was sent between the look and the removal */
        if (err == -EAGAIN) {
            return channel_removed_error(subscriber->channel);
        }
    }
    if (err == 0) {
        if (consumer->message.sent != 0) {
            struct shm_latency *latency = &consumer->ring->latencies[subscriber->member];
            latency_see(consumer, latency, (uint64_t)os_clock_monotonic());
        }
        return 0;
    }
    subscriber_tell_space(subscriber);
    return subscriber_peek_error(subscriber, err);
}

static bool message_there(const struct wait_source *source, bool thorough)
{
    struct subscriber *subscriber = source->user;
    const struct consumer *consumer = subscriber_front(subscriber);
    if (consumer_ready(consumer)) {
        return !subscriber->consumer.shared || subscriber->shown == 0 ||
               consumer->sequence < subscriber->consumer.end;
    }
    if (!thorough || !consumer->shared || consumer->sequence != consumer->end ||
        !recovery_has_orphan(consumer->ring, subscriber->group)) {
        return false;
    }
    subscriber->orphans =
        load32_relaxed(&consumer->ring->shared->orphans) - 1; /* whoever left it may not have said so */
    return true;
}

#define FENCED_LOOKS 64u /* more publishers than that are not worth a look each */

/* Do all publishers fence? They raise that word before they are one, and before they count on it. */
static bool publishers_fence(const struct wait_source *source)
{
    const struct ring *ring = &source->channel->ring;
    const uint32_t used = load32_acquire(&ring->shared->publishers_used); /* [acq:tables] */
    if (used > FENCED_LOOKS) {
        return false;
    }
    for (uint32_t i = 0; i < used && i < ring->publisher_max; i++) {
        const struct shm_publisher *publisher = &ring->publishers[i];
        if (load64_acquire(&publisher->owner) != OWNER_NONE && /* [acq:owner] */
            load32_acquire(&publisher->fenced) == 0) {         /* [acq:fenced] */
            return false;
        }
    }
    return true;
}

/* Does another member of the group hold messages? They come to us if it dies. */
static bool others_hold(const struct subscriber *subscriber)
{
    const struct ring *ring = subscriber->consumer.ring;
    for (uint32_t i = 0; i < ring->member_max; i++) {
        const struct shm_member *other = &ring->members[i];
        if (i != subscriber->member && member_in_use(load64_relaxed(&other->owner)) &&
            load32_relaxed(&other->busy) != 0 && load32_relaxed(&other->group) == subscriber->group) {
            return true;
        }
    }
    return false;
}

/* Has somebody claimed what comes next? Then he is alive and busy, or dead. */
static bool claimed_ahead(const struct wait_source *source)
{
    const struct subscriber *subscriber = source->user;
    const struct consumer *consumer = subscriber_front(subscriber);
    const uint32_t tail = position_sequence(load64_relaxed(&consumer->ring->shared->tail));
    if (subscriber->consumer.shared && subscriber->shown > 0) {
        return false; /* whatever comes, it may hold no more */
    }
    if (!consumer->shared) {
        return tail != (uint32_t)consumer->sequence + consumer_shown(consumer);
    }
    return tail != position_sequence(load64_relaxed(&consumer->group->cursor)) || others_hold(subscriber);
}

struct wait_source subscriber_source(struct subscriber *subscriber)
{
    return (struct wait_source){
        .channel = subscriber->channel,
        .wait = &subscriber->channel->ring.shared->data,
        .ready = message_there,
        .held_up = claimed_ahead,
        .fenced = publishers_fence,
        .user = subscriber,
    };
}

static struct wait_request wait_request(struct subscriber *subscriber, struct wait_for_source *one,
                                        int64_t deadline)
{
    *one = (struct wait_for_source){.source = subscriber_source(subscriber), .closing = subscriber->closing};
    return (struct wait_request){
        .kind = &wait_kind_source,
        .context = one,
        .breadth = 1,
        .style = subscriber->style,
        .deadline = deadline,
        .sleeps = &subscriber->consumer.own->sleeps,
        .spins = &subscriber->consumer.own->spins,
        .memory = &subscriber->waits,
    };
}

void subscriber_give_up(struct subscriber *subscriber)
{
    struct wait_for_source one;
    const struct wait_request request = wait_request(subscriber, &one, SHMBUS_NOWAIT);
    wait_not_at_all(&request);
}

int subscriber_wait(struct subscriber *subscriber, int64_t deadline)
{
    struct wait_for_source one;
    const struct wait_request request = wait_request(subscriber, &one, deadline);
    return wait_until_ready(&request);
}

int subscriber_peek(struct subscriber *subscriber, unsigned batch, int64_t deadline)
{
    struct wait_for_source one;
    const struct wait_request request = wait_request(subscriber, &one, deadline);
    for (;;) {
        const int err = subscriber_try_peek(subscriber, batch);
        if (err != -EAGAIN) {
            return err;
        }
        const int wait = wait_until_ready(&request);
        if (wait != 0) {
            return wait == -EIDRM ? subscriber_try_peek(subscriber, batch) : wait;
        }
    }
}

void subscriber_release(struct subscriber *subscriber)
{
    if (consumer_release(&subscriber->consumer)) {
        subscriber_tell_space(subscriber);
    }
}
