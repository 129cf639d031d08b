/* SPDX-License-Identifier: Apache-2.0 */
/* What may be used as a name, a segment, a channel; and where a channel's parts lie. */
#include "unit.h"

#include "layout_check.h"

/* ---------------------------------------------------------------------------------------------- names */

UNIT(names, of_every_allowed_length)
{
    char name[SHMBUS_NAME_MAX + 2] = "";
    for (size_t length = 1; length <= SHMBUS_NAME_MAX; length++) {
        name[length - 1] = 'n';
        check_eq(layout_check_name("bus", name), 0);
    }
    name[SHMBUS_NAME_MAX] = 'n';
    check_fails(layout_check_name("bus", name), -ENAMETOOLONG, "bus name", "48 bytes", "47");
}

UNIT(names, empty_or_missing)
{
    check_fails(layout_check_name("group", ""), -EINVAL, "group name", "empty", "47");
    check_fails(layout_check_name("channel", NULL), -EINVAL, "channel name", "47");
}

UNIT(names, far_too_long)
{
    char *name = malloc(100001);
    check(name != NULL);
    memset(name, 'n', 100000);
    name[100000] = '\0';
    check_fails(layout_check_name("bus", name), -ENAMETOOLONG, "bus name", "47");
    free(name);
}

UNIT(names, with_forbidden_bytes)
{
    for (int c = 1; c < 256; c++) {
        const char name[] = {'a', 'b', (char)c, 'd', '\0'};
        char hex[8];
        (void)snprintf(hex, sizeof hex, "0x%02x", c);
        if (c < 0x20 || c == 0x7f || c == '/') {
            check_fails(layout_check_name("bus", name), -EINVAL, hex, "offset 2");
        } else {
            check_eq(layout_check_name("bus", name), 0);
        }
    }
}

UNIT(names, with_dots)
{
    check_fails(layout_check_name("bus", "."), -EINVAL, "dot");
    check_fails(layout_check_name("bus", ".."), -EINVAL, "dot");
    check_fails(layout_check_name("bus", ".hidden"), -EINVAL, ".hidden", "dot");
    check_eq(layout_check_name("bus", "a.b."), 0);
}

/* -------------------------------------------------------------------------------------------- segments */

static struct shm_header header_of(uint32_t participants, uint32_t channels)
{
    struct bus_geometry geometry;
    layout_bus(participants, channels, &geometry);
    struct shm_header header = {
        .fingerprint = LAYOUT_FINGERPRINT,
        .participants = participants,
        .channels = channels,
        .participants_offset = geometry.participants_offset,
        .entries_offset = geometry.entries_offset,
        .header_size = geometry.header_size,
    };
    store64_relaxed(&header.size, geometry.header_size);
    store64_relaxed(&header.magic, SEGMENT_MAGIC);
    return header;
}

UNIT(segments, of_any_size_are_laid_out_without_overlap)
{
    const uint32_t participants[] = {1, 2, PARTICIPANTS_DEFAULT, PARTICIPANTS_MAX};
    const uint32_t channels[] = {1, 3, CHANNELS_DEFAULT, CHANNELS_MAX};
    for (unsigned i = 0; i < 16; i++) {
        const struct shm_header header = header_of(participants[i % 4], channels[i / 4]);
        struct bus_geometry g;
        check_eq(layout_check_bus(&header, header.header_size, &g), 0);
        check(g.participants_offset >= sizeof header);
        check(g.entries_offset >= g.participants_offset + g.participants * sizeof(struct shm_participant));
        check(g.header_size >= g.entries_offset + g.channels * sizeof(struct shm_entry));
        check_eq(g.header_size % PAGE_SIZE_SHARED, 0);
        check_eq(g.participants_offset % 64, 0);
        check_eq(g.entries_offset % 64, 0);
    }
}

UNIT(segments, that_are_none)
{
    struct shm_header header = header_of(4, 4);
    struct bus_geometry g;
    store64_relaxed(&header.magic, 0x1122334455667788);
    check_fails(layout_check_bus(&header, 1 << 20, &g), -EBADMSG, "not a shmbus segment", "1122334455667788");
    store64_relaxed(&header.magic, 0);
    check_fails(layout_check_bus(&header, 1 << 20, &g), -EBADMSG, "not a shmbus segment");
}

UNIT(segments, of_another_layout)
{
    struct shm_header header = header_of(4, 4);
    struct bus_geometry g;
    header.fingerprint = 0x1234;
    check_fails(layout_check_bus(&header, 1 << 20, &g), -EPROTO, "layout 0000000000001234", shmbus_version());
}

UNIT(segments, that_are_truncated)
{
    const struct shm_header header = header_of(4, 4);
    struct bus_geometry g;
    char size[24];
    (void)snprintf(size, sizeof size, "%llu", (unsigned long long)header.header_size);
    check_fails(layout_check_bus(&header, header.header_size - 1, &g), -EBADMSG, "truncated", size);
}

UNIT(segments, with_counts_out_of_bounds)
{
    const uint32_t counts[] = {0, PARTICIPANTS_MAX + 1, 0x80000000, UINT32_MAX};
    for (unsigned i = 0; i < 4; i++) {
        struct bus_geometry g;
        char text[24];
        (void)snprintf(text, sizeof text, "%u", counts[i]);
        struct shm_header header = header_of(4, 4);
        header.participants = counts[i];
        check_fails(layout_check_bus(&header, UINT64_MAX, &g), -EBADMSG, "damaged", text);
        header = header_of(4, 4);
        header.channels = counts[i];
        check_fails(layout_check_bus(&header, UINT64_MAX, &g), -EBADMSG, "damaged", text);
    }
}

UNIT(segments, with_offsets_that_do_not_fit)
{
    for (unsigned field = 0; field < 4; field++) {
        struct shm_header header = header_of(4, 4);
        uint64_t *const fields[] = {&header.participants_offset, &header.entries_offset, &header.header_size};
        if (field < 3) {
            *fields[field] += 64;
        } else {
            store64_relaxed(&header.size, header.header_size - 1);
        }
        struct bus_geometry g;
        check_fails(layout_check_bus(&header, UINT64_MAX, &g), -EBADMSG, "damaged segment");
    }
}

/* -------------------------------------------------------------------------------------------- channels */

UNIT(channels, have_the_documented_defaults)
{
    struct channel_geometry g;
    check_eq(layout_channel(NULL, &g), 0);
    const shmbus_channel_options expected = {
        .producers = SHMBUS_MULTI,
        .overflow = SHMBUS_BLOCK,
        .slots = 4096,
        .slot_size = 64,
        .arena = 512 << 10,
        .largest = 128 << 10,
        .publishers = 32,
        .groups = 16,
        .members = 64,
    };
    check(memcmp(&g.options, &expected, sizeof expected) == 0);
}

UNIT(channels, derive_the_arena_and_the_largest_from_each_other)
{
    const struct {
        uint64_t asked_arena, asked_largest, arena, largest;
    } cases[] = {
        {0, 1000, 512 << 10, 1000},
        {0, 200 << 10, 1 << 20, 200 << 10},
        {0, 1 << 20, 4 << 20, 1 << 20},
        {0, UINT64_C(64) << 20, UINT64_C(256) << 20, UINT64_C(64) << 20},
        {4096, 0, 4096, 1024},
        {UINT64_C(8) << 30, 0, UINT64_C(8) << 30, UINT64_C(2) << 30},
        {UINT64_C(64) << 30, UINT32_MAX, UINT64_C(64) << 30, UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct channel_geometry g;
        const shmbus_channel_options asked = {.arena = cases[i].asked_arena,
                                              .largest = cases[i].asked_largest};
        check_eq(layout_channel(&asked, &g), 0);
        check_eq(g.options.arena, cases[i].arena);
        check_eq(g.options.largest, cases[i].largest);
    }
    const shmbus_channel_options single = {.producers = SHMBUS_SINGLE};
    struct channel_geometry g;
    check_eq(layout_channel(&single, &g), 0);
    check_eq(g.options.publishers, 1);
}

/* A record's length has 32 bits: of the largest arenas a quarter is more. */
UNIT(channels, of_the_largest_arena_have_a_default_largest)
{
    for (uint64_t arena = UINT64_C(16) << 30; arena <= ARENA_MAX; arena *= 2) {
        struct channel_geometry g;
        const shmbus_channel_options asked = {.arena = arena};
        check_eq(layout_channel(&asked, &g), 0);
        check(g.options.largest >= UINT64_C(1) << 31 && g.options.largest <= UINT32_MAX);
    }
}

struct refused {
    shmbus_channel_options options;
    const char *words[3];
};

static const struct refused refused[] = {
    {{.producers = (enum shmbus_producers)3}, {"producers is 3", "1 to 2"}},
    {{.overflow = (enum shmbus_overflow)7}, {"overflow is 7", "1 to 2"}},
    {{.slots = 3}, {"slots is 3", "power of two", "4"}},
    {{.slots = 4095}, {"slots is 4095", "power of two", "4096"}},
    {{.slots = 1u << 25}, {"slots is 33554432", "16777216"}},
    {{.slots = UINT32_MAX}, {"slots is 4294967295", "16777216"}},
    {{.slot_size = 1}, {"slot_size is 1", "64", "256"}},
    {{.slot_size = 32}, {"slot_size is 32", "64", "256"}},
    {{.slot_size = 65}, {"slot_size is 65", "power of two", "128"}},
    {{.slot_size = 512}, {"slot_size is 512", "256"}},
    {{.arena = 1}, {"arena is 1", "4096"}},
    {{.arena = 2048}, {"arena is 2048", "4096"}},
    {{.arena = 4097}, {"arena is 4097", "power of two", "8192"}},
    {{.arena = UINT64_C(128) << 30, .largest = 1}, {"arena is 137438953472", "68719476736"}},
    {{.arena = UINT64_MAX, .largest = 1}, {"arena is 18446744073709551615", "68719476736"}},
    {{.arena = 8192, .largest = 4097}, {"largest is 4097", "4096"}},
    {{.largest = UINT64_C(1) << 32}, {"largest is 4294967296", "4294967295"}},
    {{.largest = UINT64_MAX}, {"largest is 18446744073709551615", "4294967295"}},
    {{.publishers = PUBLISHERS_MAX + 1}, {"publishers is 4096", "4095"}},
    {{.producers = SHMBUS_SINGLE, .publishers = 2}, {"publishers is 2", "single", "1"}},
    {{.groups = GROUPS_MAX + 1}, {"groups is 1025", "1024"}},
    {{.members = MEMBERS_MAX + 1}, {"members is 4096", "4095"}},
    {{.reserved = 1}, {"reserved is 1"}},
    {{.first_sequence = FIRST_SEQUENCE_MAX}, {"first_sequence is 549755813888", "549755813887"}},
    {{.overflow = SHMBUS_OVERWRITE, .slots = 1u << 24, .largest = 1 << 20},
     {"16777216", "1048576", "overwrite"}},
};

UNIT(channels, refuse_what_is_out_of_bounds)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct channel_geometry g;
        for (unsigned w = 0; w < 3 && refused[i].words[w]; w++) {
            check_fails(layout_channel(&refused[i].options, &g), -EINVAL, refused[i].words[w]);
        }
    }
}

static void check_parts(const struct channel_geometry *g)
{
    const shmbus_channel_options *o = &g->options;
    check(g->publishers_offset >= sizeof(struct shm_channel));
    check(g->groups_offset >= g->publishers_offset + o->publishers * sizeof(struct shm_publisher));
    check(g->members_offset >= g->groups_offset + o->groups * sizeof(struct shm_group));
    check(g->slots_offset >= g->members_offset + o->members * sizeof(struct shm_member));
    check(g->arena_offset >= g->slots_offset + (uint64_t)o->slots * o->slot_size);
    check(g->size >= g->arena_offset + o->arena);
    check_eq((g->publishers_offset | g->groups_offset | g->members_offset) % 64, 0);
    check_eq((g->slots_offset | g->arena_offset | g->size) % PAGE_SIZE_SHARED, 0);
}

static const shmbus_channel_options shapes[] = {
    {.slots = 1, .arena = ARENA_MIN, .publishers = 1, .groups = 1, .members = 1},
    {.slots = SLOTS_MAX, .slot_size = 256, .arena = ARENA_MAX, .largest = UINT32_MAX},
    {.producers = SHMBUS_SINGLE, .overflow = SHMBUS_OVERWRITE, .slots = 8, .slot_size = 128, .arena = 8192},
    {.publishers = PUBLISHERS_MAX, .groups = GROUPS_MAX, .members = MEMBERS_MAX},
    {.largest = 1, .first_sequence = FIRST_SEQUENCE_MAX - 1, .type = UINT64_MAX},
};

UNIT(channels, are_laid_out_without_overlap)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct channel_geometry g;
        check_eq(layout_channel(&shapes[i], &g), 0);
        check_parts(&g);
        struct ring ring;
        static char base[1]; /* only an address */
        layout_ring(&g, base, &ring);
        check_eq(1u << ring.slot_shift, ring.slot_count);
        check_eq(1u << ring.stride_shift, g.options.slot_size);
        check_eq((uint64_t)ring.arena_lines * LINE_SIZE, g.options.arena);
        const uint64_t fits = g.options.slot_size - SLOT_HEADER;
        check_eq(ring.inline_max, fits < g.options.largest ? fits : g.options.largest);
        check(ring.grant_slots >= 1 && ring.grant_slots <= ring.slot_count);
        check(ring.grant_lines >= 1 && ring.grant_lines <= ring.arena_lines);
    }
}

static struct shm_channel channel_of(const struct channel_geometry *g)
{
    const shmbus_channel_options *o = &g->options;
    struct shm_channel channel;
    memset((void *)&channel, 0, sizeof channel);
    channel.magic = CHANNEL_MAGIC;
    channel.producers = o->producers;
    channel.overflow = o->overflow;
    channel.slots = o->slots;
    channel.slot_size = o->slot_size;
    channel.arena = o->arena;
    channel.largest = o->largest;
    channel.publishers = o->publishers;
    channel.groups = o->groups;
    channel.members = o->members;
    channel.type = o->type;
    channel.first_sequence = o->first_sequence;
    channel.size = g->size;
    return channel;
}

UNIT(channels, are_recognised)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct channel_geometry g, checked;
        check_eq(layout_channel(&shapes[i], &g), 0);
        const struct shm_channel channel = channel_of(&g);
        check_eq(layout_check_channel(&channel, g.size, &checked), 0);
        check(memcmp(&g, &checked, sizeof g) == 0);
        check_fails(layout_check_channel(&channel, g.size - 1, &checked), -EBADMSG, "damaged channel");
        check_fails(layout_check_channel(&channel, g.size + 4096, &checked), -EBADMSG, "damaged channel");
    }
}

/* Any one field of the geometry set to nonsense is noticed, and nothing outside is used. */
UNIT(channels, that_are_damaged)
{
    struct channel_geometry g, checked;
    check_eq(layout_channel(NULL, &g), 0);
    const struct shm_channel good = channel_of(&g);
    const size_t fields32[] = {
        offsetof(struct shm_channel, producers), offsetof(struct shm_channel, overflow),
        offsetof(struct shm_channel, slots),     offsetof(struct shm_channel, slot_size),
        offsetof(struct shm_channel, groups),    offsetof(struct shm_channel, publishers),
        offsetof(struct shm_channel, members),   offsetof(struct shm_channel, arena),
        offsetof(struct shm_channel, largest),   offsetof(struct shm_channel, size),
        offsetof(struct shm_channel, magic)};
    const uint32_t nonsense[] = {3, 0x7fffffff, UINT32_MAX};
    for (size_t i = 0; i < sizeof fields32 / sizeof *fields32; i++) {
        for (unsigned j = 0; j < 3; j++) {
            struct shm_channel channel = good;
            memcpy((unsigned char *)&channel + fields32[i], &nonsense[j], 4);
            if (fields32[i] == offsetof(struct shm_channel, largest) && nonsense[j] == 3) {
                continue; /* a channel for tiny messages is as good */
            }
            check_fails(layout_check_channel(&channel, g.size, &checked), -EBADMSG, "damaged channel");
        }
    }
}
