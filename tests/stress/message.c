/* SPDX-License-Identifier: Apache-2.0 */
#include "message.h"

#include "random.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HEADER 16u
#define CHECK_SHIFT 40
#define LARGEST_SHOWN 65536u

struct checksum {
    uint64_t value;
};

static uint64_t stream_of(uint64_t seed, struct message_id id, size_t size)
{
    return random_mix(seed ^
                      random_mix(((uint64_t)id.publisher << 32 | id.number) + (uint64_t)size * 0x9e3779b9u));
}

static uint64_t content_word(uint64_t stream, size_t index)
{
    const uint64_t x = (stream + index) * UINT64_C(0x9e3779b97f4a7c15);
    return x ^ (x >> 29);
}

static void add(struct checksum *sum, uint64_t word)
{
    sum->value = (sum->value ^ word) * UINT64_C(0xff51afd7ed558ccd);
    sum->value ^= sum->value >> 32;
}

/* Where the content starts. */
static size_t header_of(size_t size)
{
    return size >= HEADER ? HEADER : size >= MESSAGE_NAMED ? MESSAGE_NAMED : 0;
}

static uint64_t fill_content(unsigned char *to, size_t size, uint64_t stream)
{
    struct checksum sum = {stream};
    size_t at = header_of(size);
    for (size_t i = 0; at + 8 <= size; i++, at += 8) {
        const uint64_t word = content_word(stream, i);
        memcpy(to + at, &word, 8);
        add(&sum, word);
    }
    if (at < size) {
        uint64_t word = content_word(~stream, 0) & ((UINT64_C(1) << (size - at) * 8) - 1);
        memcpy(to + at, &word, size - at);
        add(&sum, word);
    }
    return random_mix(sum.value);
}

static uint64_t checksum_of(const unsigned char *from, size_t size, uint64_t start)
{
    struct checksum sum = {start};
    size_t at = header_of(size);
    for (; at + 8 <= size; at += 8) {
        uint64_t word;
        memcpy(&word, from + at, 8);
        add(&sum, word);
    }
    if (at < size) {
        uint64_t word = 0;
        memcpy(&word, from + at, size - at);
        add(&sum, word);
    }
    return random_mix(sum.value);
}

/* Small messages have no place for a checksum: their digest is that of their bytes. */
static uint64_t digest_of_small(const unsigned char *from, size_t size)
{
    uint64_t word = size;
    if (size > 0) {
        memcpy((unsigned char *)&word + 1, from, size);
    }
    return random_mix(word);
}

uint64_t message_fill(unsigned char *to, size_t size, uint64_t seed, struct message_id id)
{
    const uint64_t sum = fill_content(to, size, stream_of(seed, id, size));
    if (size < MESSAGE_NAMED) {
        return digest_of_small(to, size);
    }
    const uint64_t name = id.number | (uint64_t)id.publisher << 32 | sum << CHECK_SHIFT;
    memcpy(to, &name, 8);
    if (size >= HEADER) {
        memcpy(to + 8, &sum, 8);
    }
    return sum;
}

uint64_t message_digest_of_small(size_t size, uint64_t seed, struct message_id id)
{
    unsigned char bytes[MESSAGE_NAMED];
    return message_fill(bytes, size, seed, id);
}

/* Says at which byte a message stops to be the one that it says it is. */
static void explain(const unsigned char *from, size_t size, uint64_t seed, struct message_id id, char *why,
                    size_t why_size)
{
    static unsigned char expected[LARGEST_SHOWN];
    int length =
        snprintf(why, why_size, "torn: %zu bytes that say they are message %" PRIu32 " of publisher %" PRIu32,
                 size, id.number, id.publisher);
    if (size > sizeof expected || length < 0 || (size_t)length >= why_size) {
        return;
    }
    (void)message_fill(expected, size, seed, id);
    size_t wrong = 0;
    size_t first = size;
    size_t last = 0;
    for (size_t i = 0; i < size; i++) {
        if (from[i] != expected[i]) {
            wrong++;
            first = first < i ? first : i;
            last = i;
        }
    }
    (void)snprintf(why + length, why_size - (size_t)length,
                   ", of which %zu differ, the first at %zu, the last at %zu", wrong, first, last);
}

bool message_read(const unsigned char *from, size_t size, uint64_t seed, struct message_seen *seen, char *why,
                  size_t why_size)
{
    *seen = (struct message_seen){.named = size >= MESSAGE_NAMED};
    if (!seen->named) {
        seen->digest = digest_of_small(from, size);
        return true;
    }
    uint64_t name;
    memcpy(&name, from, 8);
    seen->id = (struct message_id){.publisher = name >> 32 & 0xff, .number = (uint32_t)name};
    seen->digest = checksum_of(from, size, stream_of(seed, seen->id, size));
    uint64_t carried = seen->digest;
    if (size >= HEADER) {
        memcpy(&carried, from + 8, 8);
    }
    if (carried == seen->digest && seen->digest << CHECK_SHIFT == (name & ~UINT64_C(0) << CHECK_SHIFT)) {
        return true;
    }
    explain(from, size, seed, seen->id, why, why_size);
    return false;
}
