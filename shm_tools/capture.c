/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* mempcpy() */
#include "capture.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#define MAGIC "SHMB"
#define VERSION 1
#define SHAPE_SIZE 48

enum {
    FLAG_ABORTED = 1,
    FLAG_SENT = 2, /* sent_ns is known */
    FLAG_MORE = 4,
};

/* All numbers are little-endian. */
struct header {
    char magic[4];
    uint8_t version;
    uint8_t kind;
    uint16_t header_size; /* later versions may have a larger one: what is behind it stays where it is */
    uint32_t channel;
    uint32_t publisher;
    uint64_t sequence; /* of a channel: of the first message that could be seen */
    uint64_t missed;
    uint64_t original;
    int64_t sent_ns;
    uint64_t type;
    uint32_t offset;
    uint16_t flags;
    uint16_t reserved;
};

/* Behind the header of a channel; the names of the bus and of the channel follow. */
struct shape {
    uint8_t producers;
    uint8_t overflow;
    uint8_t bus_length;
    uint8_t name_length;
    uint32_t slots;
    uint32_t slot_size;
    uint32_t publishers;
    uint32_t groups;
    uint32_t members;
    uint64_t arena;
    uint64_t largest;
    uint64_t first_sequence;
};

static_assert(sizeof(struct header) == CAPTURE_HEADER, "the header is an interface");
static_assert(sizeof(struct shape) == SHAPE_SIZE, "the shape is an interface");
static_assert(SHMBUS_NAME_MAX <= UINT8_MAX, "a name's length is a byte");

/* ------------------------------------------------------------------------------------------ writing */

void capture_put_message(void *packet, const struct message *message, uint64_t offset, int more)
{
    const unsigned flags = (message->aborted ? FLAG_ABORTED : 0u) | (message->sent_ns > 0 ? FLAG_SENT : 0u) |
                           (more ? FLAG_MORE : 0u);
    const struct header header = {
        .magic = MAGIC,
        .version = VERSION,
        .kind = CAPTURE_MESSAGE,
        .header_size = htole16(CAPTURE_HEADER),
        .channel = htole32(message->channel->number),
        .publisher = htole32(message->publisher),
        .sequence = htole64(message->sequence),
        .missed = htole64(message->missed),
        .original = htole64(message->original),
        .sent_ns = (int64_t)htole64((uint64_t)message->sent_ns),
        .type = htole64(message->channel->shape.type),
        .offset = htole32((uint32_t)offset),
        .flags = htole16((uint16_t)flags),
    };
    memcpy(packet, &header, sizeof header);
}

size_t capture_put_channel(void *packet, const struct message_channel *channel)
{
    const shmbus_channel_options *options = &channel->shape;
    const size_t bus_length = strnlen(channel->bus, SHMBUS_NAME_MAX);
    const size_t name_length = strnlen(channel->name, SHMBUS_NAME_MAX);
    const struct header header = {
        .magic = MAGIC,
        .version = VERSION,
        .kind = CAPTURE_CHANNEL,
        .header_size = htole16(CAPTURE_HEADER),
        .channel = htole32(channel->number),
        .sequence = htole64(channel->first),
        .type = htole64(options->type),
    };
    const struct shape shape = {
        .producers = (uint8_t)options->producers,
        .overflow = (uint8_t)options->overflow,
        .bus_length = (uint8_t)bus_length,
        .name_length = (uint8_t)name_length,
        .slots = htole32(options->slots),
        .slot_size = htole32(options->slot_size),
        .publishers = htole32(options->publishers),
        .groups = htole32(options->groups),
        .members = htole32(options->members),
        .arena = htole64(options->arena),
        .largest = htole64(options->largest),
        .first_sequence = htole64(options->first_sequence),
    };
    char *at = mempcpy(packet, &header, sizeof header);
    at = mempcpy(at, &shape, sizeof shape);
    at = mempcpy(at, channel->bus, bus_length);
    at = mempcpy(at, channel->name, name_length);
    return (size_t)(at - (char *)packet);
}

/* ------------------------------------------------------------------------------------------ reading */

static const char *get_channel(const struct header *header, const char *body, size_t size,
                               struct message_channel *channel)
{
    struct shape shape;
    if (size < sizeof shape) {
        return "the description of a channel is cut short";
    }
    memcpy(&shape, body, sizeof shape);
    body += sizeof shape;
    if (shape.bus_length > SHMBUS_NAME_MAX || shape.name_length > SHMBUS_NAME_MAX ||
        size - sizeof shape < (size_t)shape.bus_length + shape.name_length) {
        return "a channel's name is too long";
    }
    channel->first = le64toh(header->sequence);
    memcpy(channel->bus, body, shape.bus_length);
    memcpy(channel->name, body + shape.bus_length, shape.name_length);
    channel->shape = (shmbus_channel_options){
        .producers = shape.producers,
        .overflow = shape.overflow,
        .slots = le32toh(shape.slots),
        .slot_size = le32toh(shape.slot_size),
        .arena = le64toh(shape.arena),
        .largest = le64toh(shape.largest),
        .publishers = le32toh(shape.publishers),
        .groups = le32toh(shape.groups),
        .members = le32toh(shape.members),
        .type = le64toh(header->type),
        .first_sequence = le64toh(shape.first_sequence),
    };
    return NULL;
}

static const char *get_message(const struct header *header, const char *body, size_t size,
                               struct capture_packet *packet)
{
    const unsigned flags = le16toh(header->flags);
    packet->message = (struct message){
        .sequence = le64toh(header->sequence),
        .missed = le64toh(header->missed),
        .original = le64toh(header->original),
        .sent_ns = flags & FLAG_SENT ? (int64_t)le64toh((uint64_t)header->sent_ns) : 0,
        .publisher = le32toh(header->publisher),
        .aborted = (flags & FLAG_ABORTED) != 0,
        .data = body,
        .size = size,
    };
    packet->offset = le32toh(header->offset);
    packet->more = (flags & FLAG_MORE) != 0;
    if (packet->offset > packet->message.original || size > packet->message.original - packet->offset) {
        return "more bytes than the message has";
    }
    return NULL;
}

const char *capture_get(const void *bytes, size_t size, struct capture_packet *packet)
{
    struct header header;
    if (size < sizeof header) {
        return "shorter than a header";
    }
    memcpy(&header, bytes, sizeof header);
    const size_t header_size = le16toh(header.header_size);
    if (memcmp(header.magic, MAGIC, sizeof header.magic) != 0) {
        return "no packet of shmbus record";
    }
    if (header.version != VERSION) {
        return "of another version of the format";
    }
    if (header_size < sizeof header || header_size > size) {
        return "its header is cut short";
    }
    const char *body = (const char *)bytes + header_size;
    *packet = (struct capture_packet){.kind = header.kind, .channel.number = le32toh(header.channel)};
    switch (header.kind) {
    case CAPTURE_CHANNEL:
        return get_channel(&header, body, size - header_size, &packet->channel);
    case CAPTURE_MESSAGE:
        return get_message(&header, body, size - header_size, packet);
    default:
        return "of a kind that is not known";
    }
}
