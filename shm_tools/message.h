/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message as the tapping commands hand it on: seen on a bus, or read from a recording.
 *
 * concurrency   any thread: no state
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_MESSAGE_H
#define SHMBUS_TOOLS_MESSAGE_H

#include <shmbus/shmbus.h>
#include <stddef.h>
#include <stdint.h>

/* The channel that messages come from. Names are as the segment or the recording has them: not clean. */
struct message_channel {
    uint32_t number; /* in its recording, or of those that are tapped, from 0 */
    char bus[SHMBUS_NAME_MAX + 1];
    char name[SHMBUS_NAME_MAX + 1];
    shmbus_channel_options shape;
    uint64_t first; /* sequence of the first message that could be seen */
};

struct message {
    const struct message_channel *channel;
    uint64_t sequence;
    uint64_t missed;   /* gone before they could be seen, just before this one */
    uint64_t original; /* size that it had */
    int64_t time_ns;   /* CLOCK_REALTIME: when it was sent, if that is known, else when it was seen */
    int64_t sent_ns;   /* CLOCK_MONOTONIC of the host, or 0: not known */
    uint32_t publisher;
    int aborted;
    const void *data;
    size_t size; /* of `data`: less than `original` if it was cut */
};

#endif
