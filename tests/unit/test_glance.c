/* SPDX-License-Identifier: Apache-2.0 */
/* Messages seen in passing: each one whole, none invented, and what was gone before it could be seen counted exactly. */
#include "unit_glance.h"

#include <time.h>

/* -------------------------------------------------------------------------------------- a quiet bus */

/* What message `sequence` is: every ninth given up, some in the arena. */
static size_t size_of(uint64_t sequence)
{
    return sequence % 5 == 0 ? 57 + sequence * 31 % 300 : sequence * 7 % 57;
}

static bool is_aborted(uint64_t sequence)
{
    return sequence % 9 == 4;
}

static void publish(shmbus_publisher *publisher, uint64_t sequence)
{
    shmbus_claim_t claim = {.size = size_of(sequence)};
    if (!is_aborted(sequence) && sequence % 2) {
        check_eq(unit_send(publisher, claim.size, sequence, SHMBUS_NOWAIT), 0);
        return;
    }
    check_eq(shmbus_claim(publisher, &claim, SHMBUS_NOWAIT), 0);
    check_eq(claim.sequence, sequence);
    unit_fill(claim.data, claim.size, sequence);
    check_eq(is_aborted(sequence) ? shmbus_abort(publisher, &claim) : shmbus_commit(publisher, &claim), 0);
}

static bool in_arena(uint64_t sequence)
{
    return size_of(sequence) > 56;
}

/* What it sees now is message `sequence`, as it was sent. */
static void check_seen(const struct watcher *watcher, uint64_t sequence, uint32_t publishers)
{
    check_eq(watcher->seen.publisher, sequence % publishers);
    check_eq(watcher->seen.aborted, is_aborted(sequence));
    check_eq(watcher->seen.size, is_aborted(sequence) ? 0 : size_of(sequence));
    check(watcher->seen.sent_ns <= (is_aborted(sequence) ? 0 : shmbus_now()));
    unit_check_content(watcher->data, watcher->seen.size, sequence);
}

/*
 * Everything from the oldest message on is seen, each once, as it was sent, but for records: those that are gone lie
 * before all that are seen, for lines are used again in the order in which they were taken.
 */
static void check_sees_all(struct watcher *watcher, uint32_t publishers)
{
    const shmbus_channel_info channel = unit_channel_info();
    bool record = false;
    uint64_t gone = watcher->next > channel.oldest ? watcher->next : channel.oldest;
    uint64_t next = watcher->next;
    while (look(watcher) == 1) {
        const uint64_t sequence = watcher->seen.sequence;
        check_eq(watcher->seen.missed, sequence - next);
        check_eq(watcher->next, sequence + 1);
        for (; gone < sequence; gone++) {
            check(in_arena(gone) && !record);
        }
        check_eq(gone, sequence);
        check_seen(watcher, sequence, publishers);
        record = record || in_arena(sequence);
        next = sequence + 1;
        gone = next;
    }
    for (; gone < channel.published; gone++) {
        check(in_arena(gone) && !record);
    }
    check_eq(gone, channel.published);
    check_eq(look(watcher), 0);
    check_eq(watcher->next, next);
}

/* Sends and watches, a reader giving all back: from the start, from far behind, and from where the last look ended. */
static void check_quiet(const shmbus_channel_options *options)
{
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publishers[2] = {unit_publisher(bus, options)};
    const uint32_t count = is_single(options) ? 1 : 2;
    publishers[1] = count > 1 ? unit_publisher(bus, NULL) : NULL;
    shmbus_subscriber *reader = unit_subscriber(bus, "g");
    const uint64_t first = options->first_sequence;
    struct watcher follower = watch(first), late = watch(0);
    check_eq(look(&follower), 0);
    check_eq(look(&late), 0);
    for (uint64_t i = first; i < first + 6 * options->slots; i++) {
        publish(publishers[i % count], i);
        check_eq(shmbus_recv(reader, follower.data, LARGEST, NULL, SHMBUS_NOWAIT),
                 is_aborted(i) ? -EAGAIN : (int64_t)size_of(i));
        late.next = i % 3 ? 0 : first;
        check_sees_all(&late, count);
        if (i % 11 == 0) {
            check_sees_all(&follower, count);
        }
    }
    shmbus_view_close(late.view);
    close_all(bus, &follower);
}

UNIT(glance, sees_all_of_a_quiet_bus)
{
    for (unsigned m = 0; m < MODES; m++) {
        for (uint32_t slots = 1; slots <= 64; slots *= 2) {
            const shmbus_channel_options plain = mode(m, slots, 0);
            const shmbus_channel_options wraps = mode(m, slots, (UINT64_C(1) << 32) - 2 * slots);
            const shmbus_channel_options large = mode(m, slots, FIRST_SEQUENCE_MAX - 1);
            check_quiet(&plain);
            check_quiet(&wraps);
            check_quiet(&large);
        }
    }
}

/* Overwritten is what had to be: without an arena, all that the slots hold is seen. */
UNIT(glance, keeps_what_the_ring_keeps)
{
    for (unsigned m = 0; m < MODES; m++) {
        const shmbus_channel_options options = mode(m, 64, 7);
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = unit_publisher(bus, &options);
        shmbus_subscriber *reader = unit_subscriber(bus, "g");
        for (uint64_t i = 7; i < 7 + 640; i++) {
            check_eq(unit_send(publisher, 20, i, SHMBUS_NOWAIT), 0);
            unit_receive(reader, i, 20, i);
        }
        const shmbus_channel_info info = unit_channel_info();
        check_eq(info.published, 7 + 640);
        check(info.oldest >= info.published - 64);
        /* On blocking channels all but what the publisher may write without another look: a batch at most. */
        check(options.overflow == SHMBUS_BLOCK || info.oldest == info.published - 64);
        shmbus_view *view = NULL;
        check_eq(shmbus_view_open(unit_bus, &view), 0);
        uint64_t next = 0;
        shmbus_sighting seen;
        check_eq(shmbus_view_message(view, 0, &next, NULL, 0, &seen), info.oldest < info.published);
        check_eq(next, info.oldest < info.published ? info.oldest + 1 : 0);
        shmbus_view_close(view);
        close_all(bus, NULL);
    }
}

/* An idle publisher's limit is passed at last by 2^31 messages: then it seems to lie as far ahead. */
UNIT(glance, is_not_misled_by_limits_of_long_ago)
{
    const shmbus_channel_options options = {
        .producers = SHMBUS_MULTI, .slots = 256, .arena = 1 << 16, .largest = 1024};
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publishers[] = {unit_publisher(bus, &options), unit_publisher(bus, &options)};
    for (uint64_t i = 0; i < 20; i++) {
        check_eq(unit_send(publishers[1], 200, i, SHMBUS_NOWAIT), 0);
    }
    const struct ring ring = unit_ring(unit_map());
    const position tail = load64_acquire(&ring.shared->tail);
    const uint64_t ahead[] = {65, 1000, INT32_MAX, UINT64_C(1) << 31};
    for (unsigned i = 0; i < sizeof ahead / sizeof *ahead; i++) {
        store64_relaxed(&ring.publishers[0].limit, position_make(position_sequence(tail) + ahead[i],
                                                                 position_line(tail) + ring.arena_lines - 1));
        struct watcher watcher = watch(0);
        for (uint64_t seen = 0; seen < 20; seen++) {
            check_eq(look(&watcher), 1);
            check_eq(watcher.seen.sequence, seen);
        }
        shmbus_view_close(watcher.view);
    }
    close_all(bus, NULL);
}

/* A channel made in the place of another may have the same name, and messages of the same sequences. */
UNIT(glance, tells_a_channel_from_its_successor)
{
    const shmbus_channel_options options = mode(0, 64, 0);
    shmbus_bus *bus = unit_open();
    struct watcher watcher = watch(0);
    shmbus_channel_info info[2];
    shmbus_sighting seen[2];
    for (unsigned i = 0; i < 2; i++) {
        shmbus_publisher *publisher = unit_publisher(bus, &options);
        check_eq(unit_send(publisher, 20, i, SHMBUS_NOWAIT), 0);
        info[i] = unit_channel_info();
        uint64_t next = 0;
        check_eq(shmbus_view_message(watcher.view, info[i].index, &next, NULL, 0, &seen[i]), 1);
        check_eq(seen[i].generation, info[i].generation);
        check_eq(shmbus_publisher_close(publisher), 0);
        check_eq(shmbus_channel_remove(bus, "c"), 0);
        check_eq(shmbus_view_message(watcher.view, info[i].index, &next, NULL, 0, &seen[i]), -ENOENT);
    }
    check_eq(info[0].index, info[1].index);
    check(info[0].generation != info[1].generation);
    close_all(bus, &watcher);
}

/* What lies before a channel's first message was never sent, whatever stands in the slots. */
UNIT(glance, invents_nothing)
{
    for (unsigned m = 0; m < MODES; m++) {
        const uint64_t first = 1000;
        const shmbus_channel_options options = mode(m, 16, first);
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = unit_publisher(bus, &options);
        struct watcher watcher = watch(0);
        for (uint64_t from = 0; from < first + 100; from++) {
            watcher.next = from;
            check_eq(look(&watcher), 0);
            check_eq(watcher.next, from);
        }
        check_eq(unit_send(publisher, 20, 1, SHMBUS_NOWAIT), 0);
        for (uint64_t from = first - 100; from <= first; from++) {
            watcher.next = from;
            check_sees(&watcher, first, 20, 1);
            check_eq(watcher.seen.missed, first - from);
        }
        const uint64_t ahead[] = {first + 1, first + 16, first + 17, UINT64_C(1) << 32, UINT64_C(1) << 62};
        for (unsigned i = 0; i < sizeof ahead / sizeof *ahead; i++) {
            watcher.next = ahead[i];
            check_eq(look(&watcher), 0);
            check_eq(watcher.next, ahead[i]);
        }
        close_all(bus, &watcher);
    }
}

/* ------------------------------------------------------------------------------------- odd questions */

UNIT(glance, copies_what_fits)
{
    for (unsigned m = 0; m < MODES; m++) {
        const shmbus_channel_options options = mode(m, 8, 0);
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = unit_publisher(bus, &options);
        const size_t sizes[] = {0, 1, 7, 8, 9, 33, 56, 57, 100, 1000};
        for (uint64_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            check_eq(unit_send(publisher, sizes[i], i, SHMBUS_NOWAIT), 0);
            struct watcher watcher = watch(i);
            for (size_t capacity = 0; capacity <= sizes[i] + 3; capacity++) {
                memset(watcher.data, 0xee, sizeof watcher.data);
                watcher.next = i;
                check_eq(shmbus_view_message(watcher.view, 0, &watcher.next, watcher.data, capacity,
                                             &watcher.seen),
                         1);
                check_eq(watcher.seen.size, sizes[i]);
                const size_t copied = capacity < sizes[i] ? capacity : sizes[i];
                unsigned char whole[LARGEST];
                unit_fill(whole, sizes[i], i);
                check_eq(memcmp(watcher.data, whole, copied), 0);
                check(watcher.data[copied] == 0xee);
            }
            shmbus_view_close(watcher.view);
        }
        close_all(bus, NULL);
    }
}

UNIT(glance, refuses_null_and_no_channel)
{
    const shmbus_channel_options options = mode(0, 8, 0);
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher(bus, &options);
    check_eq(unit_send(publisher, 20, 0, SHMBUS_NOWAIT), 0);
    struct watcher w = watch(0);
    check_fails(shmbus_view_message(NULL, 0, &w.next, NULL, 0, &w.seen), -EINVAL, "NULL");
    check_fails(shmbus_view_message(w.view, 0, NULL, NULL, 0, &w.seen), -EINVAL, "NULL");
    check_fails(shmbus_view_message(w.view, 0, &w.next, NULL, 0, NULL), -EINVAL, "NULL");
    check_fails(shmbus_view_message(w.view, 0, &w.next, NULL, 1, &w.seen), -EINVAL, "NULL");
    check_fails(shmbus_view_message(w.view, 1, &w.next, NULL, 0, &w.seen), -ENOENT, "channel number 1");
    check_fails(shmbus_view_message(w.view, UINT32_MAX, &w.next, NULL, 0, &w.seen), -ENOENT, "4294967295");
    check_eq(w.next, 0);
    check_sees(&w, 0, 20, 0);
    check_eq(shmbus_publisher_close(publisher), 0);
    check_eq(shmbus_channel_remove(bus, "c"), 0);
    check_fails(look(&w), -ENOENT, "channel number 0");
    close_all(bus, &w);
}

/* A message that is claimed is not there yet; what was committed behind it is. */
UNIT(glance, waits_for_the_unfinished)
{
    for (unsigned m = 0; m < MODES; m += 2) {
        const shmbus_channel_options options = mode(m, 16, 40);
        for (unsigned end = 0; end < 2; end++) {
            shmbus_bus *bus = unit_open();
            shmbus_publisher *slow = unit_publisher(bus, &options), *fast = unit_publisher(bus, NULL);
            struct watcher watcher = watch(40);
            shmbus_claim_t claim = {.size = 30};
            check_eq(shmbus_claim(slow, &claim, SHMBUS_NOWAIT), 0);
            check_eq(unit_send(fast, 30, 41, SHMBUS_NOWAIT), 0);
            check_eq(look(&watcher), 0);
            check_eq(watcher.next, 40);
            watcher.next = 41;
            check_sees(&watcher, 41, 30, 41);
            check_eq(watcher.seen.publisher, 1);
            watcher.next = 40;
            check_eq(look(&watcher), 0);
            unit_fill(claim.data, 30, 40);
            check_eq(end ? shmbus_abort(slow, &claim) : shmbus_commit(slow, &claim), 0);
            check_eq(look(&watcher), 1);
            check_eq(watcher.seen.aborted, (int)end);
            check_eq(watcher.seen.missed, 0);
            check_sees(&watcher, 41, 30, 41);
            close_all(bus, &watcher);
        }
    }
}

struct victim {
    struct unit_gate gate;
};

static void claim_and_die(void *context)
{
    const struct victim *victim = context;
    shmbus_claim_t claim = {.size = 1000};
    shmbus_publisher *publisher = unit_publisher(unit_open(), NULL);
    check_eq(shmbus_claim(publisher, &claim, SHMBUS_NOWAIT), 0);
    memset(claim.data, 0x55, claim.size);
    unit_wait_to_be_killed(&victim->gate);
}

/* What a dead publisher claimed is nothing until it is repaired, and then it is given up. */
UNIT(glance, shows_the_aborted_of_the_dead)
{
    for (unsigned m = 0; m < MODES; m += 2) {
        const shmbus_channel_options options = mode(m, 16, 0);
        shmbus_bus *bus = unit_open();
        shmbus_publisher *publisher = unit_publisher(bus, &options);
        check_eq(unit_send(publisher, 20, 0, SHMBUS_NOWAIT), 0);
        struct victim victim = {.gate = unit_gate()};
        const pid_t child = unit_fork(claim_and_die, &victim);
        unit_gate_wait(&victim.gate);
        unit_kill(child);
        check_eq(unit_send(publisher, 20, 2, SHMBUS_NOWAIT), 0);
        struct watcher watcher = watch(0);
        check_sees(&watcher, 0, 20, 0);
        check_eq(look(&watcher), 0);
        check(shmbus_recover(bus) > 0);
        check_eq(look(&watcher), 1);
        check_eq(watcher.seen.aborted, 1);
        check_eq(watcher.seen.size, 0);
        check_sees(&watcher, 2, 20, 2);
        close_all(bus, &watcher);
    }
}

/* ---------------------------------------------------------------------------------------------- damage */

static void plant(const struct ring *ring, uint64_t slot, uint64_t sequence, uint32_t length, uint32_t flags,
                  uint64_t record)
{
    atomic_u64 *words = ring_slot(ring, slot);
    store64_relaxed(words + 1, record);
    store64_release(words, stamp_make(ring_lap(ring, sequence), 0, length, flags));
}

/* `last` messages of 100 bytes each: the arena goes round. */
static void fill_channel(shmbus_bus *bus, const shmbus_channel_options *options, uint64_t count)
{
    shmbus_publisher *publisher = unit_publisher(bus, options);
    shmbus_subscriber *reader = unit_subscriber(bus, "g");
    for (uint64_t i = 0; i < count; i++) {
        check_eq(unit_send(publisher, 100, i, SHMBUS_NOWAIT), 0);
        unit_receive(reader, i, 100, i);
    }
}

UNIT(glance, says_what_is_damaged)
{
    const struct {
        uint32_t length, flags;
        uint32_t line, bytes; /* line from that of message 199 */
    } planted[] = {
        {57, 0, 0, 0},
        {255, 0, 0, 0},
        {0, STAMP_ARENA, 0, LARGEST + 1},
        {0, STAMP_ARENA, 0, UINT32_MAX},
        {100, STAMP_SAMPLED, 0, 0},
    };
    for (unsigned m = 0; m < MODES; m++) {
        const shmbus_channel_options options = mode(m, 16, 0);
        for (unsigned i = 0; i < sizeof planted / sizeof *planted; i++) {
            shmbus_bus *bus = unit_open();
            fill_channel(bus, &options, 200);
            const struct ring ring = unit_ring(unit_map());
            const uint32_t line = record_line(load64_relaxed(ring_slot(&ring, 199) + 1)) + planted[i].line;
            plant(&ring, 199, 199, planted[i].length, planted[i].flags, record_make(line, planted[i].bytes));
            struct watcher watcher = watch(199);
            check_fails(look(&watcher), -EBADMSG, "damaged", "199");
            check_eq(watcher.next, 199);
            plant(&ring, 199, 199 + 16, 20, 0, 0); /* of a lap that nobody can have claimed */
            check_fails(look(&watcher), -EBADMSG, "damaged", "199");
            close_all(bus, &watcher);
        }
    }
}

static uint64_t draw(uint64_t *random)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *random >> 16 ^ *random << 40;
}

/* Looks here and there: each call ends, with what it may. */
static void look_around(struct watcher *watcher, uint64_t near)
{
    for (uint64_t i = 0; i < 40; i++) {
        const uint64_t from = i < 36 ? near + i - 18 : i == 36 ? 0 : i == 37 ? UINT64_MAX : near << (i % 33);
        watcher->next = from;
        const int found = look(watcher);
        check(found == 0 || found == 1 || found == -EBADMSG);
        check_eq(watcher->next, found == 1 ? watcher->seen.sequence + 1 : from);
        check(found != 1 || (watcher->seen.size <= LARGEST && watcher->seen.publisher < 4096));
    }
    uint32_t cursor = 0;
    shmbus_channel_info channel;
    check_eq(shmbus_view_channel(watcher->view, &cursor, &channel), 1);
    shmbus_group_info group;
    cursor = 0;
    check_eq(shmbus_view_group(watcher->view, 0, &cursor, &group), 1);
}

/* Any nonsense in the slots, the tail and the limits: no crash, no read out of bounds, and no call that goes on for ever. */
UNIT(glance, survives_any_nonsense)
{
    struct timespec start, end;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    uint64_t random = 4711;
    for (unsigned m = 0; m < MODES; m++) {
        const shmbus_channel_options options = mode(m, 16, 0);
        shmbus_bus *bus = unit_open();
        fill_channel(bus, &options, 100);
        const struct ring ring = unit_ring(unit_map());
        struct watcher watcher = watch(0);
        for (unsigned round = 0; round < 400; round++) {
            for (uint64_t slot = 0; slot < 16; slot++) {
                const uint64_t lap = round % 2 ? 84 + slot : draw(&random);
                plant(&ring, slot, lap, (uint32_t)draw(&random) & 0xff, (uint32_t)draw(&random) & STAMP_FLAGS,
                      draw(&random));
            }
            if (round % 4 == 3) {
                store64_relaxed(&ring.shared->tail, draw(&random));
                store64_relaxed(&ring.publishers[0].limit, draw(&random));
                store64_relaxed(&ring.publishers[0].intent, draw(&random));
                store32_relaxed(&ring.shared->publishers_used, (uint32_t)draw(&random));
            }
            look_around(&watcher, 92);
        }
        shmbus_view_close(watcher.view);
        check_eq(shmbus_remove(unit_bus), 0);
    }
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    check(end.tv_sec - start.tv_sec < 60); /* it takes a fraction of a second */
}
