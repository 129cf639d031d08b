/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two halves of a publisher worker share: publisher_work.c sends by copying and looks after the
 * handle, publisher_claim.c writes in place.
 *
 * concurrency   one thread
 * killed        before each call the ledger says what it may leave in the channel
 */
#ifndef SHMBUS_TESTS_STRESS_PUBLISHER_WORK_H
#define SHMBUS_TESTS_STRESS_PUBLISHER_WORK_H

#include "worker.h"

#include <errno.h>

struct publisher_state {
    struct worker *worker;
    struct publisher_ledger *own;
    shmbus_publisher *publisher;
    uint32_t next; /* number of the next message */
    bool named;    /* the next message says its name: the first one after opening */
    uint64_t leave_at;
    unsigned char *buffer;
    /* what the handle's own counters must say */
    uint64_t messages;
    uint64_t bytes;
    uint64_t aborted;
};

/* The size of the next message. */
size_t publisher_pick_size(struct publisher_state *state);

/* Says, before it is tried, that `count` messages from the next on may be in the channel. */
void publisher_announce(struct publisher_state *state, uint32_t count);

/* Message number `number` has been committed. */
void publisher_committed(struct publisher_state *state, uint32_t number, size_t size);

/* Claims up to `most` messages, writes them in place, and commits or aborts each. */
void publisher_send_claims(struct publisher_state *state, uint32_t most);

/* Claims some and leaves them open: the close that follows must abort them. */
void publisher_leave_claims(struct publisher_state *state);

static inline struct message_id publisher_id_of(const struct publisher_state *state, uint32_t number)
{
    return (struct message_id){.publisher = state->worker->number, .number = number};
}

static inline bool publisher_again(int result)
{
    return result == -EAGAIN || result == -ETIMEDOUT;
}

#endif
