/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of a round: each is a publisher or a subscriber with a plan, a seed and the ledger.
 *
 * concurrency   each worker is a process of one thread
 * killed        at any instruction; its successor goes on from what the ledger says
 */
#ifndef SHMBUS_TESTS_STRESS_WORKER_H
#define SHMBUS_TESTS_STRESS_WORKER_H

#include "ledger.h"
#include "random.h"

#define BUS_NAME_SIZE 48
#define CHANNEL_NAME_SIZE 16

struct worker {
    const struct plan *plan;
    struct ledger *ledger;
    char bus_name[BUS_NAME_SIZE];
    char channel[CHANNEL_NAME_SIZE];
    char name[32]; /* for messages: "publisher 2" */
    uint32_t group;
    uint32_t number;       /* publisher, or member of the group */
    uint32_t life;         /* how many of this place died before */
    bool ready;            /* it has said so */
    bool mortal;           /* it may be killed, and then another takes its place */
    volatile bool in_recv; /* a message may be given back that it has not noted */
    _Atomic(const char *) doing;
    void (*on_progress)(struct worker *worker); /* called after each message; may be NULL */
    void *context;                              /* of on_progress */
    uint64_t struck;                            /* of on_progress */
    struct random random;
    shmbus_bus *bus;
    shmbus_waitset *set; /* of ready.h; NULL: none yet */
};

/* Send all messages; read all messages. They do not return from a failure. */
void publisher_work(struct worker *worker);
void subscriber_work(struct worker *worker);

/* Ends the process after noting why the round has failed. */
void worker_fail(struct worker *worker, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));

/* The call `what` returned `err`. */
void worker_failed_call(struct worker *worker, const char *what, int64_t err) __attribute__((noreturn));

/* Attaches to the bus, and leaves it. */
void worker_open(struct worker *worker);
void worker_close(struct worker *worker);

/* Ends the process when another has failed. */
void worker_check(struct worker *worker);

/* What this worker is at from now on, for who asks why nothing goes on. */
static inline void worker_does(struct worker *worker, const char *what)
{
    atomic_store_explicit(&worker->doing, what, memory_order_relaxed);
}

/* Has sent or seen a message. */
void worker_progress(struct worker *worker);

/* Tells the parent, once, that this worker is in its place. */
void worker_ready(struct worker *worker);

/* Waits until `flag` is set, giving the CPU away. */
void worker_await(struct worker *worker, const _Atomic uint32_t *flag);

/* A deadline, of any kind when `forever` is allowed. */
int64_t worker_deadline(struct worker *worker, bool forever);

/* A mortal worker dies here now and then. */
void worker_may_die(struct worker *worker);

/* Now and then lets the others go on for a while, with whatever this worker has in its hands. */
void worker_linger(struct worker *worker);

enum shmbus_wait worker_wait(struct worker *worker);

#endif
