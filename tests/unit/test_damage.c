/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No byte of a segment is trusted: whatever stands in it, calls end, with an error or without, and neither crash
 * nor hang nor touch what is not theirs. A test that hangs is ended by its time limit.
 */
#include "unit_map.h"

#include <time.h>

#define SLOTS 16

static const shmbus_channel_options shapes[] = {
    {.producers = SHMBUS_SINGLE,
     .slots = SLOTS,
     .arena = 16 << 10,
     .largest = 4096,
     .publishers = 1,
     .groups = 4,
     .members = 6},
    {.producers = SHMBUS_MULTI,
     .slots = SLOTS,
     .arena = 16 << 10,
     .largest = 4096,
     .publishers = 2,
     .groups = 4,
     .members = 6},
    {.producers = SHMBUS_SINGLE,
     .overflow = SHMBUS_OVERWRITE,
     .slots = SLOTS,
     .arena = 16 << 10,
     .largest = 4096,
     .publishers = 1,
     .groups = 4,
     .members = 6},
    {.producers = SHMBUS_MULTI,
     .overflow = SHMBUS_OVERWRITE,
     .slots = SLOTS,
     .arena = 16 << 10,
     .largest = 4096,
     .publishers = 2,
     .groups = 4,
     .members = 6},
};

/* ---------------------------------------------------------------------------- slots that hold nonsense */

struct pair {
    shmbus_bus *bus;
    shmbus_publisher *publisher;
    shmbus_subscriber *subscriber;
    struct ring ring;
};

static struct pair open_pair(unsigned shape, bool shared)
{
    struct pair pair = {.bus = unit_open()};
    pair.publisher = unit_publisher(pair.bus, &shapes[shape]);
    pair.subscriber = shared ? unit_worker(pair.bus, "g") : unit_subscriber(pair.bus, "g");
    pair.ring = unit_ring(unit_map());
    return pair;
}

static void check_unreadable(struct pair *pair, uint64_t sequence)
{
    static unsigned char buffer[8192];
    shmbus_message message;
    char slot[16];
    (void)snprintf(slot, sizeof slot, "slot %u", (unsigned)sequence % SLOTS);
    for (unsigned i = 0; i < 2; i++) {
        check_fails(shmbus_peek(pair->subscriber, &message, SHMBUS_NOWAIT), -EBADMSG, "\"c\"", "damaged",
                    slot);
        check_fails(shmbus_next(pair->subscriber, &message, SHMBUS_FOREVER), -EBADMSG, "damaged");
        check_fails(shmbus_recv(pair->subscriber, buffer, sizeof buffer, NULL, SHMBUS_FOREVER), -EBADMSG,
                    "damaged");
    }
}

/* A stamp and what stands behind it, for message `sequence` of publisher 0. */
static void plant(const struct ring *ring, uint64_t sequence, uint32_t length, uint32_t flags,
                  uint64_t record)
{
    atomic_u64 *slot = ring_slot(ring, sequence);
    store64_relaxed(slot + 1, record);
    store64_release(slot, stamp_make(ring_lap(ring, sequence), 0, length, flags));
}

UNIT(damage, of_an_inline_length)
{
    for (unsigned i = 0; i < 8; i++) {
        struct pair pair = open_pair(i % 4, i / 4);
        check_eq(unit_send(pair.publisher, 10, 0, SHMBUS_NOWAIT), 0);
        check_eq(unit_send(pair.publisher, 10, 1, SHMBUS_NOWAIT), 0);
        unit_receive(pair.subscriber, 0, 10, 0);
        plant(&pair.ring, 1, 57 + 22 * i, 0, 0);
        check_unreadable(&pair, 1);
        check_eq(shmbus_close(pair.bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

UNIT(damage, of_an_arena_record)
{
    const struct {
        uint32_t line, length;
    } records[] = {{0, 4097},  {0, UINT32_MAX}, {255, 65},         {250, 4096},       {200, 3649},
                   {511, 128}, {256, 8192},     {0xffffffff, 128}, {0x7fffffff, 4096}};
    for (unsigned i = 0; i < 8; i++) {
        for (unsigned j = 0; j < sizeof records / sizeof *records; j++) {
            struct pair pair = open_pair(i % 4, i / 4);
            check_eq(unit_send(pair.publisher, 100, 0, SHMBUS_NOWAIT), 0);
            plant(&pair.ring, 0, 0, STAMP_ARENA, record_make(records[j].line, records[j].length));
            shmbus_message message;
            const int err = shmbus_peek(pair.subscriber, &message, SHMBUS_NOWAIT);
            if (err != -EAGAIN || i % 4 < 2) { /* else it passes for one that was overwritten meanwhile */
                check_unreadable(&pair, 0);
            }
            check_eq(shmbus_close(pair.bus), 0);
            check_eq(shmbus_remove(unit_bus), 0);
        }
    }
}

/* On a blocking channel no slot may hold a later message than the one that is expected in it. */
UNIT(damage, of_a_lap)
{
    for (unsigned i = 0; i < 4; i++) {
        struct pair pair = open_pair(i % 2, i / 2);
        check_eq(unit_send(pair.publisher, 10, 0, SHMBUS_NOWAIT), 0);
        plant(&pair.ring, SLOTS, 10, 0, 0);
        check_unreadable(&pair, 0);
        check_eq(shmbus_close(pair.bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

/* On an overwrite channel it may, but not all of them far behind the tail: to catch up would take years. */
UNIT(damage, of_all_laps_of_an_overwrite_channel)
{
    (void)alarm(20);
    for (unsigned i = 0; i < 4; i++) {
        struct pair pair = open_pair(2 + i % 2, i / 2);
        check_eq(unit_send(pair.publisher, 10, 0, SHMBUS_NOWAIT), 0);
        for (uint64_t slot = 0; slot < SLOTS; slot++) {
            plant(&pair.ring, (UINT64_C(3) << 29) + slot, 10, 0, 0);
        }
        check_unreadable(&pair, 0);
        check_eq(shmbus_close(pair.bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

/* -------------------------------------------------------------------------- any word of any structure */

struct handles {
    shmbus_bus *bus;
    shmbus_publisher *publisher;
    shmbus_subscriber *subscribers[2];
};

static int look(void *context, const shmbus_message *message)
{
    unsigned char *sum = context;
    const unsigned char *bytes = message->data;
    for (size_t i = 0; i < message->size; i++) {
        *sum = (unsigned char)(*sum + bytes[i]); /* the whole message can be read */
    }
    return 0;
}

static void use_handles(const struct handles *h)
{
    static unsigned char data[4096], sum;
    shmbus_message message;
    shmbus_claim_t claims[3] = {{.size = 10}, {.size = 1000}, {.size = 0}};
    (void)shmbus_send(h->publisher, data, 20, SHMBUS_NOWAIT);
    (void)shmbus_send(h->publisher, data, 2000, SHMBUS_NOWAIT);
    (void)shmbus_send(h->publisher, data, 20, shmbus_deadline(1000));
    const int claimed = shmbus_claim_batch(h->publisher, claims, 3, SHMBUS_NOWAIT);
    for (int i = 0; i < claimed; i++) {
        memset(claims[i].data, 0, claims[i].size);
        (void)(i ? shmbus_commit(h->publisher, &claims[i]) : shmbus_abort(h->publisher, &claims[i]));
    }
    for (unsigned i = 0; i < 2; i++) {
        (void)shmbus_poll(h->subscribers[i], 3, SHMBUS_NOWAIT, look, &sum);
        if (shmbus_next(h->subscribers[i], &message, shmbus_deadline(1000)) == 0) {
            (void)look(&sum, &message);
        }
        (void)shmbus_recv(h->subscribers[i], data, sizeof data, NULL, SHMBUS_NOWAIT);
    }
}

/* A call that goes round billions of times is as good as one that hangs. */
static void check_prompt(void (*body)(const struct handles *h), const struct handles *h, const char *where)
{
    struct timespec before, after;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    body(h);
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    if (after.tv_sec - before.tv_sec > 1) {
        unit_fail(__FILE__, __LINE__, "%s: %ld s", where, (long)(after.tv_sec - before.tv_sec));
    }
}

/* Joins and leaves, asks, and looks from outside. */
static void come_and_go(const struct handles *h)
{
    shmbus_bus *bus = h->bus;
    shmbus_publisher *publisher = NULL;
    shmbus_subscriber *subscriber = NULL;
    const shmbus_subscriber_options oldest = {.from = SHMBUS_FROM_OLDEST};
    if (shmbus_subscriber_open(bus, "c", &oldest, &subscriber) == 0) {
        (void)shmbus_recv(subscriber, NULL, 0, NULL, SHMBUS_NOWAIT);
        (void)shmbus_subscriber_close(subscriber);
    }
    if (shmbus_publisher_open(bus, "c", NULL, &publisher) == 0) {
        (void)shmbus_send(publisher, NULL, 0, SHMBUS_NOWAIT);
        (void)shmbus_publisher_close(publisher);
    }
    (void)shmbus_group_remove(bus, "c", "g");
    shmbus_view *view = NULL;
    shmbus_channel_info channel;
    shmbus_group_info group;
    shmbus_member_info member;
    if (shmbus_view_open(unit_bus, &view) == 0) {
        for (uint32_t i = 0; shmbus_view_channel(view, &i, &channel) == 1;) {
            for (uint32_t j = 0; shmbus_view_group(view, channel.index, &j, &group) == 1;) {
            }
            for (uint32_t j = 0; shmbus_view_member(view, channel.index, &j, &member) == 1;) {
            }
        }
        shmbus_view_close(view);
    }
}

static const uint64_t nonsense[] = {
    0, 1, UINT64_MAX, 0x8000000080000000, 0x7fffffff7fffffff, 0x0123456789abcdef, 0x00000000ffffffff,
};

/* One word at a time, in a channel that has seen some traffic; undone before the next. */
static void damage_words(unsigned shape, size_t first, size_t end)
{
    struct shm_header *header = NULL;
    for (size_t at = first; at < end; at += 8) {
        struct handles h = {.bus = unit_open()};
        h.publisher = unit_publisher(h.bus, &shapes[shape]);
        h.subscribers[0] = unit_subscriber(h.bus, "g");
        h.subscribers[1] = unit_worker(h.bus, "s");
        use_handles(&h);
        header = unit_map();
        const size_t size = (size_t)unit_file().size;
        uint64_t *word = (uint64_t *)(void *)((unsigned char *)unit_ring(header).shared + at);
        for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
            const uint64_t good = __atomic_exchange_n(word, nonsense[i], __ATOMIC_RELAXED);
            char where[80];
            (void)snprintf(where, sizeof where, "%llx at %zu of shape %u", (unsigned long long)nonsense[i],
                           at, shape);
            check_prompt(use_handles, &h, where);
            check_prompt(come_and_go, &h, where);
            __atomic_store_n(word, good, __ATOMIC_RELAXED);
        }
        check_eq(munmap(header, size), 0);
        check_eq(shmbus_close(h.bus), 0);
        check_eq(shmbus_remove(unit_bus), 0);
    }
}

/* The parts of a channel of these shapes, one test each, so that a hang tells where. */
#define OFFSET(field) offsetof(struct shm_channel, field)
#define HEAD sizeof(struct shm_channel)

static size_t part(unsigned shape, unsigned index)
{
    const size_t publishers = HEAD,
                 groups = publishers + shapes[shape].publishers * sizeof(struct shm_publisher);
    const size_t members = groups + shapes[shape].groups * sizeof(struct shm_group);
    const size_t parts[] = {publishers, groups, members, members + 3 * sizeof(struct shm_member)};
    return parts[index];
}

#define DAMAGE(name, first, end)                                                                             \
    UNIT(damage, name)                                                                                       \
    {                                                                                                        \
        for (unsigned shape = 0; shape < 4; shape++) {                                                       \
            damage_words(shape, first, end);                                                                 \
        }                                                                                                    \
    }

DAMAGE(of_the_channels_geometry, 0, OFFSET(removed))
DAMAGE(of_the_channels_counts, OFFSET(removed), OFFSET(handovers) + 4)
DAMAGE(of_the_tail, OFFSET(tail), OFFSET(tail) + 8)
DAMAGE(of_the_waits, OFFSET(data), OFFSET(data) + 8)
DAMAGE(of_the_waits_for_room, OFFSET(space), OFFSET(space) + 8)
DAMAGE(of_the_publishers, part(shape, 0), part(shape, 0) + sizeof(struct shm_publisher))
DAMAGE(of_the_groups, part(shape, 1), part(shape, 1) + 2 * sizeof(struct shm_group))
DAMAGE(of_the_members, part(shape, 2), part(shape, 2) + 2 * sizeof(struct shm_member))
