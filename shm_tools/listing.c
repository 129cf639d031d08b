/* SPDX-License-Identifier: Apache-2.0 */
#include "listing.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

static const struct column bus_columns[] = {
    {"name", "BUS", COLUMN_TEXT, NULL, NULL},
    {"size", "SIZE", COLUMN_SIZE, NULL, NULL},
    {"resident", "IN MEMORY", COLUMN_SIZE, NULL, NULL},
    {"mode", "MODE", COLUMN_TEXT, NULL, NULL},
    {"owner", "OWNER", COLUMN_TEXT, NULL, NULL},
    {"uid", NULL, COLUMN_NUMBER, NULL, NULL},
    {"group", "GROUP", COLUMN_TEXT, NULL, NULL},
    {"gid", NULL, COLUMN_NUMBER, NULL, NULL},
    {"participants", "ALIVE", COLUMN_NUMBER, NULL, NULL},
    {"dead", "DEAD", COLUMN_NUMBER, NULL, NULL},
    {"participants_max", NULL, COLUMN_NUMBER, NULL, NULL},
    {"channels", "CHANNELS", COLUMN_NUMBER, NULL, NULL},
    {"channels_max", NULL, COLUMN_NUMBER, NULL, NULL},
    {"fingerprint", NULL, COLUMN_TEXT, NULL, NULL},
    {"stale", "USE", COLUMN_FLAG, "stale", "in use"},
    {"copy", NULL, COLUMN_FLAG, NULL, NULL},
    {"removed", NULL, COLUMN_NUMBER, NULL, NULL},
    {"unused", NULL, COLUMN_SIZE, NULL, NULL},
    {"leaked", NULL, COLUMN_SIZE, NULL, NULL},
    {"error", "PROBLEM", COLUMN_TEXT, NULL, NULL},
    {0},
};

struct table *listing_buses(void)
{
    return table_new("buses", bus_columns);
}

/* 64-bit numbers as text: many readers of JSON keep only 53 bits. */
static void add_hex(struct table *table, uint64_t number)
{
    char text[32];
    (void)snprintf(text, sizeof text, "0x%016" PRIx64, number);
    table_text(table, text);
}

int listing_is_stale(const shmbus_bus_info *info)
{
    return !info->copy && info->participants == 0;
}

static void add_stale(struct table *table, const shmbus_bus_info *info)
{
    if (info->copy) {
        table_skip(table, 1);
    } else {
        table_flag(table, listing_is_stale(info));
    }
}

void listing_add_bus(struct table *table, const shmbus_bus_info *info)
{
    char mode[16];
    char uid[16];
    char gid[16];
    const struct passwd *owner = getpwuid(info->uid);
    const struct group *group = getgrgid(info->gid);
    (void)snprintf(mode, sizeof mode, "%04o", info->mode);
    (void)snprintf(uid, sizeof uid, "%" PRIu32, info->uid);
    (void)snprintf(gid, sizeof gid, "%" PRIu32, info->gid);
    table_text(table, info->name);
    table_number(table, info->size);
    table_number(table, info->resident);
    table_text(table, mode);
    table_text(table, owner ? owner->pw_name : uid);
    table_number(table, info->uid);
    table_text(table, group ? group->gr_name : gid);
    table_number(table, info->gid);
    table_number(table, info->participants);
    table_number(table, info->dead);
    table_number(table, info->participants_max);
    table_number(table, info->channels);
    table_number(table, info->channels_max);
    add_hex(table, info->fingerprint);
    add_stale(table, info);
    table_flag(table, info->copy);
    table_number(table, info->removed);
    table_number(table, info->unused);
    table_number(table, info->leaked);
    table_text(table, NULL);
}

void listing_add_broken_bus(struct table *table, const char *name, const char *reason)
{
    table_text(table, name);
    table_skip(table, 18);
    table_text(table, reason);
}

/* The titles of the first columns, and of the shape, which `stat` leaves out for people: its rows are long. */
#define CHANNEL_COLUMNS(bus_title, arena_title, largest_title, size_title)                                   \
    {"bus", bus_title, COLUMN_TEXT, NULL, NULL}, {"name", "CHANNEL", COLUMN_TEXT, NULL, NULL},               \
        {"producers", "PRODUCERS", COLUMN_TEXT, NULL, NULL},                                                 \
        {"overflow", "OVERFLOW", COLUMN_TEXT, NULL, NULL}, {"slots", "SLOTS", COLUMN_NUMBER, NULL, NULL},    \
        {"slot_size", "SLOT", COLUMN_SIZE, NULL, NULL}, {"arena", arena_title, COLUMN_SIZE, NULL, NULL},     \
        {"largest", largest_title, COLUMN_SIZE, NULL, NULL}, {"size", size_title, COLUMN_SIZE, NULL, NULL},  \
        {"type", NULL, COLUMN_TEXT, NULL, NULL}, {"first_sequence", NULL, COLUMN_NUMBER, NULL, NULL},        \
        {"published", "PUBLISHED", COLUMN_NUMBER, NULL, NULL}, {"oldest", NULL, COLUMN_NUMBER, NULL, NULL},  \
        {"publishers", "PUBS", COLUMN_NUMBER, NULL, NULL},                                                   \
        {"publishers_max", NULL, COLUMN_NUMBER, NULL, NULL},                                                 \
        {"groups", "GROUPS", COLUMN_NUMBER, NULL, NULL}, {"groups_max", NULL, COLUMN_NUMBER, NULL, NULL},    \
        {"members", "SUBS", COLUMN_NUMBER, NULL, NULL}, {"members_max", NULL, COLUMN_NUMBER, NULL, NULL},

static const struct column channel_columns[] = {
    CHANNEL_COLUMNS("BUS", "ARENA", "LARGEST", "SIZE") /* */
    {0},
};

/* clang-format off */
static const struct column traffic_columns[] = {
    CHANNEL_COLUMNS(NULL, NULL, NULL, NULL)
    {"pending", "PENDING", COLUMN_NUMBER, NULL, NULL},
    {"fill", "FILL%", COLUMN_NUMBER, NULL, NULL},
    {"rate", "MSG/S", COLUMN_NUMBER, NULL, NULL},
    {"blocked", "BLOCKED", COLUMN_NUMBER, NULL, NULL},
    {NULL, "ASLEEP", COLUMN_TEXT, NULL, NULL},
    {"readers_asleep", NULL, COLUMN_FLAG, NULL, NULL},
    {"publishers_asleep", NULL, COLUMN_FLAG, NULL, NULL},
    {0},
};
/* clang-format on */

struct table *listing_channels(void)
{
    return table_new("channels", channel_columns);
}

struct table *listing_traffic(void)
{
    return table_new("channels", traffic_columns);
}

void listing_add_channel(struct table *table, const char *bus, const shmbus_channel_info *info)
{
    const shmbus_channel_options *shape = &info->options;
    table_text(table, bus);
    table_text(table, info->name);
    table_text(table, shape->producers == SHMBUS_SINGLE ? "single" : "multi");
    table_text(table, shape->overflow == SHMBUS_OVERWRITE ? "overwrite" : "block");
    table_number(table, shape->slots);
    table_number(table, shape->slot_size);
    table_number(table, shape->arena);
    table_number(table, shape->largest);
    table_number(table, info->size);
    add_hex(table, shape->type);
    table_number(table, shape->first_sequence);
    table_number(table, info->published);
    table_number(table, info->oldest);
    table_number(table, info->publishers);
    table_number(table, shape->publishers);
    table_number(table, info->groups);
    table_number(table, shape->groups);
    table_number(table, info->members);
    table_number(table, shape->members);
}

static const char *who_sleeps(const shmbus_channel_info *info)
{
    if (info->readers_asleep) {
        return info->publishers_asleep ? "both" : "readers";
    }
    return info->publishers_asleep ? "publishers" : NULL;
}

void listing_add_traffic(struct table *table, const char *bus, const struct listing_traffic *traffic)
{
    const shmbus_channel_info *info = traffic->info;
    listing_add_channel(table, bus, info);
    table_number(table, info->pending);
    table_number(table, info->options.slots ? info->pending * 100 / info->options.slots : 0);
    if (traffic->has_rate) {
        table_number(table, traffic->rate);
    } else {
        table_skip(table, 1);
    }
    table_number(table, traffic->blocked);
    table_text(table, who_sleeps(info));
    table_flag(table, info->readers_asleep);
    table_flag(table, info->publishers_asleep);
}

int listing_find_channel(shmbus_view *view, const char *name, shmbus_channel_info *info)
{
    uint32_t cursor = 0;
    int result;
    while ((result = shmbus_view_channel(view, &cursor, info)) > 0) {
        if (strcmp(info->name, name) == 0) {
            return 0;
        }
    }
    return result < 0 ? result : -ENOENT;
}

int listing_print_created(const shmbus_bus_info *bus, const shmbus_channel_info *channel)
{
    struct table *tables[] = {listing_buses(), listing_channels()};
    listing_add_bus(tables[0], bus);
    if (channel) {
        listing_add_channel(tables[1], bus->name, channel);
    }
    const int result = tables_print_json(tables, 2, stdout);
    table_free(tables[0]);
    table_free(tables[1]);
    return result;
}
