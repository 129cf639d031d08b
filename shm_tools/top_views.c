/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "numbers.h"
#include "top.h"
#include "units.h"

/* Where a ring begins to be full, and where it soon will be. */
#define FILL_WARM 0.5
#define FILL_ALARM 0.9

static const struct grid_column channel_columns[] = {
    {"name", "name", "CHANNEL", GRID_TEXT, 12, SHMBUS_NAME_MAX, 0},
    {"kind", NULL, "KIND", GRID_TEXT, 5, 5, 6},
    {NULL, "producers", NULL, GRID_TEXT, 0, 0, 0},
    {NULL, "overflow", NULL, GRID_TEXT, 0, 0, 0},
    {NULL, "published", NULL, GRID_COUNT, 0, 0, 0},
    {"msgs", "messages_per_s", "MSG/S", GRID_RATE, 5, 7, 0},
    {"mb", "bytes_per_s", "MB/S", GRID_MEGABYTES, 5, 7, 1},
    {"fill", "fill", "FILL", GRID_SHARE, 8, 15, 0},
    {"lag", "lag", "  LAG", GRID_LAG, 8, 16, 0},
    {"missed", "missed", "MISSED", GRID_COUNT, 6, 7, 2},
    {NULL, "missed_per_s", NULL, GRID_RATE, 0, 0, 0},
    {"blocked", "blocked_per_s", "BLK/S", GRID_RATE, 5, 6, 3},
    {NULL, "latency_samples", NULL, GRID_COUNT, 0, 0, 0},
    {"p50", "p50_ns", "P50", GRID_TIME, 6, 7, 4},
    {"p99", "p99_ns", "P99", GRID_TIME, 6, 7, 4},
    {NULL, NULL, "RATE", GRID_CHART, 4, 30, 5},
    {0},
};

static const struct grid_column participant_columns[] = {
    {"name", "name", "PARTICIPANT", GRID_TEXT, 12, SHMBUS_NAME_MAX, 0},
    {NULL, "index", NULL, GRID_NUMBER, 0, 0, 0},
    {"pid", "pid", "PID", GRID_NUMBER, 7, 8, 0},
    {"state", "state", "STATE", GRID_TEXT, 7, 7, 0},
    {"msgs", "messages_per_s", "SENT/S", GRID_RATE, 6, 7, 0},
    {"mb", "bytes_per_s", "MB/S", GRID_MEGABYTES, 5, 7, 1},
    {"got", "delivered_per_s", "GOT/S", GRID_RATE, 5, 7, 0},
    {"held", "held", "HELD", GRID_COUNT, 5, 6, 2},
    {"blocked", "blocked_per_s", "BLK/S", GRID_RATE, 5, 6, 3},
    {"pubs", "publishers", "PUBS", GRID_NUMBER, 4, 5, 4},
    {"subs", "members", "SUBS", GRID_NUMBER, 4, 5, 4},
    {"host", "host", "HOST", GRID_TEXT, 8, 20, 6},
    {0},
};

static const struct grid_column handle_columns[] = {
    {"what", "what", "WHAT", GRID_TEXT, 9, 9, 0},
    {NULL, "index", "NO", GRID_NUMBER, 4, 5, 3},
    {"name", "name", "NAME", GRID_TEXT, 12, SHMBUS_NAME_MAX, 0},
    {"group", "group", "GROUP", GRID_TEXT, 8, SHMBUS_NAME_MAX, 6},
    {"pid", "pid", "PID", GRID_NUMBER, 7, 8, 1},
    {"state", "state", "STATE", GRID_TEXT, 7, 7, 0},
    {"msgs", "messages_per_s", "MSG/S", GRID_RATE, 5, 7, 0},
    {"mb", "bytes_per_s", "MB/S", GRID_MEGABYTES, 5, 7, 2},
    {"lag", "lag", "  LAG", GRID_LAG, 9, 16, 0},
    {"age", "oldest_ns", "OLDEST", GRID_TIME, 6, 7, 5},
    {"held", "held", "HELD", GRID_COUNT, 5, 6, 4},
    {"missed", "missed", "MISSED", GRID_COUNT, 6, 7, 2},
    {"blocked", "blocked_per_s", "BLK/S", GRID_RATE, 5, 6, 4},
    {"p50", "p50_ns", "P50", GRID_TIME, 6, 7, 4},
    {"p99", "p99_ns", "P99", GRID_TIME, 6, 7, 4},
    {0},
};

const struct grid_column *top_columns(enum top_view view)
{
    switch (view) {
    case TOP_PARTICIPANTS:
        return participant_columns;
    case TOP_CHANNEL:
        return handle_columns;
    default:
        return channel_columns;
    }
}

/* -------------------------------------------------------------------------------------------- cells */

static void put_rate(struct top *top, uint64_t count)
{
    if (top->watch.rates.seconds > 0) {
        (void)grid_value(&top->grid, rate_of(&top->watch.rates, count));
    } else {
        (void)grid_absent(&top->grid);
    }
}

static void put_quantile(struct top *top, const shmbus_latency *latency, double share)
{
    if (latency->samples > 0) {
        (void)grid_value(&top->grid, (double)shmbus_latency_quantile(latency, share));
    } else {
        (void)grid_absent(&top->grid);
    }
}

static void put_absent(struct top *top, int count)
{
    for (int i = 0; i < count; i++) {
        (void)grid_absent(&top->grid);
    }
}

/* A count, and beside it how much of the greatest one that is shown it is. */
static void put_lag(struct top *top, uint64_t lag, uint64_t most)
{
    grid_value(&top->grid, (double)lag)->share = most > 0 ? (double)lag / (double)most : 0;
}

static void put_missed(struct top *top, uint64_t missed)
{
    grid_value(&top->grid, (double)missed)->mood = missed > 0 ? GRID_WARM : GRID_CALM;
}

static void put_state(struct top *top, int alive)
{
    struct grid_cell *cell = grid_text(&top->grid, alive == 1 ? "alive" : alive == 0 ? "dead" : "unknown");
    cell->mood = alive == 0 ? GRID_ALARM : GRID_CALM;
}

static int is_wanted(const struct top *top, const char *name)
{
    return strstr(name, top->filter) != NULL;
}

/* ----------------------------------------------------------------------------------------- channels */

static double fill_of(const struct snapshot_channel *channel, uint64_t lag)
{
    const uint64_t slots = channel->info.options.slots;
    return slots == 0 ? 0 : lag < slots ? (double)lag / (double)slots : 1;
}

static void put_fill(struct top *top, double fill)
{
    struct grid_cell *cell = grid_value(&top->grid, fill);
    cell->share = fill;
    cell->mood = fill >= FILL_ALARM ? GRID_ALARM : fill >= FILL_WARM ? GRID_WARM : GRID_CALM;
}

static void put_kind(struct top *top, const shmbus_channel_options *options)
{
    static const char *const kinds[2][2] = {{"N blk", "N ovr"}, {"1 blk", "1 ovr"}};
    const int single = options->producers == SHMBUS_SINGLE;
    const int overwrite = options->overflow == SHMBUS_OVERWRITE;
    (void)grid_text(&top->grid, kinds[single][overwrite]);
    (void)grid_text(&top->grid, single ? "single" : "multi");
    (void)grid_text(&top->grid, overwrite ? "overwrite" : "block");
}

static void put_history(struct top *top, uint32_t index)
{
    struct grid_cell *cell = grid_value(&top->grid, 0);
    if (index < top->histories.count) {
        const struct top_history *history = (const struct top_history *)top->histories.items + index;
        cell->chart = history->messages;
        cell->chart_count = history->count;
    }
}

static void put_channel(struct top *top, const struct snapshot_channel *channel,
                        const struct channel_rates *rates, uint64_t most)
{
    grid_row(&top->grid, channel->info.index);
    (void)grid_text(&top->grid, channel->info.name);
    put_kind(top, &channel->info.options);
    (void)grid_value(&top->grid, (double)channel->info.published);
    put_rate(top, rates->flow.messages);
    put_rate(top, rates->flow.bytes);
    put_fill(top, fill_of(channel, rates->lag));
    put_lag(top, rates->lag, most);
    put_missed(top, rates->missed);
    put_rate(top, rates->flow.missed);
    put_rate(top, rates->flow.blocked);
    (void)grid_value(&top->grid, (double)rates->latency.samples);
    put_quantile(top, &rates->latency, 0.5);
    put_quantile(top, &rates->latency, 0.99);
    put_history(top, channel->info.index);
}

static void fill_channels(struct top *top)
{
    const struct snapshot *snapshot = watch_latest(&top->watch);
    uint64_t most = 0;
    for (size_t i = 0; i < snapshot->channels.count; i++) {
        const uint64_t lag = rates_channel(&top->watch.rates, i)->lag;
        most = lag > most ? lag : most;
    }
    for (size_t i = 0; i < snapshot->channels.count; i++) {
        if (is_wanted(top, snapshot_channel(snapshot, i)->info.name)) {
            put_channel(top, snapshot_channel(snapshot, i), rates_channel(&top->watch.rates, i), most);
        }
    }
}

/* ------------------------------------------------------------------------------------- participants */

static void put_participant(struct top *top, const shmbus_participant_info *info,
                            const struct participant_rates *rates)
{
    grid_row(&top->grid, info->index);
    (void)grid_text(&top->grid, info->name);
    (void)grid_value(&top->grid, info->index);
    (void)grid_value(&top->grid, info->pid);
    put_state(top, info->alive);
    put_rate(top, rates->sent.messages);
    put_rate(top, rates->sent.bytes);
    put_rate(top, rates->got.messages);
    (void)grid_value(&top->grid, (double)rates->held);
    put_rate(top, rates->sent.blocked);
    (void)grid_value(&top->grid, rates->publishers);
    (void)grid_value(&top->grid, rates->members);
    (void)grid_text(&top->grid, info->host);
}

static void fill_participants(struct top *top)
{
    const struct snapshot *snapshot = watch_latest(&top->watch);
    for (size_t i = 0; i < snapshot->participants.count; i++) {
        if (is_wanted(top, snapshot_participant(snapshot, i)->name)) {
            put_participant(top, snapshot_participant(snapshot, i), rates_participant(&top->watch.rates, i));
        }
    }
}

/* --------------------------------------------------------------------------------------- one channel */

/* The cells name, group, pid and state. An owner that left meanwhile has no name. */
static void put_owner(struct top *top, uint32_t participant, const char *group, int alive)
{
    const shmbus_participant_info *owner = snapshot_owner(watch_latest(&top->watch), participant);
    (void)grid_text(&top->grid, owner ? owner->name : NULL);
    (void)grid_text(&top->grid, group);
    if (owner) {
        (void)grid_value(&top->grid, owner->pid);
    } else {
        put_absent(top, 1);
    }
    if (participant == UINT32_MAX) {
        (void)grid_text(&top->grid, "left");
    } else {
        put_state(top, alive);
    }
}

static void put_publisher(struct top *top, size_t i)
{
    const shmbus_publisher_info *info = snapshot_publisher(watch_latest(&top->watch), i);
    const struct flow *flow = rates_publisher(&top->watch.rates, i);
    grid_row(&top->grid, info->index);
    (void)grid_text(&top->grid, "publisher");
    (void)grid_value(&top->grid, info->index);
    put_owner(top, info->participant, NULL, info->alive);
    put_rate(top, flow->messages);
    put_rate(top, flow->bytes);
    put_absent(top, 4);
    put_rate(top, flow->blocked);
    put_absent(top, 2);
}

/* How long the message that holds the group up has been there. */
static void put_age(struct top *top, const shmbus_group_info *info)
{
    const int64_t age = watch_latest(&top->watch)->at - info->oldest_ns;
    if (info->oldest_ns > 0 && !watch_latest(&top->watch)->bus.copy) {
        (void)grid_value(&top->grid, age > 0 ? (double)age : 0);
    } else {
        put_absent(top, 1);
    }
}

static void put_group(struct top *top, size_t i, uint64_t most)
{
    const shmbus_group_info *info = snapshot_group(watch_latest(&top->watch), i);
    const struct flow *flow = rates_group(&top->watch.rates, i);
    grid_row(&top->grid, info->index);
    (void)grid_text(&top->grid, "group");
    (void)grid_value(&top->grid, info->index);
    (void)grid_text(&top->grid, info->name);
    (void)grid_text(&top->grid, info->name);
    put_absent(top, 1);
    (void)grid_text(&top->grid, info->durable ? "durable" : info->shared ? "shared" : "own");
    put_rate(top, flow->messages);
    put_rate(top, flow->bytes);
    put_lag(top, info->pending, most);
    put_age(top, info);
    put_absent(top, 1);
    put_missed(top, info->missed);
    put_absent(top, 3);
}

static void put_member(struct top *top, size_t i, const char *group)
{
    const struct snapshot_member *member = snapshot_member(watch_latest(&top->watch), i);
    const struct member_rates *rates = rates_member(&top->watch.rates, i);
    grid_row(&top->grid, member->info.index);
    (void)grid_text(&top->grid, "member");
    (void)grid_value(&top->grid, member->info.index);
    put_owner(top, member->info.participant, group, member->info.alive);
    put_rate(top, rates->flow.messages);
    put_rate(top, rates->flow.bytes);
    put_absent(top, 2);
    (void)grid_value(&top->grid, member->info.held);
    put_missed(top, member->info.stats.missed);
    put_absent(top, 1);
    put_quantile(top, &rates->latency, 0.5);
    put_quantile(top, &rates->latency, 0.99);
}

static void put_group_and_members(struct top *top, const struct snapshot_channel *channel, size_t place,
                                  uint64_t most)
{
    const struct snapshot *snapshot = watch_latest(&top->watch);
    const shmbus_group_info *group = snapshot_group(snapshot, place);
    put_group(top, place, most);
    for (size_t i = 0; i < channel->members.count; i++) {
        const size_t member = channel->members.first + i;
        if (snapshot_member(snapshot, member)->info.group == group->index) {
            put_member(top, member, group->name);
        }
    }
}

static void fill_handles(struct top *top)
{
    const struct snapshot *snapshot = watch_latest(&top->watch);
    const struct snapshot_channel *channel = snapshot_find_channel(snapshot, top->channel);
    if (!channel) {
        return;
    }
    const uint64_t lag =
        rates_channel(&top->watch.rates,
                      (size_t)(channel - (const struct snapshot_channel *)snapshot->channels.items))
            ->lag;
    for (size_t i = 0; i < channel->publishers.count; i++) {
        put_publisher(top, channel->publishers.first + i);
    }
    for (size_t i = 0; i < channel->groups.count; i++) {
        put_group_and_members(top, channel, channel->groups.first + i, lag);
    }
}

void top_fill(struct top *top)
{
    grid_begin(&top->grid, top_columns(top->view));
    if (top->error != 0 || !top->watch.valid) {
        return;
    }
    switch (top->view) {
    case TOP_PARTICIPANTS:
        fill_participants(top);
        break;
    case TOP_CHANNEL:
        fill_handles(top);
        break;
    default:
        fill_channels(top);
    }
    grid_sort(&top->grid, top->sort[top->view], top->reverse[top->view]);
}

/* ------------------------------------------------------------------------------------------- history */

static struct top_history *history_of(struct top *top, const shmbus_channel_info *info)
{
    while (top->histories.count <= info->index) {
        (void)vector_add(&top->histories, sizeof(struct top_history));
    }
    struct top_history *history = (struct top_history *)top->histories.items + info->index;
    if (strcmp(history->name, info->name) != 0) {
        *history = (struct top_history){0};
        memcpy(history->name, info->name, sizeof history->name);
    }
    return history;
}

static void note_rate(struct top_history *history, double rate)
{
    if (history->count == TOP_HISTORY) {
        history->count--;
        memmove(history->messages, history->messages + 1, history->count * sizeof *history->messages);
    }
    history->messages[history->count++] = rate;
}

/* The name takes what the rest leaves. */
void top_header(const struct top *top, int width, char *text)
{
    char rest[160] = "";
    char size[NUMBER_TEXT];
    char rate[UNIT_TEXT];
    char megabytes[UNIT_TEXT];
    const struct snapshot *snapshot = watch_latest(&top->watch);
    const struct rates *rates = &top->watch.rates;
    if (top->error == 0) {
        (void)snprintf(rest, sizeof rest, "%s  %u alive %u dead  %u ch  %s msg/s  %s MB/s  ",
                       number_format_size(snapshot->bus.size, size), snapshot->bus.participants,
                       snapshot->bus.dead, snapshot->bus.channels,
                       unit_count(rate_of(rates, rates->total.messages), rate),
                       unit_megabytes(rate_of(rates, rates->total.bytes), megabytes));
    }
    const size_t used = strlen(rest);
    (void)snprintf(rest + used, sizeof rest - used, top->paused ? "PAUSED" : "%.3g s",
                   (double)top->interval / 1e9);
    const char *name = looking_name(&top->looking);
    const int most = width - (int)strlen(rest) - 2;
    const int long_enough = (int)strlen(name) < most ? (int)strlen(name) : most;
    (void)glyphs_fit(name, long_enough > 1 ? long_enough : 1, text);
    (void)sprintf(text + strlen(text), "  %s", rest);
}

void top_look(struct top *top)
{
    top->error = watch_look(&top->watch);
    if (top->error != 0) {
        (void)snprintf(top->why, sizeof top->why, "%s", shmbus_strerror(top->error));
        return;
    }
    const struct snapshot *snapshot = watch_latest(&top->watch);
    for (size_t i = 0; top->watch.rates.seconds > 0 && i < snapshot->channels.count; i++) {
        note_rate(history_of(top, &snapshot_channel(snapshot, i)->info),
                  rate_of(&top->watch.rates, rates_channel(&top->watch.rates, i)->flow.messages));
    }
}
