/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of every size at and around each boundary, through every way of sending and receiving, in every mode
 * and slot size. All channels start just below sequence 2^32, and so do their arena lines.
 */
#include "unit.h"

#define ARENA (16u << 10)
#define LARGEST (ARENA / 2)
#define FIRST ((UINT64_C(1) << 32) - 60)

struct pair {
    shmbus_bus *bus;
    shmbus_publisher *publisher;
    shmbus_subscriber *subscriber;
    uint64_t sequence; /* of the next message, also the seed of its content */
};

static struct pair open_pair(enum shmbus_producers producers, enum shmbus_overflow overflow,
                             uint32_t slot_size, uint32_t slots)
{
    const shmbus_channel_options options = {
        .producers = producers,
        .overflow = overflow,
        .slots = slots,
        .slot_size = slot_size,
        .arena = ARENA,
        .largest = LARGEST,
        .first_sequence = FIRST,
    };
    struct pair pair = {.bus = unit_open(), .sequence = FIRST};
    pair.publisher = unit_publisher(pair.bus, &options);
    pair.subscriber = unit_subscriber(pair.bus, "g");
    return pair;
}

static void close_pair(struct pair *pair)
{
    unit_check_ledger();
    check_eq(shmbus_close(pair->bus), 0);
    check_eq(shmbus_remove(unit_bus), 0);
}

/* Sizes at and around each boundary, without repetition. */
static size_t boundary_sizes(uint32_t slot_size, size_t sizes[], size_t max)
{
    const size_t inline_max = slot_size - 8;
    const size_t edges[] = {1,   8,   16,  24,   32,   inline_max,   64,     128,
                            192, 256, 512, 1024, 4096, LARGEST - 64, LARGEST};
    size_t count = 0;
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        for (size_t size = edges[i] - 1; size <= edges[i] + 1 && size <= LARGEST; size++) {
            check(count < max);
            sizes[count++] = size;
        }
    }
    return count;
}

static void publish(struct pair *pair, size_t size, unsigned way)
{
    unsigned char *data = malloc(size + 1);
    check(data != NULL);
    unit_fill(data, size, pair->sequence);
    const struct iovec message = {.iov_base = size > 0 ? data : NULL, .iov_len = size};
    shmbus_claim_t claim = {.size = size};
    switch (way % 4) {
    case 0:
        check_eq(shmbus_send(pair->publisher, message.iov_base, size, SHMBUS_NOWAIT), 0);
        break;
    case 1:
        check_eq(shmbus_send_batch(pair->publisher, &message, 1, SHMBUS_NOWAIT), 1);
        break;
    default:
        check_eq(way % 4 == 2 ? shmbus_claim(pair->publisher, &claim, SHMBUS_NOWAIT)
                              : shmbus_claim_batch(pair->publisher, &claim, 1, SHMBUS_NOWAIT) - 1,
                 0);
        check_eq(claim.size, size);
        check_eq(claim.sequence, pair->sequence);
        check_eq((uintptr_t)claim.data % 8, 0);
        memcpy(claim.data, data, size);
        check_eq(shmbus_commit(pair->publisher, &claim), 0);
    }
    pair->sequence++;
    free(data);
}

struct expected {
    uint64_t sequence;
    size_t size;
};

static int check_message(void *context, const shmbus_message *message)
{
    const struct expected *expected = context;
    check_eq(message->sequence, expected->sequence);
    check_eq(message->size, expected->size);
    check_eq(message->missed, 0);
    check_eq(message->publisher, 0);
    check_eq(message->flags, 0);
    unit_check_content(message->data, message->size, expected->sequence);
    return 0;
}

static void take(struct pair *pair, struct expected expected, unsigned way)
{
    static unsigned char buffer[LARGEST];
    shmbus_message message;
    switch (way % 4) {
    case 0:
        check_eq(shmbus_recv(pair->subscriber, buffer, expected.size, &message, SHMBUS_NOWAIT),
                 expected.size);
        check(message.data == buffer);
        (void)check_message(&expected, &message);
        break;
    case 1:
        check_eq(shmbus_peek(pair->subscriber, &message, SHMBUS_NOWAIT), 0);
        (void)check_message(&expected, &message);
        check_eq(shmbus_release(pair->subscriber), 0);
        break;
    case 2:
        check_eq(shmbus_next(pair->subscriber, &message, SHMBUS_NOWAIT), 0);
        (void)check_message(&expected, &message);
        check_eq(shmbus_release(pair->subscriber), 0);
        break;
    default:
        check_eq(shmbus_poll(pair->subscriber, 1, SHMBUS_NOWAIT, check_message, &expected), 1);
    }
}

/* One size often enough to start at many places of the arena, and to wrap it. */
static void one_size(struct pair *pair, size_t size)
{
    const size_t times = size > 0 && 3 * ARENA / size < 40 ? 3 * ARENA / size : 40;
    for (unsigned i = 0; i < (times > 16 ? times : 16); i++) {
        const struct expected expected = {pair->sequence, size};
        publish(pair, size, i);
        take(pair, expected, i / 4);
    }
}

static void too_large(struct pair *pair)
{
    static unsigned char data[LARGEST + 1];
    const size_t sizes[] = {LARGEST + 1, ARENA, SIZE_MAX};
    const char *const words[] = {"8193", "16384", "18446744073709551615"};
    for (unsigned i = 0; i < 3; i++) {
        const struct iovec message = {.iov_base = data, .iov_len = sizes[i]};
        shmbus_claim_t claim = {.size = sizes[i]};
        check_fails(shmbus_send(pair->publisher, data, sizes[i], SHMBUS_NOWAIT), -EMSGSIZE, words[i], "8192",
                    "\"c\"");
        check_fails(shmbus_send(pair->publisher, data, sizes[i], SHMBUS_FOREVER), -EMSGSIZE, words[i],
                    "8192");
        check_fails(shmbus_send_batch(pair->publisher, &message, 1, SHMBUS_NOWAIT), -EMSGSIZE, words[i],
                    "8192");
        check_fails(shmbus_claim(pair->publisher, &claim, SHMBUS_NOWAIT), -EMSGSIZE, words[i], "8192");
        check_fails(shmbus_claim_batch(pair->publisher, &claim, 1, SHMBUS_NOWAIT), -EMSGSIZE, words[i],
                    "8192");
    }
    check_fails(shmbus_recv(pair->subscriber, data, sizeof data, NULL, SHMBUS_NOWAIT), -EAGAIN, "");
}

static void every_size(enum shmbus_producers producers, enum shmbus_overflow overflow, uint32_t slot_size)
{
    size_t sizes[64];
    struct pair pair = open_pair(producers, overflow, slot_size, 8);
    const size_t count = boundary_sizes(slot_size, sizes, 64);
    for (size_t i = 0; i < count; i++) {
        one_size(&pair, sizes[i]);
    }
    too_large(&pair);
    one_size(&pair, LARGEST);
    check(pair.sequence > UINT64_C(1) << 32);
    close_pair(&pair);
}

#define EVERY_SIZE(name, producers, overflow)                                                                \
    UNIT(sizes, name)                                                                                        \
    {                                                                                                        \
        every_size(producers, overflow, 64);                                                                 \
        every_size(producers, overflow, 128);                                                                \
        every_size(producers, overflow, 256);                                                                \
    }

EVERY_SIZE(single_block, SHMBUS_SINGLE, SHMBUS_BLOCK)
EVERY_SIZE(single_overwrite, SHMBUS_SINGLE, SHMBUS_OVERWRITE)
EVERY_SIZE(multi_block, SHMBUS_MULTI, SHMBUS_BLOCK)
EVERY_SIZE(multi_overwrite, SHMBUS_MULTI, SHMBUS_OVERWRITE)

/* The place of a claim: beside the stamp up to the inline limit, on a line of its own above. */
UNIT(sizes, claims_are_aligned)
{
    for (uint32_t slot_size = 64; slot_size <= 256; slot_size *= 2) {
        struct pair pair = open_pair(SHMBUS_MULTI, SHMBUS_BLOCK, slot_size, 4);
        for (size_t size = 0; size <= 600; size++) {
            shmbus_claim_t claim = {.size = size};
            check_eq(shmbus_claim(pair.publisher, &claim, SHMBUS_NOWAIT), 0);
            check_eq((uintptr_t)claim.data % (size > slot_size - 8 ? 64 : 8), 0);
            check_eq(shmbus_commit(pair.publisher, &claim), 0);
            check_eq(shmbus_recv(pair.subscriber, NULL, 0, NULL, SHMBUS_NOWAIT), size > 0 ? -EMSGSIZE : 0);
            shmbus_message message;
            if (size > 0) {
                check_eq(shmbus_peek(pair.subscriber, &message, SHMBUS_NOWAIT), 0);
                check_eq(message.size, size);
                check_eq(shmbus_release(pair.subscriber), 0);
            }
        }
        close_pair(&pair);
    }
}

/* A claim may be committed smaller, across the inline limit too. */
UNIT(sizes, claims_shrink)
{
    struct pair pair = open_pair(SHMBUS_SINGLE, SHMBUS_BLOCK, 64, 8);
    const size_t claimed[] = {0, 1, 56, 57, 64, 65, 4096, LARGEST};
    for (unsigned i = 0; i < 8; i++) {
        for (unsigned j = 0; j <= i; j++) {
            shmbus_claim_t claim = {.size = claimed[i]};
            check_eq(shmbus_claim(pair.publisher, &claim, SHMBUS_NOWAIT), 0);
            unit_fill(claim.data, claimed[i], pair.sequence);
            claim.size = claimed[j];
            check_eq(shmbus_commit(pair.publisher, &claim), 0);
            unit_receive(pair.subscriber, pair.sequence, claimed[j], pair.sequence);
            pair.sequence++;
            claim.size = claimed[i];
            check_eq(shmbus_claim(pair.publisher, &claim, SHMBUS_NOWAIT), 0);
            claim.size = claimed[i] + 1;
            check_fails(shmbus_commit(pair.publisher, &claim), -EMSGSIZE, "grown");
            claim.size = claimed[i];
            check_eq(shmbus_abort(pair.publisher, &claim), 0);
            check_fails(shmbus_recv(pair.subscriber, NULL, 0, NULL, SHMBUS_NOWAIT), -EAGAIN, "");
            pair.sequence++;
        }
    }
    close_pair(&pair);
}

/* What a shrunk claim leaves unused comes back, wherever in the arena it lay. */
UNIT(sizes, shrunk_claims_leak_no_room)
{
    for (unsigned producers = SHMBUS_SINGLE; producers <= SHMBUS_MULTI; producers++) {
        struct pair pair = open_pair((enum shmbus_producers)producers, SHMBUS_BLOCK, 64, 8);
        for (size_t i = 0; i < 1000; i++) {
            shmbus_claim_t claim = {.size = 57 + i * 997 % (LARGEST - 56)};
            check_eq(shmbus_claim(pair.publisher, &claim, SHMBUS_NOWAIT), 0);
            claim.size = i * 61 % claim.size;
            unit_fill(claim.data, claim.size, pair.sequence);
            check_eq(shmbus_commit(pair.publisher, &claim), 0);
            unit_receive(pair.subscriber, pair.sequence, claim.size, pair.sequence);
            pair.sequence++;
        }
        close_pair(&pair);
    }
}

/* ------------------------------------------------------------------------- the largest of messages */

UNIT(sizes, of_64_mib)
{
    const size_t largest = 64 << 20;
    const shmbus_channel_options options = {.producers = SHMBUS_SINGLE,
                                            .slots = 4,
                                            .arena = 128 << 20,
                                            .largest = largest,
                                            .first_sequence = FIRST};
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &options);
    shmbus_subscriber *subscriber = unit_subscriber(bus, NULL);
    shmbus_message message;
    for (uint64_t i = 0; i < 4; i++) {
        const size_t size = largest - i * 63 * (i % 2);
        shmbus_claim_t claim = {.size = size};
        check_eq(shmbus_claim(publisher, &claim, SHMBUS_NOWAIT), 0);
        unit_fill(claim.data, size, i);
        check_eq(shmbus_commit(publisher, &claim), 0);
        check_eq(shmbus_send(publisher, "small", 5, SHMBUS_NOWAIT), 0);
        check_eq(shmbus_peek(subscriber, &message, SHMBUS_NOWAIT), 0);
        check_eq(message.size, size);
        unit_check_content(message.data, size, i);
        check_eq(shmbus_next(subscriber, &message, SHMBUS_NOWAIT), 0);
        check_eq(message.size, 5);
        check_eq(shmbus_release(subscriber), 0);
    }
    shmbus_claim_t claim = {.size = largest + 1};
    check_fails(shmbus_claim(publisher, &claim, SHMBUS_NOWAIT), -EMSGSIZE, "67108865", "67108864");
    /* Two of the largest fill the arena, a third has to wait. */
    for (unsigned i = 0; i < 3; i++) {
        claim.size = largest;
        const int err = shmbus_claim(publisher, &claim, SHMBUS_NOWAIT);
        check(err == 0 || (i >= 1 && err == -EAGAIN));
        check(err == 0 ? shmbus_commit(publisher, &claim) == 0 : true);
    }
    check_eq(shmbus_close(bus), 0);
}

UNIT(sizes, of_64_mib_by_copying_through_an_overwrite_channel)
{
    const size_t largest = 64 << 20;
    const shmbus_channel_options options = {.overflow = SHMBUS_OVERWRITE,
                                            .slots = 4,
                                            .arena = 128 << 20,
                                            .largest = largest,
                                            .first_sequence = FIRST};
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &options);
    shmbus_subscriber *subscriber = unit_subscriber(bus, NULL);
    check_eq(unit_send(publisher, largest, 1, SHMBUS_NOWAIT), 0);
    unit_receive(subscriber, FIRST, largest, 1);
    check_eq(unit_send(publisher, largest - 1, 2, SHMBUS_NOWAIT), 0);
    unit_receive(subscriber, FIRST + 1, largest - 1, 2);
    check_eq(shmbus_close(bus), 0);
}
