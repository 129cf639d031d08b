/* SPDX-License-Identifier: Apache-2.0 */
/* Messages seen in passing while real processes send as fast as they can: each is whole, or counted as missed. */
#include "unit_glance.h"

#include <sched.h>

#define STREAM 20000u /* messages of each publisher */
#define STREAMS 2u
#define LOOP 16u /* messages that a publisher sends before it reads, where somebody has to */

/* One process that sends as fast as it can, and reads where publishers wait for that. */
struct stream {
    const shmbus_channel_options *options;
    uint64_t index;
    size_t largest;
    struct unit_gate gate;
    shmbus_publisher *publisher;
    shmbus_subscriber *reader;
};

/* Message `count` of stream `index`; its content is a function of this, which it starts with. */
static uint64_t mark(uint64_t index, uint64_t count)
{
    return (index << 32) | count;
}

static size_t marked_size(uint64_t seed, size_t largest)
{
    return 8 + (size_t)((seed * 2654435761u >> 7) % (largest - 7));
}

static void fill_marked(unsigned char *data, size_t size, uint64_t seed)
{
    memcpy(data, &seed, 8);
    unit_fill(data + 8, size - 8, seed);
}

/* 1: given up, 0: not; or there is no room. */
static int send_marked(const struct stream *stream, uint64_t seed)
{
    shmbus_claim_t claim = {.size = marked_size(seed, stream->largest)};
    const bool overwrite = stream->options->overflow == SHMBUS_OVERWRITE;
    if (overwrite || seed % 4) {
        unsigned char data[LARGEST];
        fill_marked(data, claim.size, seed);
        return shmbus_send(stream->publisher, data, claim.size, SHMBUS_NOWAIT);
    }
    const int err = shmbus_claim(stream->publisher, &claim, SHMBUS_NOWAIT);
    if (err != 0) {
        return err;
    }
    fill_marked(claim.data, claim.size, seed);
    if (seed % 32 == 0) {
        check_eq(shmbus_abort(stream->publisher, &claim), 0);
        return 1;
    }
    return shmbus_commit(stream->publisher, &claim);
}

static void drain(const struct stream *stream)
{
    shmbus_message message;
    int err;
    while ((err = shmbus_next(stream->reader, &message, SHMBUS_NOWAIT)) == 0) {
    }
    check_eq(err, -EAGAIN);
}

static void run_stream(void *context)
{
    struct stream *stream = context;
    shmbus_bus *bus = unit_open();
    stream->publisher = unit_publisher(bus, NULL);
    stream->reader = unit_subscriber(bus, NULL);
    unit_gate_wait(&stream->gate);
    for (uint64_t count = 1; count <= STREAM; count++) {
        int err;
        while ((err = send_marked(stream, mark(stream->index, count))) == -EAGAIN) {
            drain(stream);
            (void)
                sched_yield(); /* there are more processes than CPUs, and the others' readers have to come on */
        }
        check(err == 0 || err == 1);
        if (count % LOOP == 0) {
            drain(stream);
        }
    }
    check_eq(shmbus_subscriber_close(stream->reader), 0);
    check_eq(shmbus_close(bus), 0);
}

/* A message of the streams: whole, and behind the last one of its stream. */
static void check_sighting(const struct watcher *watcher, size_t largest, uint64_t last[STREAMS])
{
    uint64_t seed;
    if (watcher->seen.aborted) {
        check_eq(watcher->seen.size, 0);
        return;
    }
    check(watcher->seen.size >= 8 && watcher->seen.size <= largest);
    memcpy(&seed, watcher->data, 8);
    const uint64_t index = seed >> 32, count = (uint32_t)seed;
    check(index < STREAMS && count >= 1 && count <= STREAM);
    check_eq(watcher->seen.size, marked_size(seed, largest));
    unit_check_content(watcher->data + 8, watcher->seen.size - 8, seed);
    check(count > last[index]);
    last[index] = count;
}

/* Follows the streams to their end: every message is either seen, once and whole, or counted as missed. */
static void follow(struct watcher *watcher, size_t largest, uint64_t first, uint64_t total)
{
    uint64_t last[STREAMS] = {0};
    uint64_t seen = 0, missed = 0;
    const int64_t until = unit_soon();
    while (watcher->next < first + total) {
        const uint64_t before = watcher->next;
        const int found = look(watcher);
        if (found == 0) {
            unit_look_again(__FILE__, __LINE__, "the end of the streams", until);
            check_eq(watcher->next, before);
            continue;
        }
        check_eq(found, 1);
        check_eq(watcher->seen.missed, watcher->seen.sequence - before);
        check_eq(watcher->next, watcher->seen.sequence + 1);
        check_sighting(watcher, largest, last);
        seen++;
        missed += watcher->seen.missed;
    }
    check_eq(seen + missed, total);
    check(seen > 0);
    check_eq(look(watcher), 0);
}

static void check_streams(const shmbus_channel_options *options, size_t largest)
{
    shmbus_bus *bus = unit_open();
    check_eq(shmbus_channel_create(bus, "c", options), 0);
    const unsigned count = is_single(options) ? 1 : STREAMS;
    struct stream streams[STREAMS];
    pid_t children[STREAMS];
    for (unsigned i = 0; i < count; i++) {
        streams[i] = (struct stream){.options = options, .index = i, .largest = largest, .gate = unit_gate()};
        children[i] = unit_fork(run_stream, &streams[i]);
    }
    struct watcher watcher = watch(options->first_sequence);
    for (unsigned i = 0; i < count; i++) {
        unit_gate_open(&streams[i].gate);
    }
    follow(&watcher, largest, options->first_sequence, (uint64_t)count * STREAM);
    for (unsigned i = 0; i < count; i++) {
        unit_join(children[i]);
        check_eq(close(streams[i].gate.fds[0]) + close(streams[i].gate.fds[1]), 0);
    }
    check_eq(unit_channel_info().published, options->first_sequence + (uint64_t)count * STREAM);
    close_all(bus, &watcher);
}

#define SPEED(name, index)                                                                                   \
    UNIT(glance_speed, counts_all_of_##name)                                                                 \
    {                                                                                                        \
        for (uint32_t slots = 8; slots <= 64; slots *= 2) {                                                  \
            const shmbus_channel_options plain = mode(index, slots, 0);                                      \
            const shmbus_channel_options wraps = mode(index, slots, (UINT64_C(1) << 32) - STREAM / 2);       \
            check_streams(&wraps, 56);                                                                       \
            check_streams(&plain, 200);                                                                      \
            check_streams(&wraps, LARGEST);                                                                  \
        }                                                                                                    \
    }

SPEED(many_that_block, 0)
SPEED(one_that_blocks, 1)
SPEED(many_that_overwrite, 2)
SPEED(one_that_overwrites, 3)
