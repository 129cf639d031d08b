/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 in two forms: over all bytes in order, and one that does not depend on the order of messages.
 * A hasher belongs to one thread. A kill leaves nothing behind.
 */
#ifndef DEMO_DIGEST_H
#define DEMO_DIGEST_H

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

typedef struct digest {
    unsigned char bytes[32];
} digest;

/*
 * Sum, lane by lane modulo 2^64, of the SHA-256 of every (sequence, content). Unlike an XOR it also changes
 * when a message comes twice and another not at all.
 */
typedef struct digest_sum {
    uint64_t lanes[4];
} digest_sum;

typedef struct hasher {
    EVP_MD *algorithm;
    EVP_MD_CTX *context;
    int failed;
} hasher;

/* Returns 0, or -1 when OpenSSL has no SHA-256 or no memory. */
int hasher_open(hasher *hash);
void hasher_close(hasher *hash);

void hasher_begin(hasher *hash);
void hasher_add(hasher *hash, const void *data, size_t size);
/* Returns 0, or -1 if a call since hasher_open() failed. */
int hasher_end(hasher *hash, digest *result);

/* Adds one message to `sum`. Not between hasher_begin() and hasher_end() of the same hasher. */
void hasher_mix(hasher *hash, uint64_t sequence, const void *data, size_t size, digest_sum *sum);

/* The sum of the 8-byte words of `data`, modulo 2^64; a rest is filled up with zeros. */
uint64_t word_sum(const void *data, size_t size);

void digest_sum_join(digest_sum *sum, const digest_sum *other);

#endif
