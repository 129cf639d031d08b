/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends the messages that are cut from an input, small ones in batches.
 *
 * Functions return an exit code; when it is not EXIT_OK they have said why.
 *
 * concurrency   one thread
 * killed        messages of a batch that is being sent are each whole or not there
 */
#ifndef SHMBUS_TOOLS_SENDER_H
#define SHMBUS_TOOLS_SENDER_H

#include <shmbus/shmbus.h>
#include <stdint.h>
#include <sys/uio.h>

#define SENDER_BATCH 256

struct sender {
    shmbus_publisher *publisher;
    const char *channel;
    const char *noun; /* what the input calls a message: "line" */
    uint64_t largest;
    int alone;         /* the channel is `single`: a claim left open holds up nobody */
    uint64_t messages; /* sent */
    uint64_t bytes;
    struct iovec batch[SENDER_BATCH]; /* added and not sent */
    unsigned count;
};

/* Which message comes next, from 1. */
uint64_t sender_next(const struct sender *sender);

/* Adds a message, whose bytes must stay where they are until the flush. May flush. */
int sender_add(struct sender *sender, const void *data, size_t size);

/* Sends what was added. */
int sender_flush(struct sender *sender);

/* Flushes and claims. Commit counts the message; abort is for what the input did not keep. */
int sender_claim(struct sender *sender, shmbus_claim_t *claim, size_t size);
int sender_commit(struct sender *sender, const shmbus_claim_t *claim);
void sender_abort(struct sender *sender, const shmbus_claim_t *claim);

/* Flushes and says that the next message is too large. `more`: it has more than `size` bytes. */
int sender_too_large(struct sender *sender, uint64_t size, int more);

#endif
