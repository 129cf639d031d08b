/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One wait of a publisher or subscriber: spin, then sleep, look after the living meanwhile, end in time.
 *
 * concurrency   any thread, for its own handle
 * killed        see waiter.h
 */
#ifndef SHMBUS_BUS_WAIT_H
#define SHMBUS_BUS_WAIT_H

#include "channel.h"

/* What a handle remembers from one wait to the next. */
struct wait_memory {
    int64_t looked;    /* when it last looked after the dead */
    uint32_t attempts; /* that found nothing, without waiting */
    bool crowded;      /* others run on this CPU when it yields: spinning keeps them from it */
};

struct wait_request {
    struct channel *channel;
    struct shm_wait *wait; /* what it sleeps on */
    enum shmbus_wait strategy;
    int64_t deadline;
    const atomic_u32 *closing; /* non-0: another thread closes the handle */
    atomic_u64 *sleeps;        /* counter */
    struct wait_memory *memory;
    /* Is it there? `thorough`: look at what is dear to see as well. */
    bool (*ready)(void *context, bool thorough);
    /* Could a dead participant be what it waits for? */
    bool (*held_up)(void *context);
    void *context;
};

/* 0 once `ready`, or -ETIMEDOUT, -ECANCELED, -EIDRM. Never called for SHMBUS_NOWAIT. */
int wait_until_ready(const struct wait_request *request);

/*
 * After an attempt that found nothing and will not wait: looks after the dead now and then, for nobody else
 * may. Only `deadline`, `ready` and `closing` of the request are not used.
 */
void wait_not_at_all(const struct wait_request *request);

#endif
