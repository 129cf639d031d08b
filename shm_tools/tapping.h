/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Follows channels of one bus by looking: nobody knows of it, nobody waits for it. What is overwritten before it
 * was seen is counted.
 *
 * Functions return EXIT_OK, or an exit code when something is wrong, which has been said.
 *
 * concurrency   one thread
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_TAPPING_H
#define SHMBUS_TOOLS_TAPPING_H

#include <shmbus/inspect.h>

#include "looking.h"
#include "message.h"

struct tapping_options {
    int from_oldest; /* else from what is sent from now on */
    int wait;        /* for channels that are missing or removed, and for the bus */
    uint64_t snap;   /* bytes that are wanted of each message */
};

struct tapping_channel {
    struct message_channel about;
    const char *wanted; /* its name, as the user gave it */
    uint32_t index;
    uint32_t generation;
    int there;
    int told;      /* its being there has been told */
    uint64_t next; /* sequence */
    uint64_t seen; /* for all that were there under its name: */
    uint64_t missed;
    uint64_t aborted;
    uint64_t bytes;
    uint64_t untold; /* missed before messages that were not wanted */
};

struct tapping {
    const struct looking *looking;
    struct tapping_options options;
    shmbus_view *view; /* NULL: the bus is not there */
    shmbus_bus_info bus;
    struct tapping_channel *channels;
    unsigned count;
    int begun;        /* channels that are found from now on are followed from their start */
    unsigned turn;    /* whose turn it is */
    unsigned in_turn; /* messages of this turn */
    void *buffer;     /* for a message */
    size_t capacity;
    int64_t nap; /* the next one, nanoseconds */
    int64_t checked;
    int64_t clock_checked;
    int64_t clock_offset; /* CLOCK_REALTIME - CLOCK_MONOTONIC */
};

enum tapping_event {
    TAPPING_NOTHING, /* nothing is there now */
    TAPPING_FOUND,   /* a channel is there, or there again */
    TAPPING_MESSAGE, /* valid until the next call; `aborted` ones too */
};

/* Looks for the channels. Without `wait` all must be there. tapping_end() is due either way. */
int tapping_begin(struct tapping *tapping, const struct looking *looking, const char *const *names,
                  unsigned count, const struct tapping_options *options);
void tapping_end(struct tapping *tapping);

/* The next thing there is to see, without waiting. `channel` may be NULL. */
int tapping_next(struct tapping *tapping, enum tapping_event *event, struct message *message,
                 const struct tapping_channel **channel);

/* After TAPPING_NOTHING: sleeps a little, at most until `deadline`. */
int tapping_nap(struct tapping *tapping, int64_t deadline);

/* Whether nothing can come any more: all channels are gone and not waited for, or it is a copy. */
int tapping_is_over(const struct tapping *tapping);

/* Looks for the channel `name` of the view. EXIT_OK, or EXIT_FAILED, which has been said. */
int tapping_find(shmbus_view *view, const struct looking *looking, const char *name,
                 shmbus_channel_info *info);

/* Fills `about` from what a view tells of a channel. */
void tapping_describe(struct message_channel *about, const char *bus, const shmbus_channel_info *info,
                      uint64_t first);

/* What a view saw, as a message. `offset` is CLOCK_REALTIME - CLOCK_MONOTONIC; `size` what the buffer has. */
struct message tapping_message(const struct message_channel *channel, const shmbus_sighting *sighting,
                               const void *buffer, size_t capacity, int64_t now, int64_t offset);

/* CLOCK_REALTIME - CLOCK_MONOTONIC. */
int64_t tapping_clock_offset(void);

#endif
