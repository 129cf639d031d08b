/* SPDX-License-Identifier: Apache-2.0 */
/* The library's list of buses is private to bus.c, and has to be emptied: that file is compiled in here. */
#include "bus.c" /* NOLINT(bugprone-suspicious-include) */

#include "adapter.h"

#include "api_publisher.h"
#include "api_subscriber.h"
#include "ring_glance.h"

#include <inttypes.h>
#include <stdio.h>

#undef memcpy /* what follows makes no steps */

#define GROUPS 64u

/* How many groups each entry has held: nothing in the segment tells one from its predecessor. */
static uint32_t lives[GROUPS];

void adapter_reset(void)
{
    buses = NULL;
    memset(lives, 0, sizeof lives);
}

uint64_t __real_cursor_join(const struct ring *ring, struct shm_group *group, uint64_t flags, bool oldest);
uint64_t __wrap_cursor_join(const struct ring *ring, struct shm_group *group, uint64_t flags, bool oldest);

/* The linker puts it before cursor_join(), which makes a group. */
uint64_t __wrap_cursor_join(const struct ring *ring, struct shm_group *group, uint64_t flags, bool oldest)
{
    lives[(size_t)(group - ring->groups) % GROUPS]++;
    return __real_cursor_join(ring, group, flags, oldest);
}

static const struct subscriber *subscriber_of(shmbus_subscriber *key)
{
    return &subscriber_from_handle(handle_enter(key, HANDLE_SUBSCRIBER))->subscriber;
}

struct adapter_group adapter_group_of(shmbus_subscriber *key)
{
    const struct subscriber *subscriber = subscriber_of(key);
    const struct shm_group *group = subscriber->consumer.group;
    return (struct adapter_group){
        .index = subscriber->group,
        .life = lives[subscriber->group % GROUPS],
        .joined = group->joined,
        .next = subscriber->consumer.sequence,
        .shared = (group->state & GROUP_SHARED) != 0,
        .durable = (group->state & GROUP_DURABLE) != 0,
    };
}

uint64_t adapter_last_sent(shmbus_publisher *key)
{
    const struct handle *handle = handle_enter(key, HANDLE_PUBLISHER);
    const struct producer *producer =
        &caa_container_of(handle, const struct publisher_handle, child.handle)->publisher.producer;
    const struct producer_window *window = &producer->window;
    return producer->sequence - 1 +
           ((uint64_t)(window->slot - window->first) >> producer->ring->stride_shift);
}

bool adapter_ready(shmbus_subscriber *key)
{
    return consumer_ready(&subscriber_of(key)->consumer);
}

/* ------------------------------------------------------------------------------------------------ */
/* The segment, looked at from outside                                                                */
/* ------------------------------------------------------------------------------------------------ */

/* The first channel; false when there is none yet. */
static bool find_ring(struct ring *ring)
{
    const struct shm_header *header = (const void *)sim_memory;
    struct bus_geometry bus;
    struct channel_geometry channel;
    if (header->magic != SEGMENT_MAGIC) {
        return false;
    }
    layout_bus(header->participants, header->channels, &bus);
    const struct shm_entry *entry = (const void *)(sim_memory + bus.entries_offset);
    if (entry->state != ENTRY_LIVE ||
        layout_check_channel((const void *)(sim_memory + entry->offset), entry->size, &channel) != 0) {
        return false;
    }
    layout_ring(&channel, sim_memory + entry->offset, ring);
    return true;
}

int adapter_glance(uint64_t sequence, void *buffer, size_t capacity, struct adapter_sight *sight)
{
    struct ring ring;
    struct glance seen = {0};
    if (!find_ring(&ring)) {
        return -ENOENT;
    }
    const int err = glance_message(&ring, sequence, buffer, capacity, &seen);
    *sight = (struct adapter_sight){.size = seen.size, .aborted = seen.aborted};
    return err;
}

int64_t adapter_time_of(uint64_t sequence)
{
    struct ring ring;
    return find_ring(&ring) ? (int64_t)glance_sent(&ring, sequence, 1) : 0;
}

uint64_t adapter_next(uint64_t sequence)
{
    struct ring ring;
    return find_ring(&ring) ? glance_next(&ring, sequence) : sequence;
}

static void audit_groups(const struct ring *ring, struct adapter_audit *audit)
{
    for (uint32_t i = 0; i < ring->group_max && audit->groups < 8; i++) {
        const struct shm_group *group = &ring->groups[i];
        if (group->state & GROUP_ACTIVE) {
            memcpy(audit->group[audit->groups].name, group->name, NAME_SIZE);
            audit->group[audit->groups].shared = (group->state & GROUP_SHARED) != 0;
            audit->group[audit->groups].durable = (group->state & GROUP_DURABLE) != 0;
            audit->groups++;
        }
    }
}

void adapter_audit(struct adapter_audit *audit)
{
    struct ring ring;
    *audit = (struct adapter_audit){0};
    if (!find_ring(&ring)) {
        return;
    }
    for (uint32_t i = 0; i < ring.publisher_max; i++) {
        audit->publishers += ring.publishers[i].owner != OWNER_NONE;
    }
    for (uint32_t i = 0; i < ring.member_max; i++) {
        const uint64_t owner = ring.members[i].owner;
        audit->orphans += (owner & OWNER_ORPHAN) != 0;
        audit->members += owner != OWNER_NONE && !(owner & OWNER_ORPHAN);
    }
    audit->tail = sequence_near(ring.first_sequence, position_sequence(ring.shared->tail));
    audit_groups(&ring, audit);
}

/* ------------------------------------------------------------------------------------------------ */
/* Names                                                                                              */
/* ------------------------------------------------------------------------------------------------ */

struct field {
    const char *name;
    size_t offset;
    size_t size;
};

#define FIELD(type, name)                                                                                    \
    {                                                                                                        \
#name, offsetof(struct type, name), sizeof(((struct type *)0)->name)                                 \
    }

static const struct field participant_fields[] = {FIELD(shm_participant, state),
                                                  FIELD(shm_participant, pid),
                                                  FIELD(shm_participant, flags),
                                                  FIELD(shm_participant, bell),
                                                  {NULL, 0, 0}};
static const struct field channel_fields[] = {
    FIELD(shm_channel, removed),     FIELD(shm_channel, publishers_used),
    FIELD(shm_channel, groups_used), FIELD(shm_channel, members_used),
    FIELD(shm_channel, orphans),     FIELD(shm_channel, handovers),
    FIELD(shm_channel, tail),        FIELD(shm_channel, data),
    FIELD(shm_channel, space),       {NULL, 0, 0}};
static const struct field publisher_fields[] = {
    FIELD(shm_publisher, owner), FIELD(shm_publisher, intent),  FIELD(shm_publisher, batch),
    FIELD(shm_publisher, limit), FIELD(shm_publisher, fenced),  FIELD(shm_publisher, messages),
    FIELD(shm_publisher, bytes), FIELD(shm_publisher, aborted), {NULL, 0, 0}};
static const struct field group_fields[] = {FIELD(shm_group, cursor),
                                            FIELD(shm_group, state),
                                            FIELD(shm_group, settled),
                                            FIELD(shm_group, joined),
                                            {NULL, 0, 0}};
static const struct field member_fields[] = {
    FIELD(shm_member, owner),    FIELD(shm_member, group),    FIELD(shm_member, busy),
    FIELD(shm_member, held),     FIELD(shm_member, held_end), FIELD(shm_member, attempts),
    FIELD(shm_member, messages), FIELD(shm_member, aborted),  {NULL, 0, 0}};
static const struct field slot_fields[] = {{"stamp", 0, 8}, {"record or payload", 8, 8}, {NULL, 0, 0}};
static const struct field no_fields[] = {{NULL, 0, 0}};

/* An array of structures in the segment. */
struct region {
    const char *name;
    const void *start;
    size_t count;
    size_t stride;
    const struct field *fields;
};

static bool name_in(const struct region *region, const unsigned char *at, char *name, size_t size)
{
    const size_t offset = (size_t)(at - (const unsigned char *)region->start);
    if (at < (const unsigned char *)region->start || offset >= region->count * region->stride) {
        return false;
    }
    const size_t within = offset % region->stride;
    const struct field *field = region->fields;
    while (field->name && within - field->offset >= field->size) {
        field++;
    }
    uint64_t value = 0;
    memcpy(&value, at, field->name ? (field->size < 8 ? field->size : 8) : 1);
    const size_t plus = field->name ? within - field->offset : within;
    (void)snprintf(name, size, "%s[%zu].%s+%zu = %" PRIx64, region->name, offset / region->stride,
                   field->name ? field->name : "byte", plus, value);
    return true;
}

void adapter_name(const void *address, char *name, size_t size)
{
    const unsigned char *at = address;
    struct ring ring;
    (void)snprintf(name, size, "+%zu", (size_t)(at - sim_memory));
    if (!find_ring(&ring)) {
        return;
    }
    const struct shm_header *header = (const void *)sim_memory;
    const struct region regions[] = {
        {"participant", sim_memory + header->participants_offset, header->participants,
         sizeof(struct shm_participant), participant_fields},
        {"channel", ring.shared, 1, sizeof *ring.shared, channel_fields},
        {"publisher", ring.publishers, ring.publisher_max, sizeof *ring.publishers, publisher_fields},
        {"group", ring.groups, ring.group_max, sizeof *ring.groups, group_fields},
        {"member", ring.members, ring.member_max, sizeof *ring.members, member_fields},
        {"slot", ring.slots, ring.slot_count, (size_t)1 << ring.stride_shift, slot_fields},
        {"line", ring.arena, ring.arena_lines, LINE_SIZE, no_fields},
    };
    for (size_t i = 0; i < sizeof regions / sizeof regions[0]; i++) {
        if (name_in(&regions[i], at, name, size)) {
            return;
        }
    }
}
