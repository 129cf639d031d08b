/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include <string.h>

#include "snapshot.h"

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
static const struct family damaged = {"shmbus_bus_damaged_channels", "gauge",
                                      "Channels that are left out, since their bytes make no sense"};
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

static void add_participant(struct exposition *page, const struct labels *bus,
                            const shmbus_participant_info *info)
{
    struct labels labels = labels_with_number(*bus, "participant", info->index);
    labels = labels_with(labels, "process", info->name);
    labels = labels_with_number(labels, "pid", info->pid);
    labels = labels_with(labels, "host", info->host);
    if (info->alive != SHMBUS_UNKNOWN) {
        exposition_number(page, &participant_alive, &labels, info->alive != 0);
    }
}

/* Who owns a publisher or member. One that left meanwhile has no name. */
static struct labels with_owner(struct labels labels, const struct snapshot *snapshot, uint32_t participant)
{
    const shmbus_participant_info *owner = snapshot_owner(snapshot, participant);
    labels = labels_with_number(labels, "participant", participant);
    return labels_with(labels, "process", owner ? owner->name : "");
}

/* ----------------------------------------------------------------------------------------- channels */

static void add_publisher(struct exposition *page, const struct snapshot *snapshot,
                          const struct labels *channel, const shmbus_publisher_info *info)
{
    struct labels labels = labels_with_number(*channel, "publisher", info->index);
    labels = with_owner(labels, snapshot, info->participant);
    add_figures(page, publisher_figures, &labels, info);
}

/* A copied file's times are of another day: there is no age to tell from them. */
static void add_group(struct exposition *page, const struct snapshot *snapshot, const struct labels *channel,
                      const shmbus_group_info *info)
{
    const struct labels labels = labels_with(*channel, "group", info->name);
    add_figures(page, group_figures, &labels, info);
    if (!snapshot->bus.copy && info->oldest_ns > 0 && info->oldest_ns <= snapshot->at) {
        exposition_seconds(page, &oldest_age, &labels, (uint64_t)(snapshot->at - info->oldest_ns));
    }
}

/* Powers of two out of the library's finer buckets. */
static void add_latency(struct exposition *page, const struct labels *member, const shmbus_latency *times)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < SHMBUS_LATENCY_BUCKETS; i++) {
        count += times->buckets[i];
        if (i % 4 == 3 || i == SHMBUS_LATENCY_BUCKETS - 1) {
            exposition_bucket(page, &latency, member, shmbus_latency_bound(i), count);
        }
    }
    exposition_sum(page, &latency, member, times->sum_ns, count);
}

static void add_member(struct exposition *page, const struct snapshot *snapshot, const struct labels *channel,
                       const shmbus_group_info *group, const struct snapshot_member *member)
{
    const shmbus_member_info *info = &member->info;
    if (info->participant == UINT32_MAX) {
        return; /* it has left: its figures will be the group's */
    }
    /* A group without a name went or came meanwhile. */
    struct labels labels = labels_with(*channel, "group", group ? group->name : "");
    labels = labels_with_number(labels, "member", info->index);
    labels = with_owner(labels, snapshot, info->participant);
    add_figures(page, member_figures, &labels, info);
    add_latency(page, &labels, &member->latency);
}

static void add_channel(struct exposition *page, const struct snapshot *snapshot, const struct labels *bus,
                        const struct snapshot_channel *channel)
{
    const struct labels labels = labels_with(*bus, "channel", channel->info.name);
    shmbus_channel_info info = channel->info;
    info.published -= info.options.first_sequence; /* how many, not which */
    add_figures(page, channel_figures, &labels, &info);
    for (size_t i = 0; i < channel->publishers.count; i++) {
        add_publisher(page, snapshot, &labels, snapshot_publisher(snapshot, channel->publishers.first + i));
    }
    for (size_t i = 0; i < channel->groups.count; i++) {
        add_group(page, snapshot, &labels, snapshot_group(snapshot, channel->groups.first + i));
    }
    for (size_t i = 0; i < channel->members.count; i++) {
        const struct snapshot_member *member = snapshot_member(snapshot, channel->members.first + i);
        add_member(page, snapshot, &labels, snapshot_group_of(snapshot, channel, member->info.group), member);
    }
}

/* ---------------------------------------------------------------------------------------------- bus */

static void add_bus(struct exposition *page, const struct snapshot *snapshot, const struct labels *bus)
{
    add_figures(page, bus_figures, bus, &snapshot->bus);
    exposition_number(page, &damaged, bus, snapshot->damaged);
    exposition_seconds(page, &created, bus, snapshot->bus.created_ns);
    for (size_t i = 0; i < snapshot->participants.count; i++) {
        add_participant(page, bus, snapshot_participant(snapshot, i));
    }
    for (size_t i = 0; i < snapshot->channels.count; i++) {
        add_channel(page, snapshot, bus, snapshot_channel(snapshot, i));
    }
}

int metrics_add(struct exposition *page, const struct looking *looking)
{
    struct snapshot snapshot = {0};
    shmbus_view *view = NULL;
    const struct labels bus = labels_with((struct labels){0}, "bus", looking_subject(looking));
    int result = looking_try(looking, &view);
    result = result == 0 ? snapshot_take(&snapshot, view, NULL) : result;
    if (result == 0) {
        add_bus(page, &snapshot, &bus);
    }
    exposition_number(page, &up, &bus, result == 0);
    snapshot_free(&snapshot);
    shmbus_view_close(view);
    return result;
}
