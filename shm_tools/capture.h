/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a packet of a recording holds: a header of fixed offsets, little-endian, and bytes of a message, or the
 * description of a channel. docs/capture-format.md is its reference; shm_tools/wireshark/ reads it too.
 *
 * concurrency   any thread: no state
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_CAPTURE_H
#define SHMBUS_TOOLS_CAPTURE_H

#include "message.h"

/* Wireshark and libpcap refuse larger packets of this link type. Larger messages take several. */
#define CAPTURE_PACKET_MAX 262144
#define CAPTURE_HEADER 64
#define CAPTURE_PIECE_MAX (CAPTURE_PACKET_MAX - CAPTURE_HEADER)
/* Largest packet that describes a channel. */
#define CAPTURE_CHANNEL_MAX (CAPTURE_HEADER + 64 + 2 * SHMBUS_NAME_MAX)

enum capture_kind {
    CAPTURE_CHANNEL,
    CAPTURE_MESSAGE,
};

/* A packet that was read. */
struct capture_packet {
    enum capture_kind kind;
    struct message_channel channel; /* of a message only its number is known */
    struct message message;         /* without channel and time; `data` lies in the packet */
    uint64_t offset;                /* of `data` in the message */
    int more;                       /* the next packet goes on with this message */
};

/* Writes the header of `message` for bytes from `offset` on. `packet` has CAPTURE_HEADER bytes. */
void capture_put_message(void *packet, const struct message *message, uint64_t offset, int more);

/* Writes the packet that describes `channel` and returns its size. It has CAPTURE_CHANNEL_MAX bytes. */
size_t capture_put_channel(void *packet, const struct message_channel *channel);

/* Returns NULL, or what is wrong with the packet. */
const char *capture_get(const void *bytes, size_t size, struct capture_packet *packet);

#endif
