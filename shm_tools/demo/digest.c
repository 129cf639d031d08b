/* SPDX-License-Identifier: Apache-2.0 */
#include "digest.h"

#include <string.h>

int hasher_open(hasher *hash)
{
    memset(hash, 0, sizeof *hash);
    hash->algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
    hash->context = EVP_MD_CTX_new();
    if (hash->algorithm && hash->context && EVP_DigestInit_ex2(hash->context, hash->algorithm, NULL) == 1)
        return 0;
    hasher_close(hash);
    return -1;
}

void hasher_close(hasher *hash)
{
    EVP_MD_CTX_free(hash->context);
    EVP_MD_free(hash->algorithm);
    memset(hash, 0, sizeof *hash);
}

void hasher_begin(hasher *hash)
{
    /* Without an algorithm it starts again with the same one, which spares a look-up per message. */
    hash->failed |= EVP_DigestInit_ex2(hash->context, NULL, NULL) != 1;
}

void hasher_add(hasher *hash, const void *data, size_t size)
{
    hash->failed |= EVP_DigestUpdate(hash->context, data, size) != 1;
}

int hasher_end(hasher *hash, digest *result)
{
    unsigned size = 0;
    hash->failed |= EVP_DigestFinal_ex(hash->context, result->bytes, &size) != 1;
    hash->failed |= size != sizeof result->bytes;
    return hash->failed ? -1 : 0;
}

void hasher_mix(hasher *hash, uint64_t sequence, const void *data, size_t size, digest_sum *sum)
{
    digest one;
    digest_sum lanes;
    hasher_begin(hash);
    hasher_add(hash, &sequence, sizeof sequence);
    hasher_add(hash, data, size);
    if (hasher_end(hash, &one))
        return;
    memcpy(&lanes, one.bytes, sizeof lanes);
    digest_sum_join(sum, &lanes);
}

uint64_t word_sum(const void *data, size_t size)
{
    const char *bytes = data;
    uint64_t sum = 0, word = 0;
    size_t at = 0;
    for (; at + sizeof word <= size; at += sizeof word) {
        memcpy(&word, bytes + at, sizeof word);
        sum += word;
    }
    word = 0;
    memcpy(&word, bytes + at, size - at);
    return sum + word;
}

void digest_sum_join(digest_sum *sum, const digest_sum *other)
{
    for (int i = 0; i < 4; i++)
        sum->lanes[i] += other->lanes[i];
}
