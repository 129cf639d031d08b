/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at messages in passing: small channels of every mode, and one that looks at them.
 *
 * concurrency   a watcher is used by one thread
 * killed        nothing stays but the test's bus
 */
#ifndef SHMBUS_TESTS_UNIT_GLANCE_H
#define SHMBUS_TESTS_UNIT_GLANCE_H

#include "unit_map.h"

#define LARGEST 1024u
#define MODES 4u

static inline shmbus_channel_options mode(unsigned index, uint32_t slots, uint64_t first)
{
    return (shmbus_channel_options){
        .producers = index & 1 ? SHMBUS_SINGLE : SHMBUS_MULTI,
        .overflow = index & 2 ? SHMBUS_OVERWRITE : SHMBUS_BLOCK,
        .slots = slots,
        .slot_size = 64,
        .arena = 4 << 10,
        .largest = LARGEST,
        .publishers = index & 1 ? 1 : 4,
        .first_sequence = first,
    };
}

static inline bool is_single(const shmbus_channel_options *options)
{
    return options->producers == SHMBUS_SINGLE;
}

/* One that looks at channel "c", from `next` on. */
struct watcher {
    shmbus_view *view;
    uint64_t next;
    unsigned char data[LARGEST];
    shmbus_sighting seen;
};

static inline struct watcher watch(uint64_t next)
{
    struct watcher watcher = {.next = next};
    check_eq(shmbus_view_open(unit_bus, &watcher.view), 0);
    return watcher;
}

static inline int look(struct watcher *watcher)
{
    return shmbus_view_message(watcher->view, 0, &watcher->next, watcher->data, sizeof watcher->data,
                               &watcher->seen);
}

/* It sees message `sequence`, of `size` bytes of `seed`. */
static inline void check_sees(struct watcher *watcher, uint64_t sequence, size_t size, uint64_t seed)
{
    check_eq(look(watcher), 1);
    check_eq(watcher->seen.sequence, sequence);
    check_eq(watcher->seen.size, size);
    check_eq(watcher->seen.aborted, 0);
    check_eq(watcher->next, sequence + 1);
    unit_check_content(watcher->data, size, seed);
}

static inline void close_all(shmbus_bus *bus, struct watcher *watcher)
{
    if (watcher) {
        shmbus_view_close(watcher->view);
    }
    check_eq(shmbus_close(bus), 0);
    check_eq(shmbus_remove(unit_bus), 0);
}

#endif
