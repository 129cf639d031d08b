/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random walks over all calls of both sides of a channel, where each call goes through the window or the long
 * way by turns: inline messages and records, batches, claims that are committed or aborted, in
 * and out of order; peeked twice, held over other calls, polled with stops.
 */
#include "unit.h"

#define FIRST ((UINT64_C(1) << 32) - 64)
#define BATCH 40u
#define REMEMBERED 256u

struct walk {
    uint64_t random;
    shmbus_publisher *publisher;
    shmbus_subscriber *subscriber;
    uint64_t sent;                /* next sequence */
    uint64_t next;                /* to be received */
    bool holding;                 /* `next` is peeked */
    int64_t sizes[REMEMBERED];    /* by sequence; -1: aborted */
    uint64_t messages, bytes;     /* sent and not aborted */
    uint64_t delivered, received; /* given back: messages, bytes */
    unsigned kinds;               /* a bit for each kind of call that did something */
    unsigned stop_after;          /* the poll's callback */
};

static uint32_t draw(struct walk *walk, uint32_t below)
{
    walk->random = walk->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(walk->random >> 33) % below;
}

static size_t draw_size(struct walk *walk)
{
    const size_t most[] = {8, 57, 58, 200, 3000};
    return draw(walk, (uint32_t)most[draw(walk, 5)]);
}

static void sent(struct walk *walk, int64_t size)
{
    walk->sizes[walk->sent++ % REMEMBERED] = size;
    if (size >= 0) {
        walk->messages++;
        walk->bytes += (uint64_t)size;
    }
}

static bool did(struct walk *walk, unsigned kind, int result)
{
    if (result < 0) {
        check_eq(result, -EAGAIN);
        return false;
    }
    walk->kinds |= 1u << kind;
    return true;
}

/* ------------------------------------------------------------------------------------------- sending */

static void send_one(struct walk *walk)
{
    const size_t size = draw_size(walk);
    if (did(walk, 0, unit_send(walk->publisher, size, walk->sent, SHMBUS_NOWAIT))) {
        sent(walk, (int64_t)size);
    }
}

static void send_batch(struct walk *walk)
{
    static unsigned char data[BATCH][3000];
    struct iovec messages[BATCH];
    const unsigned count = draw(walk, BATCH) + 1;
    const bool alike = draw(walk, 2) == 0; /* else of all kinds */
    for (unsigned i = 0; i < count; i++) {
        const size_t size = alike ? 40 : draw_size(walk);
        unit_fill(data[i], size, walk->sent + i);
        messages[i] = (struct iovec){.iov_base = size > 0 ? data[i] : NULL, .iov_len = size};
    }
    const int done = shmbus_send_batch(walk->publisher, messages, count, SHMBUS_NOWAIT);
    if (did(walk, 1, done)) {
        check(done >= 1 && done <= (int)count);
        for (int i = 0; i < done; i++) {
            sent(walk, (int64_t)messages[i].iov_len);
        }
    }
}

static void claim_some(struct walk *walk)
{
    shmbus_claim_t claims[4];
    const unsigned count = draw(walk, 4) + 1;
    for (unsigned i = 0; i < count; i++) {
        claims[i].size = draw_size(walk);
    }
    int claimed = count == 1 ? shmbus_claim(walk->publisher, claims, SHMBUS_NOWAIT)
                             : shmbus_claim_batch(walk->publisher, claims, count, SHMBUS_NOWAIT);
    if (!did(walk, count == 1 ? 2 : 3, claimed)) {
        return;
    }
    claimed = count == 1 ? 1 : claimed;
    bool abort[4];
    for (int i = 0; i < claimed; i++) {
        check_eq(claims[i].sequence, walk->sent);
        claims[i].size = draw(walk, (uint32_t)claims[i].size + 1); /* it may shrink */
        unit_fill(claims[i].data, claims[i].size, walk->sent);
        abort[i] = draw(walk, 3) == 0;
        sent(walk, abort[i] ? -1 : (int64_t)claims[i].size);
    }
    const unsigned first = draw(walk, (uint32_t)claimed);
    for (int i = 0; i < claimed; i++) {
        const shmbus_claim_t *claim = &claims[(first + (unsigned)i) % (unsigned)claimed];
        check_eq(abort[claim - claims] ? shmbus_abort(walk->publisher, claim)
                                       : shmbus_commit(walk->publisher, claim),
                 0);
    }
}

/* ----------------------------------------------------------------------------------------- receiving */

static bool is_aborted(const struct walk *walk)
{
    return walk->next < walk->sent && walk->sizes[walk->next % REMEMBERED] < 0;
}

static void check_message(struct walk *walk, const shmbus_message *message)
{
    while (is_aborted(walk)) {
        walk->next++;
    }
    check(walk->next < walk->sent);
    check_eq(message->sequence, walk->next);
    check_eq(message->size, walk->sizes[walk->next % REMEMBERED]);
    check_eq(message->missed, 0);
    check_eq(message->flags, 0);
    unit_check_content(message->data, message->size, message->sequence);
}

static void given_back(struct walk *walk)
{
    walk->delivered++;
    walk->received += (uint64_t)walk->sizes[walk->next % REMEMBERED];
    walk->next++;
    walk->holding = false;
}

/* A call found nothing: nothing may be there. */
static void check_nothing(struct walk *walk)
{
    check(!walk->holding);
    while (is_aborted(walk)) {
        walk->next++;
    }
    check_eq(walk->next, walk->sent);
}

static void call_next(struct walk *walk)
{
    shmbus_message message;
    if (walk->holding) {
        given_back(walk); /* next() does, whatever it finds */
    }
    if (!did(walk, 4, shmbus_next(walk->subscriber, &message, SHMBUS_NOWAIT))) {
        check_nothing(walk);
        return;
    }
    check_message(walk, &message);
    walk->holding = true;
}

static void call_peek(struct walk *walk)
{
    shmbus_message message;
    if (!did(walk, 5, shmbus_peek(walk->subscriber, &message, SHMBUS_NOWAIT))) {
        check_nothing(walk);
        return;
    }
    check_message(walk, &message);
    walk->holding = true;
}

static void call_release(struct walk *walk)
{
    if (!walk->holding) {
        check_fails(shmbus_release(walk->subscriber), -EINVAL, "peeked");
        return;
    }
    check_eq(shmbus_release(walk->subscriber), 0);
    given_back(walk);
    walk->kinds |= 1u << 6;
}

static void call_recv(struct walk *walk)
{
    static unsigned char buffer[3000];
    shmbus_message message;
    const size_t capacity = draw(walk, 8) == 0 ? 20 : sizeof buffer;
    const int64_t size = shmbus_recv(walk->subscriber, buffer, capacity, &message, SHMBUS_NOWAIT);
    if (size == -EMSGSIZE) {
        while (is_aborted(walk)) {
            walk->next++;
        }
        check(walk->sizes[walk->next % REMEMBERED] > 20);
    } else if (did(walk, 7, (int)size)) {
        check_eq(size, message.size);
        check_message(walk, &message);
        given_back(walk);
    } else {
        check_nothing(walk);
    }
}

static int on_message(void *context, const shmbus_message *message)
{
    struct walk *walk = context;
    check_message(walk, message);
    given_back(walk);
    return --walk->stop_after == 0;
}

static void call_poll(struct walk *walk)
{
    const unsigned most = draw(walk, BATCH) + 1;
    const unsigned stop = draw(walk, BATCH) + 1;
    const uint64_t before = walk->delivered;
    walk->stop_after = stop;
    const int count = shmbus_poll(walk->subscriber, most, SHMBUS_NOWAIT, on_message, walk);
    if (!did(walk, 8, count)) {
        check_nothing(walk);
        return;
    }
    check_eq(count, walk->delivered - before);
    if (count != (int)most && count != (int)stop) {
        check_nothing(walk);
    }
}

/* ----------------------------------------------------------------------------------------- the walks */

static void check_counters(struct walk *walk)
{
    shmbus_publisher_stats out;
    shmbus_subscriber_stats in;
    check_eq(shmbus_publisher_stats_get(walk->publisher, &out), 0);
    check_eq(shmbus_subscriber_stats_get(walk->subscriber, &in), 0);
    check_eq(out.messages, walk->messages);
    check_eq(out.bytes, walk->bytes);
    check_eq(out.aborted, walk->sent - FIRST - walk->messages);
    check_eq(in.messages, walk->delivered);
    check_eq(in.bytes, walk->received);
    check_eq(in.redelivered, 0);
    check_eq(in.missed, 0);
    unit_check_ledger();
}

static void walk(enum shmbus_producers producers, uint32_t slots, uint64_t seed)
{
    static void (*const sends[])(struct walk *) = {send_one, send_one, send_batch, claim_some, claim_some};
    static void (*const receives[])(struct walk *) = {call_next,    call_next, call_peek,
                                                      call_release, call_recv, call_poll};
    const shmbus_channel_options options = {
        .producers = producers, .slots = slots, .arena = 32 << 10, .largest = 3000, .first_sequence = FIRST};
    shmbus_bus *bus = unit_open();
    struct walk walk = {.random = seed, .sent = FIRST, .next = FIRST};
    walk.publisher = unit_publisher(bus, &options);
    walk.subscriber = unit_subscriber(bus, NULL);
    for (unsigned step = 0; step < 3000; step++) {
        for (unsigned i = draw(&walk, 6); i > 0; i--) {
            sends[draw(&walk, 5)](&walk);
        }
        for (unsigned i = draw(&walk, 12); i > 0; i--) {
            receives[draw(&walk, 6)](&walk);
        }
        if (step % 100 == 0) {
            check_counters(&walk);
        }
    }
    check_eq(walk.kinds, 0x1ff);
    check_counters(&walk);
    check_eq(shmbus_close(bus), 0);
    check_eq(shmbus_remove(unit_bus), 0);
}

UNIT(ring_window, walks_over_all_calls)
{
    for (uint32_t slots = 4; slots <= 128; slots *= 2) {
        walk(SHMBUS_SINGLE, slots, slots);
    }
}

/* Without a producer's window, for comparison. */
UNIT(ring_window, walks_over_all_calls_of_a_multi_channel)
{
    for (uint32_t slots = 4; slots <= 128; slots *= 2) {
        walk(SHMBUS_MULTI, slots, slots);
    }
}

/* A batch that finds too little room ends at the last free slot, wherever the window ends, and says so. */
UNIT(ring_window, batches_fill_the_ring_to_its_last_slot)
{
    enum {
        SLOTS = 64
    };
    const shmbus_channel_options options = {
        .producers = SHMBUS_SINGLE, .slots = SLOTS, .first_sequence = FIRST};
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &options);
    shmbus_subscriber *subscriber = unit_subscriber(bus, NULL);
    uint64_t data[2 * SLOTS], sent = 0, next = 0;
    struct iovec messages[2 * SLOTS];
    for (unsigned taken = SLOTS; taken > 0; taken--) {
        for (unsigned i = 0; i < 2 * SLOTS; i++) {
            data[i] = sent + i;
            messages[i] = (struct iovec){.iov_base = &data[i], .iov_len = 8};
        }
        check_eq(shmbus_send_batch(publisher, messages, 2 * SLOTS, SHMBUS_NOWAIT), taken);
        check_fails(shmbus_send_batch(publisher, messages, 1, SHMBUS_NOWAIT), -EAGAIN, "");
        sent += taken;
        for (unsigned i = 1; i < taken; i++) { /* makes room for the next round */
            uint64_t word = 0;
            check_eq(shmbus_recv(subscriber, &word, 8, NULL, SHMBUS_NOWAIT), 8);
            check_eq(word, next++);
        }
    }
    check_eq(sent - next, SLOTS);
    check_eq(shmbus_close(bus), 0);
}
