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
    table_text(table, NULL);
}

void listing_add_broken_bus(struct table *table, const char *name, const char *reason)
{
    table_text(table, name);
    table_skip(table, 13);
    table_text(table, reason);
}

static const struct column channel_columns[] = {
    {"bus", "BUS", COLUMN_TEXT, NULL, NULL},
    {"name", "CHANNEL", COLUMN_TEXT, NULL, NULL},
    {"producers", "PRODUCERS", COLUMN_TEXT, NULL, NULL},
    {"overflow", "OVERFLOW", COLUMN_TEXT, NULL, NULL},
    {"slots", "SLOTS", COLUMN_NUMBER, NULL, NULL},
    {"slot_size", "SLOT", COLUMN_SIZE, NULL, NULL},
    {"arena", "ARENA", COLUMN_SIZE, NULL, NULL},
    {"largest", "LARGEST", COLUMN_SIZE, NULL, NULL},
    {"size", "SIZE", COLUMN_SIZE, NULL, NULL},
    {"type", NULL, COLUMN_TEXT, NULL, NULL},
    {"first_sequence", NULL, COLUMN_NUMBER, NULL, NULL},
    {"published", "PUBLISHED", COLUMN_NUMBER, NULL, NULL},
    {"publishers", "PUBS", COLUMN_NUMBER, NULL, NULL},
    {"publishers_max", NULL, COLUMN_NUMBER, NULL, NULL},
    {"groups", "GROUPS", COLUMN_NUMBER, NULL, NULL},
    {"groups_max", NULL, COLUMN_NUMBER, NULL, NULL},
    {"members", "SUBS", COLUMN_NUMBER, NULL, NULL},
    {"members_max", NULL, COLUMN_NUMBER, NULL, NULL},
    {0},
};

struct table *listing_channels(void)
{
    return table_new("channels", channel_columns);
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
    table_number(table, info->publishers);
    table_number(table, shape->publishers);
    table_number(table, info->groups);
    table_number(table, shape->groups);
    table_number(table, info->members);
    table_number(table, shape->members);
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
