/* SPDX-License-Identifier: Apache-2.0 */
/* Every field of a segment: each where layout.h has it, with what stands there, in the order of the file. */
#include "unit_map.h"

#include <sys/stat.h>

/* What the walk has told so far, checked against the mapping. */
struct walk {
    const unsigned char *base;
    uint64_t size;
    uint64_t fields;
    uint64_t slots;
    uint64_t last; /* offset of the last field */
    uint64_t stop_after;
    const char *structure, *name, *channel; /* looked for */
    uint64_t index;
    uint64_t found;
    shmbus_field field;
};

static bool is_slot(const shmbus_field *field)
{
    return strcmp(field->structure, "slot") == 0;
}

/* The bytes at the field's place are its value: but for slots, where a word is told in parts. */
static void check_value(const struct walk *walk, const shmbus_field *field)
{
    const unsigned char *at = walk->base + field->offset;
    uint64_t word = 0;
    if (field->text) {
        check_eq(strncmp(field->text, (const char *)at, field->size), 0);
        check(strlen(field->text) < field->size);
    } else if (!is_slot(field)) {
        check(field->size == 4 || field->size == 8);
        memcpy(&word, at, field->size);
        check(word == field->value);
    }
}

static int check_field(void *context, const shmbus_field *field)
{
    struct walk *walk = context;
    check(field->offset + field->size <= walk->size);
    check(field->offset % (field->size < 8 ? field->size : 8) == 0);
    check(field->offset >= walk->last); /* parts of a stamp have one place */
    check(is_slot(field) || field->offset > walk->last || walk->fields == 0);
    check_value(walk, field);
    walk->last = field->offset;
    walk->fields++;
    walk->slots += is_slot(field) && strcmp(field->name, "stamp.lap") == 0;
    if (walk->name && strcmp(field->structure, walk->structure) == 0 &&
        strcmp(field->name, walk->name) == 0 && field->index == walk->index &&
        (walk->channel ? field->channel && strcmp(field->channel, walk->channel) == 0 : !field->channel)) {
        walk->found++;
        walk->field = *field;
    }
    return walk->fields == walk->stop_after ? 4711 : 0;
}

static struct walk new_walk(void)
{
    return (struct walk){.base = (const unsigned char *)unit_map(), .size = (uint64_t)unit_file().size};
}

static int go(struct walk *walk)
{
    shmbus_view *view = NULL;
    walk->fields = walk->slots = walk->last = walk->found = 0;
    check_eq(shmbus_view_open(unit_bus, &view), 0);
    const int result = shmbus_view_fields(view, check_field, walk);
    shmbus_view_close(view);
    return result;
}

/* The one field of that name. */
static shmbus_field find(struct walk *walk, const char *channel, const char *structure, uint64_t index,
                         const char *name)
{
    walk->channel = channel;
    walk->structure = structure;
    walk->index = index;
    walk->name = name;
    check_eq(go(walk), 0);
    if (walk->found != 1) {
        unit_fail(__FILE__, __LINE__, "%s[%llu].%s: found %llu times", structure, (unsigned long long)index,
                  name, (unsigned long long)walk->found);
    }
    return walk->field;
}

/* A bus with channels "b" and "c", in this order in the file, and something in "c". */
static struct shmbus_bus *open_bus(void)
{
    const shmbus_bus_options options = {.participants = 3, .channels = 4, .participant_name = "walker"};
    const shmbus_channel_options plain = {.slots = 8,
                                          .slot_size = 64,
                                          .arena = 4096,
                                          .largest = 1000,
                                          .publishers = 2,
                                          .groups = 2,
                                          .members = 3,
                                          .first_sequence = 1000};
    shmbus_bus *bus = NULL;
    check_eq(shmbus_open(unit_bus, &options, &bus), 0);
    check_eq(shmbus_channel_create(bus, "b", &plain), 0);
    check_eq(shmbus_channel_create(bus, "c", &plain), 0);
    return bus;
}

/* Fields of all tables: nothing of the layout is left out but what is reserved. */
UNIT(fields, are_all_there)
{
    shmbus_bus *bus = open_bus();
    struct walk walk = new_walk();
    check_eq(go(&walk), 0);
    const uint64_t channel = 42 + 2 * 12 + 2 * 17 + 3 * 14 + 3 * (2 + SHMBUS_LATENCY_BUCKETS);
    check_eq(walk.fields, 12 + 3 * 8 + 4 * 5 + 2 * channel);
    check_eq(shmbus_close(bus), 0);
}

UNIT(fields, of_the_tables)
{
    shmbus_bus *bus = open_bus();
    struct walk walk = new_walk();
    struct shm_header *header = unit_map();
    check_eq(find(&walk, NULL, "shm_header", 0, "magic").offset, 0);
    check(find(&walk, NULL, "shm_header", 0, "magic").value == SEGMENT_MAGIC);
    check(find(&walk, NULL, "shm_header", 0, "fingerprint").value == LAYOUT_FINGERPRINT);
    check_eq(strcmp(find(&walk, NULL, "shm_header", 0, "name").name, "name"), 0);
    check_eq(find(&walk, NULL, "shm_header", 0, "changer").value, getpid());
    struct stat pid_namespace;
    check_eq(stat("/proc/self/ns/pid", &pid_namespace), 0);
    check_eq(find(&walk, NULL, "shm_header", 0, "changer_namespace").value, pid_namespace.st_ino);
    const shmbus_field pid = find(&walk, NULL, "shm_participant", 0, "pid");
    check_eq(pid.value, getpid());
    check_eq(pid.offset, header->participants_offset + offsetof(struct shm_participant, pid));
    check_eq(find(&walk, NULL, "shm_participant", 2, "host").offset,
             header->participants_offset + 2 * sizeof(struct shm_participant) +
                 offsetof(struct shm_participant, host));
    const shmbus_field state = find(&walk, NULL, "shm_entry", 1, "state");
    check_eq(state.value, ENTRY_LIVE);
    check_eq(state.offset, header->entries_offset + sizeof(struct shm_entry));
    check_eq(find(&walk, NULL, "shm_entry", 2, "state").value, ENTRY_FREE);
    check_eq(shmbus_close(bus), 0);
}

UNIT(fields, of_a_channel_in_use)
{
    shmbus_bus *bus = open_bus();
    shmbus_publisher *publisher = unit_publisher(bus, NULL);
    shmbus_subscriber *subscriber = unit_subscriber(bus, "g");
    check_eq(unit_send(publisher, 20, 0, SHMBUS_NOWAIT), 0);
    check_eq(unit_send(publisher, 300, 1, SHMBUS_NOWAIT), 0);
    unit_receive(subscriber, 1000, 20, 0);
    struct walk walk = new_walk();
    const uint64_t base = load64_relaxed(&unit_entries(unit_map())[1].offset);
    const shmbus_field tail = find(&walk, "c", "shm_channel", 0, "tail");
    check_eq(tail.offset, base + offsetof(struct shm_channel, tail));
    check_eq(position_sequence(tail.value), 1002);
    check_eq(position_sequence(find(&walk, "b", "shm_channel", 0, "tail").value), 1000);
    const shmbus_field owner = find(&walk, "c", "shm_publisher", 0, "owner");
    check_eq(owner.offset, base + sizeof(struct shm_channel));
    check(owner.value != OWNER_NONE);
    check(find(&walk, "c", "shm_publisher", 1, "owner").value == OWNER_NONE);
    const shmbus_field group = find(&walk, "c", "shm_group", 1, "name");
    check_eq(group.offset, base + sizeof(struct shm_channel) + 2 * sizeof(struct shm_publisher) +
                               sizeof(struct shm_group) + offsetof(struct shm_group, name));
    const uint64_t members =
        base + sizeof(struct shm_channel) + 2 * sizeof(struct shm_publisher) + 2 * sizeof(struct shm_group);
    const shmbus_field messages = find(&walk, "c", "shm_member", 0, "messages");
    check_eq(messages.offset, members + offsetof(struct shm_member, messages));
    check_eq(messages.value, 1);
    check_eq(find(&walk, "c", "shm_latency", 2, "buckets[123]").offset,
             members + 3 * sizeof(struct shm_member) + 3 * sizeof(struct shm_latency) - 8);
    check_eq(shmbus_close(bus), 0);
}

/* Message `i` of those below: the first is sampled, those behind it leave no room for that, the last is a record. */
static size_t size_of(uint64_t i)
{
    return i == 0 ? 40 : i == 10 ? 300 : 50;
}

static void check_slot(struct walk *walk, uint64_t i)
{
    const uint64_t sequence = 1000 + i, at = sequence % 8;
    const uint64_t channel = load64_relaxed(&unit_entries(unit_map())[1].offset);
    const shmbus_field lap = find(walk, "c", "slot", at, "stamp.lap");
    check_eq(lap.value, sequence / 8 + 1);
    check_eq((lap.offset - channel) % 4096, at * 64);
    check_eq(find(walk, "c", "slot", at, "stamp.publisher").value, 0);
    check_eq(find(walk, "c", "slot", at, "stamp.length").value, i == 10 ? 0 : size_of(i));
    const uint64_t flags = find(walk, "c", "slot", at, "stamp.flags").value;
    check_eq(flags & ~(uint64_t)STAMP_SAMPLED, i == 10 ? STAMP_ARENA : 0);
    check(i == 10 || ((flags & STAMP_SAMPLED) != 0) == (i == 0));
    if (i == 10) {
        check_eq(find(walk, "c", "slot", at, "record.length").value, 300);
        check_eq(find(walk, "c", "slot", at, "record.line").offset, lap.offset + 8);
    }
    if (flags & STAMP_SAMPLED) {
        check_eq(find(walk, "c", "slot", at, "sent").offset, lap.offset + 56);
    }
}

/* Used slots only, in the order in which they lie. */
UNIT(fields, of_the_slots)
{
    shmbus_bus *bus = open_bus();
    shmbus_publisher *publisher = unit_publisher(bus, NULL);
    for (uint64_t i = 0; i < 11; i++) { /* the ring goes round once */
        const int64_t before = shmbus_now();
        check_eq(unit_send(publisher, size_of(i), i, SHMBUS_NOWAIT), 0);
        struct walk walk = new_walk();
        check_slot(&walk, i);
        check_eq(walk.slots, i < 8 ? i + 1 : 8);
        if (i == 0) {
            const shmbus_field sent = find(&walk, "c", "slot", 0, "sent");
            check((int64_t)sent.value >= before && (int64_t)sent.value <= shmbus_now());
        }
    }
    check_eq(shmbus_close(bus), 0);
}

/* It stops where it is told to, and says why. */
UNIT(fields, stop_when_told)
{
    shmbus_bus *bus = open_bus();
    struct walk walk = new_walk();
    check_eq(go(&walk), 0);
    const uint64_t all = walk.fields;
    for (uint64_t i = 1; i <= all; i++) {
        walk.stop_after = i;
        check_eq(go(&walk), 4711);
        check_eq(walk.fields, i);
    }
    walk.stop_after = all + 1;
    check_eq(go(&walk), 0);
    shmbus_view *view = NULL;
    check_eq(shmbus_view_open(unit_bus, &view), 0);
    check_fails(shmbus_view_fields(view, NULL, NULL), -EINVAL, "NULL");
    check_fails(shmbus_view_fields(NULL, check_field, &walk), -EINVAL, "NULL");
    shmbus_view_close(view);
    check_eq(shmbus_close(bus), 0);
}

/* Channels come in the order of the file, whatever their numbers are; those that were removed do not. */
UNIT(fields, come_in_the_order_of_the_file)
{
    shmbus_bus *bus = open_bus();
    check_eq(shmbus_channel_remove(bus, "b"), 0);
    const shmbus_channel_options small = {
        .slots = 8, .arena = 1 << 20, .largest = 1000, .publishers = 1, .groups = 1, .members = 1};
    check_eq(shmbus_channel_create(bus, "a", &small), 0); /* it has entry 0, and lies at the end */
    struct walk walk = new_walk();
    check_eq(go(&walk), 0); /* which checks that offsets rise */
    const uint64_t a = find(&walk, "a", "shm_channel", 0, "magic").offset;
    const uint64_t c = find(&walk, "c", "shm_channel", 0, "magic").offset;
    check(a > c);
    check_eq(a, load64_relaxed(&unit_entries(unit_map())[0].offset));
    check_eq(shmbus_close(bus), 0);
}
