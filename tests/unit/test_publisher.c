/* SPDX-License-Identifier: Apache-2.0 */
/* Opening publishers; claims, one by one and in batches; what is refused, and what is counted. */
#include "unit.h"

static const shmbus_channel_options block = {.slots = 64, .arena = 64 << 10, .largest = 4096};
static const shmbus_channel_options single = {.producers = SHMBUS_SINGLE, .slots = 64};

/* ------------------------------------------------------------------------------------------ opening */

UNIT(publisher, of_a_single_channel_is_the_only_one)
{
    const shmbus_bus_options named = {.participant_name = "first holder"};
    shmbus_bus *bus = NULL, *other = unit_open();
    check_eq(shmbus_open(unit_bus, &named, &bus), 0);
    shmbus_publisher *first = unit_publisher(bus, &single), *second = NULL;
    char pid[16];
    (void)snprintf(pid, sizeof pid, "pid %d", getpid());
    check_fails(shmbus_publisher_open(bus, "c", NULL, &second), -EBUSY, "\"c\"", "first holder", pid);
    check_fails(shmbus_publisher_open(other, "c", NULL, &second), -EBUSY, "participant 1", "first holder",
                pid);
    check(second == NULL);
    check_eq(unit_channel_info().publishers, 1);
    check_eq(unit_send(first, 10, 1, SHMBUS_NOWAIT), 0);
    check_eq(shmbus_publisher_close(first), 0);
    check_eq(shmbus_publisher_open(other, "c", NULL, &second), 0);
    check_eq(shmbus_close(bus), 0);
    check_eq(shmbus_close(other), 0);
}

UNIT(publisher, table_is_bounded)
{
    shmbus_bus *bus = unit_open();
    const shmbus_channel_options two = {.publishers = 2};
    shmbus_publisher *first = unit_publisher(bus, &two), *third = NULL;
    (void)unit_publisher(bus, NULL);
    check_fails(shmbus_publisher_open(bus, "c", NULL, &third), -EUSERS, "\"c\"", "2 publishers");
    check(third == NULL);
    check_eq(shmbus_publisher_close(first), 0);
    check_eq(shmbus_publisher_open(bus, "c", NULL, &third), 0);
    check_eq(shmbus_close(bus), 0);
}

UNIT(publisher, continues_where_the_last_one_left)
{
    shmbus_bus *bus = unit_open();
    check_eq(shmbus_channel_create(bus, "c", &single), 0);
    shmbus_subscriber *subscriber = unit_subscriber(bus, NULL);
    for (uint64_t i = 0; i < 200; i++) {
        shmbus_publisher *publisher = unit_publisher(bus, NULL);
        check_eq(unit_send(publisher, (size_t)i * 5, i, SHMBUS_NOWAIT), 0);
        unit_receive(subscriber, i, (size_t)i * 5, i);
        check_eq(shmbus_publisher_close(publisher), 0);
    }
    check_eq(shmbus_close(bus), 0);
}

UNIT(publisher, number_is_told_with_each_message)
{
    shmbus_bus *bus = unit_open();
    check_eq(shmbus_channel_create(bus, "c", &block), 0);
    shmbus_subscriber *subscriber = unit_subscriber(bus, NULL);
    for (uint32_t i = 0; i < 10; i++) {
        shmbus_message message;
        check_eq(unit_send(unit_publisher(bus, NULL), 100 * i, i, SHMBUS_NOWAIT), 0);
        check_eq(shmbus_next(subscriber, &message, SHMBUS_NOWAIT), 0);
        check_eq(message.publisher, i);
    }
    check_eq(shmbus_close(bus), 0);
}

UNIT(publisher, options_out_of_bounds)
{
    shmbus_bus *bus = unit_open();
    const shmbus_publisher_options bad = {.channel = &block, .wait = (enum shmbus_wait)3};
    shmbus_publisher *publisher = NULL;
    check_fails(shmbus_publisher_open(bus, "c", &bad, &publisher), -EINVAL, "wait is 3", "0 to 2");
    check_fails(shmbus_publisher_open(bus, "c", NULL, NULL), -EINVAL, "no place");
    check(publisher == NULL);
    check_eq(shmbus_close(bus), 0);
}

/* ------------------------------------------------------------------------------------------ sending */

UNIT(publisher, sends_nothing_from_null)
{
    shmbus_bus *bus = unit_open();
    for (unsigned i = 0; i < 2; i++) {
        shmbus_publisher *publisher = unit_publisher(bus, i ? &single : &block);
        const struct iovec bad = {.iov_base = NULL, .iov_len = 3};
        check_fails(shmbus_send(publisher, NULL, 3, SHMBUS_NOWAIT), -EINVAL, "NULL", "3");
        check_fails(shmbus_send_batch(publisher, &bad, 1, SHMBUS_NOWAIT), -EINVAL, "NULL", "3");
        check_fails(shmbus_send_batch(publisher, NULL, 1, SHMBUS_NOWAIT), -EINVAL, "batch of 1");
        check_fails(shmbus_send_batch(publisher, &bad, 0, SHMBUS_NOWAIT), -EINVAL, "batch of 0");
        check_fails(shmbus_claim(publisher, NULL, SHMBUS_NOWAIT), -EINVAL, "claim");
        check_fails(shmbus_claim_batch(publisher, NULL, 2, SHMBUS_NOWAIT), -EINVAL, "batch of 2");
        check_eq(unit_channel_info().published, 0);
        check_eq(shmbus_send(publisher, NULL, 0, SHMBUS_NOWAIT), 0);
        check_eq(unit_channel_info().published, 1);
        check_eq(shmbus_channel_remove(bus, "c"), 0);
    }
    check_eq(shmbus_close(bus), 0);
}

static void fill_batch(struct iovec *messages, unsigned count, unsigned char *data, size_t size)
{
    for (unsigned i = 0; i < count; i++) {
        unit_fill(data + i * size, size, i);
        messages[i] = (struct iovec){.iov_base = data + i * size, .iov_len = size};
    }
}

/* A batch stops where there is no more room, or in front of a message that is too large. */
UNIT(publisher, sends_batches)
{
    enum {
        COUNT = 200,
        SIZE = 30
    };
    static unsigned char data[COUNT * SIZE];
    struct iovec messages[COUNT];
    fill_batch(messages, COUNT, data, SIZE);
    for (unsigned kind = 0; kind < 2; kind++) {
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = unit_publisher(bus, kind ? &single : &block);
        shmbus_subscriber *subscriber = unit_subscriber(bus, "g");
        check_eq(shmbus_send_batch(publisher, messages, 40, SHMBUS_NOWAIT), 40);
        check_eq(shmbus_send_batch(publisher, messages + 40, 100, SHMBUS_NOWAIT), 24);
        check_fails(shmbus_send_batch(publisher, messages + 64, 100, SHMBUS_NOWAIT), -EAGAIN, "");
        check_eq(shmbus_send_batch(publisher, messages + 64, 0x1000, shmbus_now()), -ETIMEDOUT);
        for (uint64_t i = 0; i < 64; i++) {
            unit_receive(subscriber, i, SIZE, i);
        }
        const size_t too_large = unit_channel_info().options.largest + 1;
        messages[70].iov_len = too_large;
        check_eq(shmbus_send_batch(publisher, messages + 64, 20, SHMBUS_NOWAIT), 6);
        check_fails(shmbus_send_batch(publisher, messages + 70, 20, SHMBUS_NOWAIT), -EMSGSIZE, "largest");
        messages[70].iov_len = SIZE;
        messages[72].iov_base = NULL;
        check_eq(shmbus_send_batch(publisher, messages + 70, 20, SHMBUS_NOWAIT), 2);
        messages[72].iov_base = data + 72 * SIZE;
        for (uint64_t i = 64; i < 72; i++) {
            unit_receive(subscriber, i, SIZE, i);
        }
        unit_check_ledger();
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

UNIT(publisher, sends_batches_of_every_size)
{
    enum {
        COUNT = 60,
        SIZE = 1500
    };
    static unsigned char data[COUNT * SIZE];
    struct iovec messages[COUNT];
    fill_batch(messages, COUNT, data, SIZE);
    for (unsigned i = 0; i < COUNT; i++) {
        messages[i].iov_len = i * 25;
    }
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &block);
    shmbus_subscriber *subscriber = unit_subscriber(bus, NULL);
    for (uint64_t sequence = 0; sequence < 50 * COUNT;) {
        const uint64_t first = sequence % COUNT;
        const int sent =
            shmbus_send_batch(publisher, messages + first, (unsigned)(COUNT - first), SHMBUS_NOWAIT);
        check(sent >= 1 && sent <= (int)(COUNT - first));
        for (int i = 0; i < sent; i++, sequence++) {
            unit_receive(subscriber, sequence, sequence % COUNT * 25, sequence % COUNT);
        }
    }
    check_eq(shmbus_close(bus), 0);
}

/* ------------------------------------------------------------------------------------------- claims */

UNIT(publisher, has_one_claim_open)
{
    shmbus_bus *bus = unit_open();
    for (unsigned kind = 0; kind < 2; kind++) {
        shmbus_publisher *publisher = unit_publisher(bus, kind ? &single : &block);
        shmbus_subscriber *subscriber = unit_subscriber(bus, NULL);
        shmbus_claim_t claim = {.size = 100}, second = {.size = 1};
        const struct iovec message = {.iov_base = &second, .iov_len = 1};
        check_eq(shmbus_claim(publisher, &claim, SHMBUS_NOWAIT), 0);
        check_fails(shmbus_claim(publisher, &second, SHMBUS_NOWAIT), -EBUSY, "claim open");
        check_fails(shmbus_claim_batch(publisher, &second, 1, SHMBUS_FOREVER), -EBUSY, "claim open");
        check_fails(shmbus_send(publisher, "x", 1, SHMBUS_NOWAIT), -EBUSY, "claim open");
        check_fails(shmbus_send(publisher, "x", 1, SHMBUS_FOREVER), -EBUSY, "claim open");
        check_fails(shmbus_send_batch(publisher, &message, 1, SHMBUS_NOWAIT), -EBUSY, "claim open");
        check_fails(shmbus_recv(subscriber, NULL, 0, NULL, SHMBUS_NOWAIT), -EAGAIN, "");
        unit_fill(claim.data, 100, 7);
        check_eq(shmbus_commit(publisher, &claim), 0);
        unit_receive(subscriber, 0, 100, 7);
        check_eq(shmbus_channel_remove(bus, "c"), 0);
    }
    check_eq(shmbus_close(bus), 0);
}

UNIT(publisher, refuses_claims_that_are_not_open)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &block);
    shmbus_claim_t claim = {.size = 10};
    check_fails(shmbus_commit(publisher, &claim), -EINVAL, "message 0", "no open claim");
    check_fails(shmbus_abort(publisher, &claim), -EINVAL, "no open claim");
    check_fails(shmbus_commit(publisher, NULL), -EINVAL, "NULL");
    check_fails(shmbus_abort(publisher, NULL), -EINVAL, "NULL");
    check_eq(shmbus_claim(publisher, &claim, SHMBUS_NOWAIT), 0);
    shmbus_claim_t other = claim;
    other.sequence = 12345;
    check_fails(shmbus_commit(publisher, &other), -EINVAL, "message 12345");
    other.sequence = claim.sequence - 1;
    check_fails(shmbus_commit(publisher, &other), -EINVAL, "no open claim");
    other = claim;
    other.size = 11;
    check_fails(shmbus_commit(publisher, &other), -EMSGSIZE, "10 bytes", "11");
    check_eq(shmbus_commit(publisher, &claim), 0);
    check_fails(shmbus_commit(publisher, &claim), -EINVAL, "no open claim");
    check_fails(shmbus_abort(publisher, &claim), -EINVAL, "no open claim");
    check_eq(shmbus_close(bus), 0);
}

/* "Returns how many there was room for": all of them, in an empty ring of just as many slots. */
UNIT(publisher, claims_as_many_as_there_is_room_for)
{
    for (unsigned kind = 0; kind < 2; kind++) {
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = unit_publisher(bus, kind ? &single : &block);
        (void)unit_subscriber(bus, NULL);
        shmbus_claim_t claims[SHMBUS_CLAIM_MAX] = {{0}};
        check_eq(shmbus_claim_batch(publisher, claims, 64, SHMBUS_NOWAIT), 64);
        check_eq(shmbus_commit_batch(publisher, claims, 64), 0);
        check_fails(shmbus_claim_batch(publisher, claims, 64, SHMBUS_NOWAIT), -EAGAIN, "");
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

UNIT(publisher, refuses_batches_out_of_bounds)
{
    shmbus_bus *bus = unit_open();
    const shmbus_channel_options wide = {.slots = 1024};
    shmbus_publisher *publisher = unit_publisher(bus, &wide);
    shmbus_claim_t claims[SHMBUS_CLAIM_MAX + 1] = {{0}};
    check_fails(shmbus_claim_batch(publisher, claims, 0, SHMBUS_NOWAIT), -EINVAL, "batch of 0", "64");
    check_fails(shmbus_claim_batch(publisher, claims, 65, SHMBUS_NOWAIT), -EINVAL, "batch of 65", "64");
    check_fails(shmbus_commit_batch(publisher, NULL, 3), -EINVAL, "NULL");
    check_eq(shmbus_claim_batch(publisher, claims, 64, SHMBUS_NOWAIT), 64);
    /* One wrong among them, or the same one twice: none is committed. */
    claims[64] = claims[5];
    check_fails(shmbus_commit_batch(publisher, claims, 65), -EINVAL, "message 5");
    check_fails(shmbus_abort_batch(publisher, claims, 65), -EINVAL, "message 5");
    check_eq(unit_publisher_info(0).stats.messages, 0);
    check_eq(unit_publisher_info(0).stats.aborted, 0);
    check_eq(shmbus_commit_batch(publisher, claims, 64), 0);
    check_eq(unit_publisher_info(0).stats.messages, 64);
    check_eq(shmbus_close(bus), 0);
}

/* Claims of a batch finished in any order, some of them aborted, which readers pass over and count. */
static void mixed_batch(shmbus_publisher *publisher, shmbus_subscriber *subscriber, uint64_t *first,
                        unsigned mix)
{
    shmbus_claim_t claims[16];
    for (unsigned i = 0; i < 16; i++) {
        claims[i].size = (*first + i) * mix % 300;
    }
    const int count = shmbus_claim_batch(publisher, claims, 16, SHMBUS_NOWAIT);
    check(count >= 1 && count <= 16);
    for (int i = count; i > 0; i--) {
        const int chosen = (int)((mix + 7u * (unsigned)i) % (unsigned)i);
        shmbus_claim_t *claim = &claims[chosen];
        unit_fill(claim->data, claim->size, claim->sequence);
        check_eq(claim->sequence % (mix % 5 + 2) == 0 ? shmbus_abort(publisher, claim)
                                                      : shmbus_commit(publisher, claim),
                 0);
        claims[chosen] = claims[i - 1];
    }
    for (const uint64_t end = *first + (uint64_t)count; *first < end; ++*first) {
        if (*first % (mix % 5 + 2) != 0) {
            unit_receive(subscriber, *first, *first * mix % 300, *first);
        }
    }
    check_fails(shmbus_recv(subscriber, NULL, 0, NULL, SHMBUS_NOWAIT), -EAGAIN, "");
}

UNIT(publisher, finishes_a_batch_in_any_order)
{
    for (unsigned kind = 0; kind < 4; kind++) {
        shmbus_channel_options options = kind % 2 ? single : block;
        options.slots = 512;
        options.overflow = kind / 2 ? SHMBUS_OVERWRITE : SHMBUS_BLOCK;
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = unit_publisher(bus, &options);
        shmbus_subscriber *subscriber = unit_subscriber(bus, "g");
        uint64_t first = 0;
        for (unsigned mix = 0; mix < 60; mix++) {
            mixed_batch(publisher, subscriber, &first, mix);
        }
        shmbus_subscriber_stats stats;
        check_eq(shmbus_subscriber_stats_get(subscriber, &stats), 0);
        check(stats.aborted > 0);
        check_eq(stats.messages + stats.aborted, first);
        check_eq(unit_publisher_info(0).stats.aborted, stats.aborted);
        check_eq(unit_publisher_info(0).stats.messages, stats.messages);
        unit_check_ledger();
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

UNIT(publisher, behind_an_open_claim_waits_to_be_read)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *slow = unit_publisher(bus, &block), *fast = unit_publisher(bus, NULL);
    shmbus_subscriber *subscriber = unit_subscriber(bus, "g");
    shmbus_claim_t claim = {.size = 10};
    check_eq(shmbus_claim(slow, &claim, SHMBUS_NOWAIT), 0);
    check_eq(unit_send(fast, 20, 1, SHMBUS_NOWAIT), 0);
    check_eq(unit_send(fast, 2000, 2, SHMBUS_NOWAIT), 0);
    check_fails(shmbus_recv(subscriber, NULL, 0, NULL, SHMBUS_NOWAIT), -EAGAIN, "");
    check_eq(unit_group_info("g").pending, 3);
    unit_fill(claim.data, 10, 0);
    check_eq(shmbus_commit(slow, &claim), 0);
    unit_receive(subscriber, 0, 10, 0);
    unit_receive(subscriber, 1, 20, 1);
    unit_receive(subscriber, 2, 2000, 2);
    check_eq(shmbus_close(bus), 0);
}

/* With nobody reading, the ring goes round as far as the open claim, and no further. */
UNIT(publisher, does_not_run_over_an_open_claim)
{
    for (unsigned overflow = SHMBUS_BLOCK; overflow <= SHMBUS_OVERWRITE; overflow++) {
        shmbus_bus *bus = unit_open();
        const shmbus_channel_options options = {.slots = 16, .overflow = (enum shmbus_overflow)overflow};
        shmbus_publisher *slow = unit_publisher(bus, &options), *fast = unit_publisher(bus, NULL);
        shmbus_claim_t claim = {.size = 40};
        check_eq(shmbus_claim(slow, &claim, SHMBUS_NOWAIT), 0);
        unit_fill(claim.data, 40, 0);
        for (uint64_t i = 1; i < 16; i++) {
            check_eq(unit_send(fast, 40, i, SHMBUS_NOWAIT), 0);
        }
        check_fails(unit_send(fast, 40, 16, SHMBUS_NOWAIT), -EAGAIN, "");
        unit_check_content(claim.data, 40, 0);
        check_eq(shmbus_commit(slow, &claim), 0);
        check_eq(unit_send(fast, 40, 16, SHMBUS_NOWAIT), 0);
        check_eq(shmbus_close(bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

UNIT(publisher, close_aborts_what_is_claimed)
{
    shmbus_bus *bus = unit_open();
    for (unsigned kind = 0; kind < 2; kind++) {
        shmbus_publisher *publisher = unit_publisher(bus, kind ? &single : &block);
        shmbus_subscriber *subscriber = unit_subscriber(bus, "g");
        shmbus_claim_t claims[4] = {{.size = 10}, {.size = 1000}, {.size = 2000}, {.size = 0}};
        check_eq(shmbus_claim_batch(publisher, claims, 4, SHMBUS_NOWAIT), 4);
        unit_fill(claims[2].data, 2000, 2);
        check_eq(shmbus_commit(publisher, &claims[2]), 0);
        check_eq(shmbus_publisher_close(publisher), 0);
        unit_receive(subscriber, 2, 2000, 2);
        check_fails(shmbus_recv(subscriber, NULL, 0, NULL, SHMBUS_NOWAIT), -EAGAIN, "");
        check_eq(unit_group_info("g").aborted, 3);
        unit_check_ledger();
        check_eq(shmbus_channel_remove(bus, "c"), 0);
    }
    check_eq(shmbus_close(bus), 0);
}

UNIT(publisher, counts)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &single);
    (void)unit_subscriber(bus, NULL);
    shmbus_publisher_stats stats;
    for (uint64_t i = 0; i < 64; i++) {
        check_eq(unit_send(publisher, 10, i, SHMBUS_NOWAIT), 0);
    }
    check_fails(unit_send(publisher, 10, 0, SHMBUS_NOWAIT), -EAGAIN, "");
    check_eq(shmbus_publisher_stats_get(publisher, &stats), 0);
    check_eq(stats.messages, 64);
    check_eq(stats.bytes, 640);
    check_eq(stats.aborted, 0);
    check_eq(stats.blocked, 1);
    check_eq(stats.sleeps, 0);
    check_eq(stats.wakes, 0);
    check_fails(shmbus_publisher_stats_get(publisher, NULL), -EINVAL, "NULL");
    check_fails(shmbus_publisher_stats_get(NULL, &stats), -EBADF, "NULL");
    check_eq(shmbus_close(bus), 0);
}
