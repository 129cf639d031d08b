/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One wait: spin, then sleep, look after the living meanwhile, end in time.
 *
 * concurrency   any thread, for its own handle
 * killed        see waiter.h
 *
 * What is waited for is a source: the messages, or the room, of one channel. Publishers and subscribers wait for
 * their one source (wait_kind_source), waitsets for many (waitset.h); both are a `struct wait_kind` to
 * wait_until_ready(), which knows how long to do what.
 *
 * An adaptive wait spins at most for what a wake-up costs, and only while waits have been that short: after
 * WAIT_MISSES longer ones it sleeps at once, but for one of WAIT_RETRY that tries again, or until it sees that a
 * wait has been short after all. (After the bounded spinning of Karlin, Li, Manasse and Owicki, "Empirical
 * studies of competitive spinning", 1991.)
 */
#ifndef SHMBUS_BUS_WAIT_H
#define SHMBUS_BUS_WAIT_H

#include "channel.h"
#include "waiter.h"

#define WAIT_SPIN_NS INT64_C(50000) /* longest adaptive spin: about what a wake-up costs */
#define WAIT_SPINS_TIGHT 1024u      /* its first looks, without a pause: the reply that is on its way */
#define WAIT_LOOKS_PER_CLOCK 64u    /* looks between two glances at the clock */
#define WAIT_LOOKS_CROWDED 4u       /* the same where others wait for this CPU */
#define WAIT_MISSES 3u
#define WAIT_RETRY 64u

/* Does something that may save a sleep pay? Learned from the last times. */
struct wait_habit {
    uint32_t misses;  /* in a row, up to WAIT_MISSES: then it is not done any more */
    uint32_t skipped; /* since */
};

/* What a handle remembers from one wait to the next. */
struct wait_memory {
    int64_t looked;           /* when it last looked after the dead */
    uint32_t attempts;        /* that found nothing, without waiting */
    uint32_t interrupts;      /* waiter_interrupts() so far */
    struct wait_habit spins;  /* spinning for WAIT_SPIN_NS */
    struct wait_habit yields; /* giving the CPU to others once before a sleep */
    bool crowded;             /* others run on this CPU when it yields: spinning keeps them from it */
    bool calm;                /* crowded, or spinning does not pay: one word for the fast path to look at */
};

/* How a handle waits. */
struct wait_style {
    enum shmbus_wait strategy;
    bool interruptible;
};

struct wait_request;

struct wait_kind {
    /* Is it there? `thorough`: look at what is dear to see as well. */
    bool (*ready)(const struct wait_request *request, bool thorough);
    /* What ends the wait whatever is ready: 0, -ECANCELED, -EIDRM. */
    int (*ended)(const struct wait_request *request);
    /* Could a dead participant be what it waits for? */
    bool (*held_up)(const struct wait_request *request);
    /* Looks for dead participants. */
    void (*recover)(const struct wait_request *request);
    /* Raises the flags of a sleeper. */
    void (*raise)(const struct wait_request *request);
    /* Sleeps, if nothing has happened since. */
    void (*sleep)(const struct wait_request *request, const struct waiter_bounds *bounds);
};

struct wait_request {
    const struct wait_kind *kind;
    void *context;
    unsigned breadth; /* how many sources a look looks at */
    struct wait_style style;
    int64_t deadline;
    atomic_u64 *sleeps; /* counter */
    atomic_u64 *spins;  /* counter: waits that ended without a sleep */
    struct wait_memory *memory;
};

/* 0 once `ready`, or -ETIMEDOUT, -EINTR, or what `ended` says. Never called for SHMBUS_NOWAIT. */
int wait_until_ready(const struct wait_request *request);

/* After an attempt that found nothing and will not wait: looks after the dead now and then, for nobody else may. */
void wait_not_at_all(const struct wait_request *request);

/* The same for an attempt that stands for a wait, slept elsewhere. 0 or -EINTR. */
int wait_elsewhere(const struct wait_request *request);

/* Would a wait spin? For those who spin a little before they enter it. */
static inline bool wait_spins(struct wait_style style, const struct wait_memory *memory)
{
    return style.strategy != SHMBUS_WAIT_BLOCK && !memory->calm;
}

/* Starts a handle's memory: interrupts of before do not count. */
void wait_memory_init(struct wait_memory *memory);

/* Something on one channel that can be waited for. */
struct wait_source {
    struct channel *channel;
    struct shm_wait *wait; /* whoever brings it looks here for sleepers */
    bool (*ready)(const struct wait_source *source, bool thorough);
    bool (*held_up)(const struct wait_source *source);
    bool (*fenced)(const struct wait_source *source); /* does a full fence follow whatever brings it? */
    void *user;                                       /* the publisher or subscriber */
    size_t size;                                      /* of the message that a publisher has */
};

/* The wait of one handle for its source. */
struct wait_for_source {
    struct wait_source source;
    const atomic_u32 *closing; /* non-0: another thread closes the handle */
    struct waiter_ticket ticket;
};

extern const struct wait_kind wait_kind_source;

#endif
