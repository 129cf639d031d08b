/* SPDX-License-Identifier: Apache-2.0 */
/* inspect.h: every field of the segment, named as in docs/segment-format.md. */
#include "error.h"
#include "inspect_view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT 0u /* size of a field: a name of NAME_SIZE bytes, or a host */

struct field_spec {
    const char *name;
    uint32_t offset;
    uint32_t size; /* 4, 8, or of a text: 0, and its bytes end with the next field */
};

/* One table of structures. */
struct table_spec {
    const char *structure;
    uint32_t stride;
    const struct field_spec *fields; /* ends with one without a name */
};

#define WORD(type, field)                                                                                    \
    {                                                                                                        \
#field, offsetof(struct type, field), sizeof(((struct type *)0)->field)                              \
    }
#define NAME(type, field)                                                                                    \
    {                                                                                                        \
#field, offsetof(struct type, field), TEXT                                                           \
    }

static const struct field_spec header_fields[] = {
    WORD(shm_header, magic),
    WORD(shm_header, fingerprint),
    WORD(shm_header, participants),
    WORD(shm_header, channels),
    WORD(shm_header, participants_offset),
    WORD(shm_header, entries_offset),
    WORD(shm_header, header_size),
    WORD(shm_header, size),
    WORD(shm_header, created_ns),
    NAME(shm_header, name),
    WORD(shm_header, changer),
    WORD(shm_header, changer_namespace),
    {0},
};

static const struct field_spec participant_fields[] = {
    WORD(shm_participant, state),         WORD(shm_participant, pid),  WORD(shm_participant, flags),
    WORD(shm_participant, attached_ns),   NAME(shm_participant, name), WORD(shm_participant, bell),
    WORD(shm_participant, pid_namespace), NAME(shm_participant, host), {0},
};

static const struct field_spec entry_fields[] = {
    WORD(shm_entry, state), WORD(shm_entry, generation), WORD(shm_entry, offset),
    WORD(shm_entry, size),  NAME(shm_entry, name),       {0},
};

static const struct field_spec channel_fields[] = {
    WORD(shm_channel, magic),
    WORD(shm_channel, producers),
    WORD(shm_channel, overflow),
    WORD(shm_channel, slots),
    WORD(shm_channel, slot_size),
    WORD(shm_channel, arena),
    WORD(shm_channel, largest),
    WORD(shm_channel, publishers),
    WORD(shm_channel, groups),
    WORD(shm_channel, members),
    WORD(shm_channel, type),
    WORD(shm_channel, first_sequence),
    WORD(shm_channel, publishers_offset),
    WORD(shm_channel, groups_offset),
    WORD(shm_channel, members_offset),
    WORD(shm_channel, slots_offset),
    WORD(shm_channel, arena_offset),
    WORD(shm_channel, size),
    WORD(shm_channel, removed),
    WORD(shm_channel, publishers_used),
    WORD(shm_channel, groups_used),
    WORD(shm_channel, members_used),
    WORD(shm_channel, orphans),
    WORD(shm_channel, handovers),
    WORD(shm_channel, latencies_offset),
    WORD(shm_channel, tail),
    WORD(shm_channel, data.sleepers),
    WORD(shm_channel, data.event),
    WORD(shm_channel, data.bells[0]),
    WORD(shm_channel, data.bells[1]),
    WORD(shm_channel, data.bells[2]),
    WORD(shm_channel, data.bells[3]),
    WORD(shm_channel, data.bells[4]),
    WORD(shm_channel, data.bells[5]),
    WORD(shm_channel, space.sleepers),
    WORD(shm_channel, space.event),
    WORD(shm_channel, space.bells[0]),
    WORD(shm_channel, space.bells[1]),
    WORD(shm_channel, space.bells[2]),
    WORD(shm_channel, space.bells[3]),
    WORD(shm_channel, space.bells[4]),
    WORD(shm_channel, space.bells[5]),
    {0},
};

static const struct field_spec publisher_fields[] = {
    WORD(shm_publisher, owner),
    WORD(shm_publisher, intent),
    WORD(shm_publisher, batch),
    WORD(shm_publisher, limit),
    WORD(shm_publisher, messages),
    WORD(shm_publisher, bytes),
    WORD(shm_publisher, aborted),
    WORD(shm_publisher, blocked),
    WORD(shm_publisher, sleeps),
    WORD(shm_publisher, wakes),
    WORD(shm_publisher, fenced),
    WORD(shm_publisher, spins),
    {0},
};

#define TOTALS(which)                                                                                        \
    WORD(shm_group, totals[which].messages), WORD(shm_group, totals[which].bytes),                           \
        WORD(shm_group, totals[which].missed), WORD(shm_group, totals[which].aborted),                       \
        WORD(shm_group, totals[which].redelivered)

static const struct field_spec group_fields[] = {
    WORD(shm_group, cursor),
    WORD(shm_group, state),
    NAME(shm_group, name),
    WORD(shm_group, joined),
    WORD(shm_group, settled),
    WORD(shm_group, attempts),
    TOTALS(0),
    TOTALS(1),
    WORD(shm_group, interrupted_end),
    {0},
};

static const struct field_spec member_fields[] = {
    WORD(shm_member, owner),    WORD(shm_member, group),       WORD(shm_member, busy),
    WORD(shm_member, held),     WORD(shm_member, held_end),    WORD(shm_member, attempts),
    WORD(shm_member, messages), WORD(shm_member, bytes),       WORD(shm_member, missed),
    WORD(shm_member, aborted),  WORD(shm_member, redelivered), WORD(shm_member, sleeps),
    WORD(shm_member, spins),    WORD(shm_member, largest_lag), {0},
};

static const struct table_spec header_table = {"shm_header", sizeof(struct shm_header), header_fields};
static const struct table_spec participant_table = {"shm_participant", sizeof(struct shm_participant),
                                                    participant_fields};
static const struct table_spec entry_table = {"shm_entry", sizeof(struct shm_entry), entry_fields};
static const struct table_spec channel_table = {"shm_channel", sizeof(struct shm_channel), channel_fields};
static const struct table_spec publisher_table = {"shm_publisher", sizeof(struct shm_publisher),
                                                  publisher_fields};
static const struct table_spec group_table = {"shm_group", sizeof(struct shm_group), group_fields};
static const struct table_spec member_table = {"shm_member", sizeof(struct shm_member), member_fields};

/* Where fields are told to, and of what. */
struct teller {
    int (*each)(void *context, const shmbus_field *field);
    void *context;
    const char *channel;
    const unsigned char *base; /* of what is mapped, and where that lies in the file */
    uint64_t base_offset;
};

static int tell(const struct teller *teller, shmbus_field *field)
{
    field->channel = teller->channel;
    return teller->each(teller->context, field);
}

static int tell_field(const struct teller *teller, const struct table_spec *table, uint64_t index,
                      const unsigned char *structure, const struct field_spec *spec)
{
    char text[NAME_SIZE];
    const unsigned char *at = structure + spec->offset;
    shmbus_field field = {
        .structure = table->structure,
        .index = index,
        .name = spec->name,
        .offset = teller->base_offset + (uint64_t)(at - teller->base),
        .size = spec->size,
    };
    if (spec->size == TEXT) {
        const bool host = spec->offset == offsetof(struct shm_participant, host);
        field.size = host ? HOST_SIZE : NAME_SIZE;
        memset(text, 0, sizeof text);
        memcpy(text, at, field.size - 1);
        field.text = text;
    } else if (spec->size == sizeof(uint32_t)) {
        field.value = load32_relaxed((const atomic_u32 *)(const void *)at);
    } else {
        field.value = load64_relaxed((const atomic_u64 *)(const void *)at);
    }
    return tell(teller, &field);
}

static int tell_table(const struct teller *teller, const struct table_spec *table, const void *first,
                      uint64_t count)
{
    int stop = 0;
    for (uint64_t i = 0; stop == 0 && i < count; i++) {
        const unsigned char *structure = (const unsigned char *)first + i * table->stride;
        for (const struct field_spec *spec = table->fields; stop == 0 && spec->name; spec++) {
            stop = tell_field(teller, table, i, structure, spec);
        }
    }
    return stop;
}

/* A histogram has a field for each bucket. */
static int tell_latency(const struct teller *teller, uint64_t index, const struct shm_latency *latency)
{
    static const struct table_spec table = {"shm_latency", sizeof(struct shm_latency), NULL};
    const unsigned char *structure = (const unsigned char *)latency;
    static const struct field_spec sums[] = {WORD(shm_latency, sum), WORD(shm_latency, largest)};
    int stop = tell_field(teller, &table, index, structure, &sums[0]);
    stop = stop ? stop : tell_field(teller, &table, index, structure, &sums[1]);
    for (uint32_t i = 0; stop == 0 && i < SHMBUS_LATENCY_BUCKETS; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "buckets[%u]", i);
        const struct field_spec bucket = {name, (uint32_t)offsetof(struct shm_latency, buckets) + 8 * i, 8};
        stop = tell_field(teller, &table, index, structure, &bucket);
    }
    return stop;
}

static int tell_part(const struct teller *teller, uint64_t index, const atomic_u64 *word, const char *name,
                     uint64_t value)
{
    shmbus_field field = {
        .structure = "slot",
        .index = index,
        .name = name,
        .offset = teller->base_offset + (uint64_t)((const unsigned char *)word - teller->base),
        .size = sizeof *word,
        .value = value,
    };
    return tell(teller, &field);
}

/* A stamp, and what it says of the words behind it. */
static int tell_slot(const struct teller *teller, const struct ring *ring, uint64_t index)
{
    atomic_u64 *slot = ring_slot(ring, index);
    const stamp s = load64_acquire(slot); /* [acq:stamp] */
    int stop = tell_part(teller, index, slot, "stamp.lap", stamp_lap(s));
    stop = stop ? stop : tell_part(teller, index, slot, "stamp.publisher", stamp_publisher(s));
    stop = stop ? stop : tell_part(teller, index, slot, "stamp.length", stamp_length(s));
    stop = stop ? stop : tell_part(teller, index, slot, "stamp.flags", s & STAMP_FLAGS);
    if (s & STAMP_ARENA) {
        const uint64_t record = load64_relaxed(slot + 1);
        stop = stop ? stop : tell_part(teller, index, slot + 1, "record.line", record_line(record));
        stop = stop ? stop : tell_part(teller, index, slot + 1, "record.length", record_length(record));
    }
    if (s & STAMP_SAMPLED) {
        atomic_u64 *sent = ring_sent(ring, slot);
        stop = stop ? stop : tell_part(teller, index, sent, "sent", load64_relaxed(sent));
    }
    return stop;
}

/* Of those ever used: a new channel's say nothing. */
static int tell_slots(const struct teller *teller, const struct ring *ring)
{
    position tail;
    const uint64_t used = ring_tail(ring, &tail) - ring->first_sequence;
    const uint64_t count = used < ring->slot_count ? used : ring->slot_count;
    const uint64_t first = ring_tail(ring, &tail) - count;
    int stop = 0;
    for (uint64_t i = 0; stop == 0 && i < ring->slot_count; i++) {
        if (((i - first) & (ring->slot_count - 1)) < count) {
            stop = tell_slot(teller, ring, i);
        }
    }
    return stop;
}

static int tell_channel(const struct teller *teller, const struct ring *ring)
{
    int stop = tell_table(teller, &channel_table, ring->shared, 1);
    stop = stop ? stop : tell_table(teller, &publisher_table, ring->publishers, ring->publisher_max);
    stop = stop ? stop : tell_table(teller, &group_table, ring->groups, ring->group_max);
    stop = stop ? stop : tell_table(teller, &member_table, ring->members, ring->member_max);
    for (uint32_t i = 0; stop == 0 && i < ring->member_max; i++) {
        stop = tell_latency(teller, i, &ring->latencies[i]);
    }
    return stop ? stop : tell_slots(teller, ring);
}

struct place {
    uint32_t index;
    uint64_t offset;
};

static int compare_places(const void *left, const void *right)
{
    const uint64_t a = ((const struct place *)left)->offset;
    const uint64_t b = ((const struct place *)right)->offset;
    return (a > b) - (a < b);
}

static uint32_t live_channels(const struct shmbus_view *view, struct place *places)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < view->geometry.channels; i++) {
        if (view_channel_is_live(view, i)) {
            places[count++] = (struct place){i, load64_relaxed(&view->entries[i].offset)};
        }
    }
    qsort(places, count, sizeof *places, compare_places);
    return count;
}

/* In the order of the file. A channel that went meanwhile is left out. */
static int tell_channels(struct shmbus_view *view, struct teller *teller, struct place *places)
{
    const uint32_t count = live_channels(view, places);
    int stop = 0;
    for (uint32_t i = 0; stop == 0 && i < count; i++) {
        char name[NAME_SIZE];
        const struct view_channel *channel = view_channel(view, places[i].index, &stop);
        if (!channel) {
            stop = stop == -ENOENT ? 0 : stop;
            continue;
        }
        view_name(name, view->entries[places[i].index].name);
        teller->channel = name;
        teller->base = channel->base;
        teller->base_offset = channel->offset;
        stop = tell_channel(teller, &channel->ring);
        teller->channel = NULL;
    }
    return stop;
}

int shmbus_view_fields(shmbus_view *view, int (*each)(void *context, const shmbus_field *field),
                       void *context)
{
    if (!each) {
        return error_set(-EINVAL, "no callback: `each` is NULL");
    }
    int stop = view_check(view, view);
    struct place *places = stop == 0 ? malloc(view->geometry.channels * sizeof *places) : NULL;
    if (!places) {
        return stop ? stop : error_set(-ENOMEM, "no memory for %u channels", view->geometry.channels);
    }
    struct teller teller = {.each = each, .context = context, .base = (const void *)view->header};
    stop = tell_table(&teller, &header_table, view->header, 1);
    stop = stop ? stop
                : tell_table(&teller, &participant_table, view->observer.table, view->geometry.participants);
    stop = stop ? stop : tell_table(&teller, &entry_table, view->entries, view->geometry.channels);
    stop = stop ? stop : tell_channels(view, &teller, places);
    free(places);
    return stop;
}
