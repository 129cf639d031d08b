/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include <errno.h>
#include <shmbus/inspect.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

/* A field of an `info` struct, of 4 or 8 bytes, that is a family by itself. */
struct figure {
    struct family family;
    size_t at;
    size_t size;
};

#define FIGURE(type, name, info, field, help)                                                                \
    {                                                                                                        \
        {(name), (type), (help)}, offsetof(info, field), sizeof(((info *)0)->field)                          \
    }
#define COUNTER(name, info, field, help) FIGURE("counter", name, info, field, help)
#define GAUGE(name, info, field, help) FIGURE("gauge", name, info, field, help)

static const struct family up = {"shmbus_up", "gauge",
                                 "1 if the bus is there and could be looked at, 0 if not"};
static const struct family created = {"shmbus_bus_created_timestamp_seconds", "gauge",
                                      "When the bus was created, Unix time"};
static const struct family participant_alive = {"shmbus_participant_alive", "gauge",
                                                "1 if the participant lives, 0 if it died unnoticed"};
static const struct family oldest_age = {
    "shmbus_group_oldest_age_seconds", "gauge",
    "Age of the message that the group has to take next, if it is known"};
static const struct family latency = {
    "shmbus_latency_seconds", "histogram",
    "Time from a commit until the member saw the message, of a sample of them"};

static const struct figure bus_figures[] = {
    GAUGE("shmbus_bus_size_bytes", shmbus_bus_info, size, "Size of the segment's file"),
    GAUGE("shmbus_bus_resident_bytes", shmbus_bus_info, resident, "Memory that the segment takes"),
    GAUGE("shmbus_bus_leaked_bytes", shmbus_bus_info, leaked,
          "Memory of the segment that belongs to no channel"),
    GAUGE("shmbus_bus_directory_locked", shmbus_bus_info, changing,
          "1 while somebody holds the directory lock"),
    GAUGE("shmbus_participants", shmbus_bus_info, participants, "Participants attached and alive"),
    GAUGE("shmbus_dead_participants", shmbus_bus_info, dead,
          "Participants that died and were not cleaned up yet"),
    GAUGE("shmbus_participants_limit", shmbus_bus_info, participants_max, "Most participants at once"),
    GAUGE("shmbus_channels", shmbus_bus_info, channels, "Channels of the bus"),
    GAUGE("shmbus_channels_limit", shmbus_bus_info, channels_max, "Most channels of the bus"),
    GAUGE("shmbus_removed_channels", shmbus_bus_info, removed,
          "Channels that were removed and whose memory somebody still holds"),
    {.size = 0},
};

static const struct figure channel_figures[] = {
    COUNTER("shmbus_channel_published_total", shmbus_channel_info, published,
            "Messages since the channel was created, claimed and aborted ones included"),
    GAUGE("shmbus_channel_size_bytes", shmbus_channel_info, size,
          "Bytes of the segment that the channel takes"),
    GAUGE("shmbus_channel_slots", shmbus_channel_info, options.slots, "Messages that the ring holds"),
    GAUGE("shmbus_channel_arena_bytes", shmbus_channel_info, options.arena,
          "Room for messages beside the slots"),
    GAUGE("shmbus_channel_pending", shmbus_channel_info, pending,
          "Messages that the group furthest behind has not given back"),
    GAUGE("shmbus_channel_publishers", shmbus_channel_info, publishers, "Publishers of the channel"),
    GAUGE("shmbus_channel_groups", shmbus_channel_info, groups, "Groups of the channel"),
    GAUGE("shmbus_channel_members", shmbus_channel_info, members, "Members of all groups of the channel"),
    GAUGE("shmbus_channel_readers_asleep", shmbus_channel_info, readers_asleep,
          "1 if somebody sleeps for a message"),
    GAUGE("shmbus_channel_publishers_asleep", shmbus_channel_info, publishers_asleep,
          "1 if somebody sleeps for room"),
    {.size = 0},
};

static const struct figure publisher_figures[] = {
    COUNTER("shmbus_publisher_messages_total", shmbus_publisher_info, stats.messages, "Messages committed"),
    COUNTER("shmbus_publisher_bytes_total", shmbus_publisher_info, stats.bytes, "Bytes of those messages"),
    COUNTER("shmbus_publisher_aborted_total", shmbus_publisher_info, stats.aborted, "Messages given up"),
    COUNTER("shmbus_publisher_blocked_total", shmbus_publisher_info, stats.blocked,
            "Times there was no room"),
    COUNTER("shmbus_publisher_spins_total", shmbus_publisher_info, stats.spins,
            "Waits that ended without a sleep"),
    COUNTER("shmbus_publisher_sleeps_total", shmbus_publisher_info, stats.sleeps, "Times it slept"),
    COUNTER("shmbus_publisher_wakes_total", shmbus_publisher_info, stats.wakes, "Times it woke somebody"),
    GAUGE("shmbus_publisher_fenced", shmbus_publisher_info, fenced,
          "1 if a fence follows each of its messages"),
    {.size = 0},
};

static const struct figure group_figures[] = {
    COUNTER("shmbus_group_messages_total", shmbus_group_info, messages,
            "Messages delivered to the group's members"),
    COUNTER("shmbus_group_bytes_total", shmbus_group_info, bytes, "Bytes of those messages"),
    COUNTER("shmbus_group_missed_total", shmbus_group_info, missed,
            "Messages that were overwritten before they were read"),
    COUNTER("shmbus_group_aborted_total", shmbus_group_info, aborted,
            "Messages that publishers had given up"),
    COUNTER("shmbus_group_redelivered_total", shmbus_group_info, redelivered,
            "Messages taken over from members that died or left"),
    GAUGE("shmbus_group_members", shmbus_group_info, members, "Members of the group"),
    GAUGE("shmbus_group_pending", shmbus_group_info, pending, "Messages that the group has not given back"),
    GAUGE("shmbus_group_unfinished", shmbus_group_info, unfinished,
          "1 while the group waits for a publisher to finish a message"),
    {.size = 0},
};

static const struct figure member_figures[] = {
    COUNTER("shmbus_member_messages_total", shmbus_member_info, stats.messages,
            "Messages delivered to the member"),
    COUNTER("shmbus_member_bytes_total", shmbus_member_info, stats.bytes, "Bytes of those messages"),
    COUNTER("shmbus_member_missed_total", shmbus_member_info, stats.missed,
            "Messages that were overwritten before it read them"),
    COUNTER("shmbus_member_aborted_total", shmbus_member_info, stats.aborted, "Messages it passed over"),
    COUNTER("shmbus_member_redelivered_total", shmbus_member_info, stats.redelivered,
            "Messages it took over from others"),
    COUNTER("shmbus_member_spins_total", shmbus_member_info, stats.spins, "Waits that ended without a sleep"),
    COUNTER("shmbus_member_sleeps_total", shmbus_member_info, stats.sleeps, "Times it slept"),
    GAUGE("shmbus_member_held", shmbus_member_info, held, "Messages taken and not given back"),
    GAUGE("shmbus_member_largest_lag", shmbus_member_info, stats.largest_lag,
          "Most messages that were there and not yet read"),
    {.size = 0},
};

/* A bus that is being collected. */
struct collection {
    struct exposition *page;
    shmbus_view *view;
    int copy;
    shmbus_participant_info *participants; /* who owns publishers and members */
    size_t participant_count;
    shmbus_group_info *groups; /* of the channel being shown */
    size_t group_count;
};

static void add_figures(struct exposition *page, const struct figure *figures, const struct labels *labels,
                        const void *info)
{
    for (const struct figure *figure = figures; figure->size > 0; figure++) {
        uint64_t number = 0; /* little-endian: the low bytes are those of a shorter one */
        memcpy(&number, (const char *)info + figure->at, figure->size);
        exposition_number(page, &figure->family, labels, number);
    }
}

/* ------------------------------------------------------------------------------------- participants */

static void add_participant(const struct collection *collection, const struct labels *bus,
                            const shmbus_participant_info *info)
{
    struct labels labels = labels_with_number(*bus, "participant", info->index);
    labels = labels_with(labels, "process", info->name);
    labels = labels_with_number(labels, "pid", info->pid);
    labels = labels_with(labels, "host", info->host);
    if (info->alive != SHMBUS_UNKNOWN) {
        exposition_number(collection->page, &participant_alive, &labels, info->alive != 0);
    }
}

static int add_participants(struct collection *collection, const struct labels *bus)
{
    shmbus_participant_info info;
    uint32_t cursor = 0;
    int result;
    while ((result = shmbus_view_participant(collection->view, &cursor, &info)) > 0) {
        add_participant(collection, bus, &info);
        collection->participants = need_more_memory(
            collection->participants, (collection->participant_count + 1) * sizeof *collection->participants);
        collection->participants[collection->participant_count++] = info;
    }
    return result;
}

/* Who owns a publisher or member. One that left meanwhile has no name. */
static struct labels with_owner(struct labels labels, const struct collection *collection,
                                uint32_t participant)
{
    labels = labels_with_number(labels, "participant", participant);
    for (size_t i = 0; i < collection->participant_count; i++) {
        if (collection->participants[i].index == participant) {
            return labels_with(labels, "process", collection->participants[i].name);
        }
    }
    return labels_with(labels, "process", "");
}

/* ----------------------------------------------------------------------------------------- channels */

static int add_publishers(const struct collection *collection, const struct labels *channel, uint32_t index)
{
    shmbus_publisher_info info;
    uint32_t cursor = 0;
    int result;
    while ((result = shmbus_view_publisher(collection->view, index, &cursor, &info)) > 0) {
        struct labels labels = labels_with_number(*channel, "publisher", info.index);
        labels = with_owner(labels, collection, info.participant);
        add_figures(collection->page, publisher_figures, &labels, &info);
    }
    return result;
}

/* A copied file's times are of another day: there is no age to tell from them. */
static void add_group(const struct collection *collection, const struct labels *channel,
                      const shmbus_group_info *info)
{
    const struct labels labels = labels_with(*channel, "group", info->name);
    const int64_t now = shmbus_now();
    add_figures(collection->page, group_figures, &labels, info);
    if (!collection->copy && info->oldest_ns > 0 && info->oldest_ns <= now) {
        exposition_seconds(collection->page, &oldest_age, &labels, (uint64_t)(now - info->oldest_ns));
    }
}

static int add_groups(struct collection *collection, const struct labels *channel, uint32_t index)
{
    shmbus_group_info info;
    uint32_t cursor = 0;
    int result;
    collection->group_count = 0;
    while ((result = shmbus_view_group(collection->view, index, &cursor, &info)) > 0) {
        add_group(collection, channel, &info);
        collection->groups =
            need_more_memory(collection->groups, (collection->group_count + 1) * sizeof *collection->groups);
        collection->groups[collection->group_count++] = info;
    }
    return result;
}

static const char *group_name(const struct collection *collection, uint32_t index)
{
    for (size_t i = 0; i < collection->group_count; i++) {
        if (collection->groups[i].index == index) {
            return collection->groups[i].name;
        }
    }
    return ""; /* it went or came meanwhile */
}

/* Powers of two out of the library's finer buckets. */
static void add_latency(const struct collection *collection, const struct labels *member, uint32_t channel,
                        uint32_t index)
{
    shmbus_latency times;
    uint64_t count = 0;
    if (shmbus_view_latency(collection->view, channel, index, &times) != 0) {
        return; /* the member left meanwhile */
    }
    for (unsigned i = 0; i < SHMBUS_LATENCY_BUCKETS; i++) {
        count += times.buckets[i];
        if (i % 4 == 3 || i == SHMBUS_LATENCY_BUCKETS - 1) {
            exposition_bucket(collection->page, &latency, member, shmbus_latency_bound(i), count);
        }
    }
    exposition_sum(collection->page, &latency, member, times.sum_ns, count);
}

static int add_members(const struct collection *collection, const struct labels *channel, uint32_t index)
{
    shmbus_member_info info;
    uint32_t cursor = 0;
    int result;
    while ((result = shmbus_view_member(collection->view, index, &cursor, &info)) > 0) {
        if (info.participant == UINT32_MAX) {
            continue; /* it has left: its figures will be the group's */
        }
        struct labels labels = labels_with(*channel, "group", group_name(collection, info.group));
        labels = labels_with_number(labels, "member", info.index);
        labels = with_owner(labels, collection, info.participant);
        add_figures(collection->page, member_figures, &labels, &info);
        add_latency(collection, &labels, index, info.index);
    }
    return result;
}

static int add_channel(struct collection *collection, const struct labels *bus, shmbus_channel_info *info)
{
    const struct labels labels = labels_with(*bus, "channel", info->name);
    info->published -= info->options.first_sequence; /* how many, not which */
    add_figures(collection->page, channel_figures, &labels, info);
    int result = add_publishers(collection, &labels, info->index);
    if (result == 0) {
        result = add_groups(collection, &labels, info->index);
    }
    return result == 0 ? add_members(collection, &labels, info->index) : result;
}

static int add_channels(struct collection *collection, const struct labels *bus)
{
    shmbus_channel_info info;
    uint32_t cursor = 0;
    int result;
    while ((result = shmbus_view_channel(collection->view, &cursor, &info)) > 0) {
        /* -ENOENT: the channel was removed while we looked at it. */
        const int added = add_channel(collection, bus, &info);
        if (added < 0 && added != -ENOENT && added != -EIDRM) {
            return added;
        }
    }
    return result;
}

/* ---------------------------------------------------------------------------------------------- bus */

static int add_bus(struct collection *collection, const struct labels *bus)
{
    shmbus_bus_info info;
    int result = shmbus_view_bus(collection->view, &info);
    if (result == 0) {
        collection->copy = info.copy;
        add_figures(collection->page, bus_figures, bus, &info);
        exposition_seconds(collection->page, &created, bus, info.created_ns);
        result = add_participants(collection, bus);
    }
    return result == 0 ? add_channels(collection, bus) : result;
}

int metrics_add(struct exposition *page, const struct looking *looking)
{
    struct collection collection = {.page = page};
    const struct labels bus = labels_with((struct labels){0}, "bus", looking_subject(looking));
    int result = looking_try(looking, &collection.view);
    if (result == 0) {
        result = add_bus(&collection, &bus);
    }
    exposition_number(page, &up, &bus, result == 0);
    shmbus_view_close(collection.view);
    free(collection.participants);
    free(collection.groups);
    return result;
}
