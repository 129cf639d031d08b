/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a test message holds, so that whoever reads it can tell that it is whole and which one it is.
 *
 *   size 16 and more   {number:32, publisher:8, check:24} checksum:64 content
 *   size 8 to 15       {number:32, publisher:8, check:24} content
 *   size 0 to 7        content only: the order in the ring tells which message it is
 *
 * The content is pseudo-random: the seed, publisher, number and size determine it. The checksum covers the
 * content, and the size, publisher and number with it; `check` is its low 24 bits.
 *
 * concurrency   pure functions; the shared bytes are read once, by plain loads
 * killed        nothing is shared
 */
#ifndef SHMBUS_TESTS_STRESS_MESSAGE_H
#define SHMBUS_TESTS_STRESS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_NAMED 8u /* the least size that says which message it is */

struct message_id {
    uint32_t publisher; /* a worker's number, below 256 */
    uint32_t number;    /* of the publisher's messages */
};

struct message_seen {
    bool named;
    struct message_id id; /* when named */
    uint64_t digest;      /* the same for equal messages, and most likely for these only */
};

/* Writes message `id` of `size` bytes; returns its digest. */
uint64_t message_fill(unsigned char *to, size_t size, uint64_t seed, struct message_id id);

/* Reads a message. False: it is not whole; `why` says what differs. */
bool message_read(const unsigned char *from, size_t size, uint64_t seed, struct message_seen *seen, char *why,
                  size_t why_size);

/* The digest that a message of `size` bytes below MESSAGE_NAMED has when it is `id`. */
uint64_t message_digest_of_small(size_t size, uint64_t seed, struct message_id id);

#endif
