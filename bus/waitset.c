/* SPDX-License-Identifier: Apache-2.0 */
#include "waitset.h"

#include "error.h"
#include "recovery.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------ */
/* Members and buses                                                                                  */
/* ------------------------------------------------------------------------------------------------ */

static const struct participant *self_of(const struct waitset_member *member)
{
    return &member->source.channel->segment->self;
}

/* Its channel need not ring for it any more. */
static void forget(const struct waitset_member *member)
{
    waiter_forget(member->source.wait, self_of(member), self_of(member)->index);
}

static void add_bus(struct waitset *set, const struct participant *self)
{
    for (unsigned i = 0; i < set->buses; i++) {
        if (set->self[i] == self) {
            return;
        }
    }
    set->self[set->buses++] = self;
}

/* After a change of members: finds their buses, and forgets what was raised. */
static void find_buses(struct waitset *set)
{
    set->buses = 0;
    for (unsigned i = 0; i < set->count; i++) {
        add_bus(set, self_of(&set->members[i]));
    }
    memset(set->tickets, 0, sizeof *set->tickets * (set->buses + 1));
}

/* Drops the members that were closed since the last look. */
static void drop_closed(struct waitset *set)
{
    const uint64_t epoch = load64_acquire(&handle_epoch); /* [acq:epoch] */
    if (likely(epoch == set->epoch)) {
        return;
    }
    unsigned kept = 0;
    for (unsigned i = 0; i < set->count; i++) {
        if (handle_find(set->members[i].key, set->members[i].kind)) {
            set->members[kept++] = set->members[i];
        }
    }
    if (kept < set->count) {
        set->count = kept;
        find_buses(set);
    }
    set->epoch = epoch;
}

/* With the mutex and inside a section, until leave(): the members are valid. */
static void enter(struct waitset *set)
{
    (void)pthread_mutex_lock(&set->mutex);
    handle_enter_section();
    drop_closed(set);
}

static void leave(struct waitset *set)
{
    handle_leave();
    (void)pthread_mutex_unlock(&set->mutex);
}

/* Makes who sleeps, in a wait or for the descriptor, look again. */
static void ring(struct waitset *set)
{
    (void)add32_release(&set->event, 1); /* [rel:event] */
    os_futex_wake_all(&set->event);
    for (unsigned i = 0; i < set->buses; i++) {
        participant_ring(set->self[i], set->self[i]->index);
    }
}

static int grow(struct waitset *set)
{
    const unsigned capacity = set->capacity == 0 ? 4 : 2 * set->capacity;
    void *members = realloc(set->members, capacity * sizeof *set->members);
    set->members = members ? members : set->members;
    void *self = realloc(set->self, capacity * sizeof(void *));
    set->self = self ? self : set->self;
    void *tickets = realloc(set->tickets, (capacity + 1) * sizeof *set->tickets);
    set->tickets = tickets ? tickets : set->tickets;
    if (!members || !self || !tickets) {
        return error_set(-ENOMEM, "no memory for a waitset of %u handles", capacity);
    }
    set->capacity = capacity;
    return 0;
}

int waitset_init(struct waitset *set, struct wait_style style, const atomic_u32 *closing)
{
    *set = (struct waitset){.style = style, .closing = closing};
    wait_memory_init(&set->memory);
    (void)pthread_mutex_init(&set->mutex, NULL);
    const int err = grow(set);
    if (err == 0) {
        find_buses(set);
    }
    return err;
}

void waitset_destroy(struct waitset *set)
{
    enter(set);
    for (unsigned i = 0; i < set->count; i++) {
        forget(&set->members[i]);
    }
    ring(set); /* the notifier's thread, if it was armed since the last one */
    leave(set);
    if (set->has_fd) {
        notifier_close(&set->notifier);
    }
    free(set->members);
    free(set->self);
    free(set->tickets);
    (void)pthread_mutex_destroy(&set->mutex);
}

static struct waitset_member *find(const struct waitset *set, const void *key, enum handle_kind kind)
{
    for (unsigned i = 0; i < set->count; i++) {
        if (set->members[i].key == key && set->members[i].kind == kind) {
            return &set->members[i];
        }
    }
    return NULL;
}

int waitset_add(struct waitset *set, const struct waitset_member *member)
{
    enter(set);
    int err = 0;
    if (find(set, member->key, member->kind)) {
        err = error_set(-EEXIST, "%p is in the waitset already", member->key);
    } else if (set->count == set->capacity) {
        err = grow(set);
    }
    if (err == 0) {
        ring(set);
        set->members[set->count++] = *member;
        set->epoch = 0; /* it may have been closed since it was found: all are looked up again */
        find_buses(set);
    }
    leave(set);
    return err;
}

int waitset_remove(struct waitset *set, const void *key, enum handle_kind kind)
{
    enter(set);
    int err = 0;
    struct waitset_member *member = find(set, key, kind);
    if (member) {
        ring(set);
        forget(member);
        *member = set->members[--set->count];
        find_buses(set);
    } else {
        err = error_set(-ENOENT, "%p is not in the waitset", key);
    }
    leave(set);
    return err;
}

void waitset_wake(struct waitset *set)
{
    enter(set);
    set->woken = true;
    ring(set);
    leave(set);
}

void waitset_ring(struct waitset *set)
{
    enter(set);
    ring(set);
    leave(set);
}

/* ------------------------------------------------------------------------------------------------ */
/* Looking                                                                                            */
/* ------------------------------------------------------------------------------------------------ */

/* What is in use by another thread, in a call that waits, is not ready for this one. */
static bool member_ready(const struct waitset_member *member, bool thorough)
{
    return !handle_is_pinned(member->handle) &&
           (channel_removed(member->source.channel) || member->source.ready(&member->source, thorough));
}

static shmbus_event event_of(const struct waitset_member *member)
{
    void *key = (void *)(uintptr_t)member->key; /* NOLINT(performance-no-int-to-ptr): as the user gave it */
    return (shmbus_event){
        .tag = member->tag,
        .subscriber = member->kind == HANDLE_SUBSCRIBER ? key : NULL,
        .publisher = member->kind == HANDLE_PUBLISHER ? key : NULL,
    };
}

/* Tells which are ready, beginning behind the last one told; how many. */
static unsigned collect(struct waitset *set, shmbus_event *events, unsigned max, bool thorough)
{
    const unsigned first = set->next < set->count ? set->next : 0;
    unsigned found = 0;
    for (unsigned i = 0; i < set->count && found < max; i++) {
        const unsigned at = first + i < set->count ? first + i : first + i - set->count;
        if (member_ready(&set->members[at], thorough)) {
            events[found++] = event_of(&set->members[at]);
            set->next = at + 1;
        }
    }
    return found;
}

static bool anything(const struct waitset *set, bool thorough)
{
    for (unsigned i = 0; i < set->count; i++) {
        if (member_ready(&set->members[i], thorough)) {
            return true;
        }
    }
    return set->woken;
}

/* Or in use: who has done with it does not ring. */
static bool anything_held_up(const struct waitset *set)
{
    for (unsigned i = 0; i < set->count; i++) {
        if (handle_is_pinned(set->members[i].handle) ||
            set->members[i].source.held_up(&set->members[i].source)) {
            return true;
        }
    }
    return false;
}

/* How many are ready, or 0 after a wake-up; -EAGAIN: neither. */
static int take(struct waitset *set, shmbus_event *events, unsigned max, bool thorough)
{
    const unsigned found = collect(set, events, max, thorough);
    if (found == 0 && !set->woken) {
        return -EAGAIN;
    }
    set->woken = false;
    return (int)found;
}

/* What is told to be ready stays ready: the descriptor is readable until a call finds nothing. */
static int enter_and_take(struct waitset *set, shmbus_event *events, unsigned max, bool thorough)
{
    enter(set);
    const int result = take(set, events, max, thorough);
    if (result != -EAGAIN && set->has_fd) {
        notifier_keep(&set->notifier);
    }
    leave(set);
    return result;
}

/* ------------------------------------------------------------------------------------------------ */
/* Waiting                                                                                            */
/* ------------------------------------------------------------------------------------------------ */

/* Lets all senders see the flags that were raised. */
static void barrier(struct waitset *set)
{
    fence_seq_cst(); /* [fence:fenced] with publisher.c */
    bool fenced = true;
    for (unsigned i = 0; fenced && i < set->count; i++) {
        fenced = set->members[i].source.fenced(&set->members[i].source);
    }
    for (unsigned i = 0; i < set->buses; i++) {
        waiter_barrier(&set->tickets[i], set->self[i], fenced);
    }
}

/* Raises all flags anew, unless no bell was rung since: then they are up. */
static void raise_flags(struct waitset *set)
{
    if (set->buses == 0) {
        (void)waiter_take(&set->tickets[0], &set->event);
        set->tickets[0].fenced = true; /* the mutex orders who moves `event` */
        return;
    }
    bool moved = false;
    for (unsigned i = 0; i < set->buses; i++) {
        moved |= waiter_take(&set->tickets[i], participant_bell(set->self[i]));
    }
    if (moved) {
        for (unsigned i = 0; i < set->count; i++) {
            waiter_raise_bell(set->members[i].source.wait, self_of(&set->members[i])->index);
        }
        barrier(set);
    }
}

static unsigned ticket_count(const struct waitset *set)
{
    return set->buses > 0 ? set->buses : 1;
}

/* A wait in progress: what to sleep is planned where the members are valid, and slept elsewhere. */
struct waiting {
    struct waitset *set;
    struct waiter_plan plan;
};

static struct waitset *set_of(const struct wait_request *request)
{
    return ((struct waiting *)request->context)->set;
}

static bool set_ready(const struct wait_request *request, bool thorough)
{
    struct waitset *set = set_of(request);
    enter(set);
    const bool ready = anything(set, thorough);
    leave(set);
    return ready;
}

static int set_ended(const struct wait_request *request)
{
    return load32_relaxed(set_of(request)->closing) ? -ECANCELED : 0;
}

static bool set_held_up(const struct wait_request *request)
{
    struct waitset *set = set_of(request);
    enter(set);
    const bool held_up = anything_held_up(set);
    leave(set);
    return held_up;
}

static void set_recover(const struct wait_request *request)
{
    struct waitset *set = set_of(request);
    enter(set);
    for (unsigned i = 0; i < set->count; i++) {
        const struct wait_source *source = &set->members[i].source;
        if (!handle_is_pinned(set->members[i].handle) && source->held_up(source)) {
            (void)recovery_look(source->channel);
        }
    }
    leave(set);
}

static void set_raise(const struct wait_request *request)
{
    struct waitset *set = set_of(request);
    enter(set);
    raise_flags(set);
    leave(set);
}

static void set_sleep(const struct wait_request *request, const struct waiter_bounds *bounds)
{
    struct waiting *waiting = request->context;
    struct waitset *set = waiting->set;
    enter(set);
    waiter_plan_sleep(&waiting->plan, set->tickets, ticket_count(set), bounds);
    leave(set);
    waiter_execute(&waiting->plan);
}

static const struct wait_kind wait_kind_set = {
    .ready = set_ready,
    .ended = set_ended,
    .held_up = set_held_up,
    .recover = set_recover,
    .raise = set_raise,
    .sleep = set_sleep,
};

static int arm_anew(struct waitset *set, shmbus_event *events, unsigned max)
{
    raise_flags(set);
    const int result = take(set, events, max, true);
    if (result != -EAGAIN) {
        return result;
    }
    const struct waiter_bounds bounds = {
        .deadline = INT64_MAX,
        .most = anything_held_up(set) ? SLEEP_HELD_UP_NS : SLEEP_MAX_NS,
        .interrupts = set->style.interruptible ? &set->memory.interrupts : NULL,
    };
    struct waiter_plan plan;
    waiter_plan_sleep(&plan, set->tickets, ticket_count(set), &bounds);
    return notifier_arm(&set->notifier, &plan);
}

/* Nothing was found: the descriptor becomes unreadable, and readable again when that changes. */
static int arm(struct waitset *set, shmbus_event *events, unsigned max)
{
    const bool armed = notifier_drain(&set->notifier);
    const int result = armed ? take(set, events, max, true) : arm_anew(set, events, max);
    if (result != -EAGAIN) {
        notifier_signal(&set->notifier);
    }
    return result;
}

/* Without waiting, after a look that found nothing. */
static int look_again(struct waitset *set, shmbus_event *events, unsigned max,
                      const struct wait_request *request)
{
    int result = wait_elsewhere(request);
    if (result == 0) {
        enter(set);
        result = set->has_fd ? arm(set, events, max) : take(set, events, max, true);
        leave(set);
    }
    return result;
}

static unsigned breadth(struct waitset *set)
{
    (void)pthread_mutex_lock(&set->mutex);
    const unsigned count = set->count > 0 ? set->count : 1;
    (void)pthread_mutex_unlock(&set->mutex);
    return count;
}

int waitset_wait(struct waitset *set, shmbus_event *events, unsigned max, int64_t deadline)
{
    int result = enter_and_take(set, events, max, false);
    if (result != -EAGAIN) {
        return result;
    }
    struct waiting waiting;
    waiting.set = set;
    const struct wait_request request = {
        .kind = &wait_kind_set,
        .context = &waiting,
        .breadth = breadth(set),
        .style = set->style,
        .deadline = deadline,
        .sleeps = &set->sleeps,
        .spins = &set->spins,
        .memory = &set->memory,
    };
    if (deadline == SHMBUS_NOWAIT) {
        return look_again(set, events, max, &request);
    }
    while (result == -EAGAIN) {
        const int err = wait_until_ready(&request);
        if (err != 0 && err != -ETIMEDOUT) {
            return err;
        }
        result = enter_and_take(set, events, max, true);
        if (result == -EAGAIN && err != 0) {
            return err;
        }
    }
    return result;
}

int waitset_fd(struct waitset *set)
{
    (void)pthread_mutex_lock(&set->mutex);
    int err = set->has_fd ? 0 : notifier_open(&set->notifier);
    set->has_fd = err == 0;
    const int fd = set->notifier.fd;
    (void)pthread_mutex_unlock(&set->mutex);
    return err == 0 ? fd : err;
}
