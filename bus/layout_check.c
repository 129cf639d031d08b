/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "layout_check.h"

#include "error.h"

#include <inttypes.h>
#include <string.h>

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

static bool is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static uint32_t logarithm(uint64_t power_of_two)
{
    return (uint32_t)__builtin_ctzll(power_of_two);
}

static uint64_t power_of_two_from(uint64_t value)
{
    uint64_t power = 1;
    while (power < value) {
        power <<= 1;
    }
    return power;
}

int layout_check_name(const char *what, const char *name)
{
    if (!name || name[0] == '\0') {
        return error_set(-EINVAL, "the %s name is empty; it needs 1 to %d bytes", what, SHMBUS_NAME_MAX);
    }
    const size_t length = strnlen(name, 4096);
    if (length > SHMBUS_NAME_MAX) {
        return error_set(-ENAMETOOLONG, "the %s name \"%.20s...\" has %zu bytes; at most %d fit", what, name,
                         length, SHMBUS_NAME_MAX);
    }
    if (name[0] == '.') {
        return error_set(-EINVAL, "the %s name \"%s\" starts with a dot", what, name);
    }
    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)name[i];
        if (c == '/' || c < 0x20 || c == 0x7f) {
            return error_set(-EINVAL,
                             "the %s name has the byte 0x%02x at offset %zu: no '/' and no control "
                             "characters",
                             what, c, i);
        }
    }
    return 0;
}

void layout_bus(uint32_t participants, uint32_t channels, struct bus_geometry *geometry)
{
    geometry->participants = participants;
    geometry->channels = channels;
    geometry->participants_offset = round_up(sizeof(struct shm_header), 128);
    geometry->entries_offset = geometry->participants_offset + participants * sizeof(struct shm_participant);
    geometry->header_size =
        round_up(geometry->entries_offset + channels * sizeof(struct shm_entry), PAGE_SIZE_SHARED);
}

int layout_check_bus(const struct shm_header *header, uint64_t file_size, struct bus_geometry *geometry)
{
    const uint64_t magic = load64_relaxed(&header->magic); /* there before the file had a name */
    const uint64_t fingerprint = header->fingerprint;
    if (magic != SEGMENT_MAGIC) {
        return error_set(-EBADMSG, "not a shmbus segment: it starts with %016" PRIx64 ", not %016" PRIx64,
                         magic, SEGMENT_MAGIC);
    }
    if (fingerprint != LAYOUT_FINGERPRINT) {
        return error_set(-EPROTO,
                         "the segment has layout %016" PRIx64 ", this library (%s) has %016" PRIx64
                         ": all processes of a bus need the same version",
                         fingerprint, shmbus_version(), LAYOUT_FINGERPRINT);
    }
    const uint32_t participants = header->participants;
    const uint32_t channels = header->channels;
    if (participants - 1 >= PARTICIPANTS_MAX || channels - 1 >= CHANNELS_MAX) {
        return error_set(-EBADMSG, "damaged segment: %u participants, %u channels", participants, channels);
    }
    layout_bus(participants, channels, geometry);
    const uint64_t size = load64_relaxed(&header->size);
    if (header->participants_offset != geometry->participants_offset ||
        header->entries_offset != geometry->entries_offset || header->header_size != geometry->header_size ||
        size < geometry->header_size) {
        return error_set(-EBADMSG,
                         "damaged segment: the header's offsets do not fit its %u participants and %u "
                         "channels",
                         participants, channels);
    }
    if (size > file_size) {
        return error_set(-EBADMSG, "truncated segment: %" PRIu64 " bytes are there of %" PRIu64, file_size,
                         size);
    }
    return 0;
}

static int check_range(const char *what, uint64_t value, uint64_t least, uint64_t most)
{
    if (value < least || value > most) {
        return error_set(-EINVAL, "%s is %" PRIu64 ", must be %" PRIu64 " to %" PRIu64, what, value, least,
                         most);
    }
    return 0;
}

static int check_power(const char *what, uint64_t value, uint64_t least, uint64_t most)
{
    if (!is_power_of_two(value)) {
        return error_set(-EINVAL, "%s is %" PRIu64 ", must be a power of two (next: %" PRIu64 ")", what,
                         value, value < most ? power_of_two_from(value) : most);
    }
    return check_range(what, value, least, most);
}

static void complete(shmbus_channel_options *o)
{
    o->producers = o->producers ? o->producers : SHMBUS_MULTI;
    o->overflow = o->overflow ? o->overflow : SHMBUS_BLOCK;
    o->slots = o->slots ? o->slots : SLOTS_DEFAULT;
    o->slot_size = o->slot_size ? o->slot_size : SLOT_SIZE_MIN;
    if (o->arena == 0 && o->largest <= ARENA_MAX / 4) {
        o->arena = power_of_two_from(4 * o->largest);
        o->arena = o->arena < ARENA_DEFAULT ? ARENA_DEFAULT : o->arena;
    } else if (o->arena == 0) {
        o->arena = ARENA_MAX;
    }
    const uint64_t largest = o->arena / 4 < UINT32_MAX ? o->arena / 4 : UINT32_MAX;
    o->largest = o->largest ? o->largest : largest;
    if (o->publishers == 0) {
        o->publishers = o->producers == SHMBUS_SINGLE ? 1 : PUBLISHERS_DEFAULT;
    }
    o->groups = o->groups ? o->groups : GROUPS_DEFAULT;
    o->members = o->members ? o->members : MEMBERS_DEFAULT;
}

/* Overwritten arena records are told by their line, a number mod 2^32: a ring of them must not go round. */
static int check_overwrite_lines(const shmbus_channel_options *o)
{
    const uint64_t lines = (o->largest + LINE_SIZE - 1) / LINE_SIZE * 2;
    if (o->overflow == SHMBUS_OVERWRITE && lines * o->slots >= UINT64_C(1) << 32) {
        return error_set(-EINVAL,
                         "%u slots of up to %" PRIu64 " bytes are too many for an overwrite channel: "
                         "slots x largest must stay below %" PRIu64 " bytes",
                         o->slots, o->largest, (UINT64_C(1) << 31) * LINE_SIZE);
    }
    return 0;
}

static int check_options(const shmbus_channel_options *o)
{
    int err = check_range("producers", o->producers, SHMBUS_SINGLE, SHMBUS_MULTI);
    err = err ? err : check_range("overflow", o->overflow, SHMBUS_BLOCK, SHMBUS_OVERWRITE);
    err = err ? err : check_power("slots", o->slots, 1, SLOTS_MAX);
    err = err ? err : check_power("slot_size", o->slot_size, SLOT_SIZE_MIN, SLOT_SIZE_MAX);
    err = err ? err : check_power("arena", o->arena, ARENA_MIN, ARENA_MAX);
    err = err ? err
              : check_range("largest", o->largest, 1, o->arena / 2 < UINT32_MAX ? o->arena / 2 : UINT32_MAX);
    err = err ? err : check_range("publishers", o->publishers, 1, PUBLISHERS_MAX);
    err = err ? err : check_range("groups", o->groups, 1, GROUPS_MAX);
    err = err ? err : check_range("members", o->members, 1, MEMBERS_MAX);
    err = err ? err : check_range("first_sequence", o->first_sequence, 0, FIRST_SEQUENCE_MAX - 1);
    err = err ? err : check_range("reserved", o->reserved, 0, 0);
    if (err == 0 && o->producers == SHMBUS_SINGLE && o->publishers != 1) {
        err = error_set(-EINVAL, "publishers is %u on a single-publisher channel, must be 1", o->publishers);
    }
    return err ? err : check_overwrite_lines(o);
}

int layout_channel(const shmbus_channel_options *options, struct channel_geometry *geometry)
{
    geometry->options = options ? *options : (shmbus_channel_options){0};
    shmbus_channel_options *o = &geometry->options;
    complete(o);
    const int err = check_options(o);
    if (err != 0) {
        return err;
    }
    geometry->publishers_offset = sizeof(struct shm_channel);
    geometry->groups_offset = geometry->publishers_offset + o->publishers * sizeof(struct shm_publisher);
    geometry->members_offset = geometry->groups_offset + o->groups * sizeof(struct shm_group);
    geometry->latencies_offset = geometry->members_offset + o->members * sizeof(struct shm_member);
    geometry->slots_offset =
        round_up(geometry->latencies_offset + o->members * sizeof(struct shm_latency), PAGE_SIZE_SHARED);
    geometry->arena_offset =
        round_up(geometry->slots_offset + (uint64_t)o->slots * o->slot_size, PAGE_SIZE_SHARED);
    geometry->size = round_up(geometry->arena_offset + o->arena, PAGE_SIZE_SHARED);
    return 0;
}

int layout_check_channel(const struct shm_channel *channel, uint64_t size, struct channel_geometry *geometry)
{
    const shmbus_channel_options stored = {
        .producers = (enum shmbus_producers)channel->producers,
        .overflow = (enum shmbus_overflow)channel->overflow,
        .slots = channel->slots,
        .slot_size = channel->slot_size,
        .arena = channel->arena,
        .largest = channel->largest,
        .publishers = channel->publishers,
        .groups = channel->groups,
        .members = channel->members,
        .type = channel->type,
        .first_sequence = channel->first_sequence,
    };
    const uint64_t magic = channel->magic;
    if (magic != CHANNEL_MAGIC) {
        return error_set(-EBADMSG, "damaged channel: it starts with %016" PRIx64 ", not %016" PRIx64, magic,
                         CHANNEL_MAGIC);
    }
    if (layout_channel(&stored, geometry) != 0 || geometry->size != size || channel->size != size) {
        return error_set(-EBADMSG,
                         "damaged channel: its geometry takes %" PRIu64 " bytes, its entry says %" PRIu64,
                         geometry->size, size);
    }
    return 0;
}

/*
 * A publisher goes an eighth of the ring, and of the arena, without looking at the groups. Fewer slots where
 * the largest messages would move the line, a number mod 2^32, half round meanwhile.
 */
static uint32_t grant_of(const shmbus_channel_options *o)
{
    const uint64_t lines = (o->largest + LINE_SIZE - 1) / LINE_SIZE;
    const uint64_t most = (UINT64_C(1) << 29) / lines;
    uint64_t grant = o->slots >= 8 ? o->slots / 8 : 1;
    grant = grant < most ? grant : most;
    return grant > 0 ? (uint32_t)grant : 1;
}

void layout_ring(const struct channel_geometry *geometry, void *base, struct ring *ring)
{
    const shmbus_channel_options *o = &geometry->options;
    unsigned char *bytes = base;
    *ring = (struct ring){
        .slots = bytes + geometry->slots_offset,
        .arena = bytes + geometry->arena_offset,
        .shared = base,
        .publishers = (void *)(bytes + geometry->publishers_offset),
        .groups = (void *)(bytes + geometry->groups_offset),
        .members = (void *)(bytes + geometry->members_offset),
        .latencies = (void *)(bytes + geometry->latencies_offset),
        .slot_count = o->slots,
        .slot_shift = logarithm(o->slots),
        .stride_shift = logarithm(o->slot_size),
        .inline_max = o->slot_size - SLOT_HEADER,
        .arena_lines = (uint32_t)(o->arena / LINE_SIZE),
        .publisher_max = o->publishers,
        .group_max = o->groups,
        .member_max = o->members,
        .largest = o->largest,
        .first_sequence = o->first_sequence,
        .grant_slots = grant_of(o),
        .grant_lines = (uint32_t)(o->arena / LINE_SIZE / 8),
        .multi = o->producers == SHMBUS_MULTI,
        .overwrite = o->overflow == SHMBUS_OVERWRITE,
    };
    if (ring->inline_max > o->largest) {
        ring->inline_max = (uint32_t)o->largest;
    }
}
