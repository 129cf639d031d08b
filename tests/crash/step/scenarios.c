/* SPDX-License-Identifier: Apache-2.0 */
#include "operations.h"

#include <stddef.h>

static const struct state sending[] = {
    {"single, room known", ROOMY, 3, 0},
    {"multi, room known", MULTI | ROOMY, 3, 0},
    {"single, empty", 0, 0, 0},
    {"single, last slot", 0, 7, 0},
    {"single, full", 0, 8, 0},
    {"single, second lap", 0, 9, 8},
    {"single, 2^32", WRAPS, 1, 0},
    {"single, two slots", TINY, 1, 0},
    {"single, overwrite, lapped", OVERWRITE, 9, 0},
    {"multi, empty", MULTI, 0, 0},
    {"multi, last slot", MULTI, 7, 0},
    {"multi, full", MULTI, 8, 0},
    {"multi, 2^32", MULTI | WRAPS, 1, 0},
    {"multi, two slots", MULTI | TINY, 1, 0},
    {"multi, behind a dead claim", MULTI | CORPSE_CLAIMS, 1, 0},
    {"multi, overwrite, lapped", MULTI | OVERWRITE, 9, 0},
    {NULL, 0, 0, 0},
};

static const struct state sending_large[] = {
    {"single, room known", ROOMY, 3, 0},
    {"multi, room known", MULTI | ROOMY, 3, 0},
    {"single, empty", 0, 0, 0},
    {"single, arena's end", LARGE_BEFORE, 3, 3},
    {"single, arena full", LARGE_BEFORE, 3, 0},
    {"single, overwrite, arena's end", OVERWRITE | LARGE_BEFORE, 3, 0},
    {"multi, empty", MULTI, 0, 0},
    {"multi, arena's end", MULTI | LARGE_BEFORE, 3, 3},
    {"multi, arena full", MULTI | LARGE_BEFORE, 3, 0},
    {"multi, overwrite, arena's end", MULTI | OVERWRITE | LARGE_BEFORE, 3, 0},
    {NULL, 0, 0, 0},
};

static const struct state reading[] = {
    {"exclusive, far from full", ROOMY, 6, 2},
    {"exclusive, far from full, arena", ROOMY | LARGE_BEFORE, 6, 2},
    {"exclusive, one", 0, 1, 0},
    {"exclusive, full", 0, 8, 0},
    {"exclusive, empty", 0, 0, 0},
    {"exclusive, second lap", 0, 10, 8},
    {"exclusive, 2^32", WRAPS, 4, 1},
    {"exclusive, two slots", TINY, 2, 0},
    {"exclusive, arena", LARGE_BEFORE, 3, 0},
    {"exclusive, multi", MULTI, 3, 0},
    {"exclusive, behind a dead claim", MULTI | CORPSE_CLAIMS, 3, 0},
    {"exclusive, overwrite", OVERWRITE, 8, 0},
    {"exclusive, overwrite, arena", OVERWRITE | LARGE_BEFORE, 3, 0},
    {"shared, one", SHARED, 1, 0},
    {"shared, full", SHARED, 8, 0},
    {"shared, 2^32", SHARED | WRAPS, 4, 1},
    {"shared, arena", SHARED | LARGE_BEFORE, 3, 0},
    {"shared, another holds", SHARED | SURVIVOR_HOLDS, 4, 0},
    {"shared, a dead one held", SHARED | CORPSE_HOLDS, 4, 0},
    {"shared, multi, a dead one held", SHARED | MULTI | CORPSE_HOLDS, 4, 0},
    {"shared, overwrite", SHARED | OVERWRITE, 8, 0},
    {NULL, 0, 0, 0},
};

static const struct state releasing[] = {
    {"exclusive, far from full", ROOMY, 6, 2},
    {"exclusive, far from full, arena", ROOMY | LARGE_BEFORE, 6, 2},
    {"exclusive", 0, 3, 0},
    {"exclusive, full", 0, 8, 0},
    {"exclusive, arena", LARGE_BEFORE, 3, 0},
    {"exclusive, somebody sleeps for room", MULTI | SLEEPING_SENDER, 8, 0},
    {"shared", SHARED, 3, 0},
    {"shared, arena", SHARED | LARGE_BEFORE, 3, 0},
    {"shared, somebody sleeps for room", SHARED | MULTI | SLEEPING_SENDER, 8, 0},
    {NULL, 0, 0, 0},
};

static const struct state waking[] = {
    {"single, room known", ROOMY | SLEEPING_READER, 3, 3},
    {"single", SLEEPING_READER, 0, 0},
    {"multi", MULTI | SLEEPING_READER, 0, 0},
    {"multi, overwrite", MULTI | OVERWRITE | SLEEPING_READER, 0, 0},
    {NULL, 0, 0, 0},
};

static const struct state sleeping_for_room[] = {
    {"single", 0, 8, 0},
    {"multi", MULTI, 8, 0},
    {NULL, 0, 0, 0},
};

static const struct state sleeping_for_message[] = {
    {"exclusive", 0, 0, 0},
    {"shared", SHARED, 0, 0},
    {"exclusive, behind a dead claim", MULTI | CORPSE_CLAIMS, 3, 0},
    {NULL, 0, 0, 0},
};

static const struct state joining[] = {
    {"single", 0, 3, 0},
    {"multi, full", MULTI, 8, 0},
    {"multi, dead publisher", MULTI | CORPSE_CLAIMS, 3, 0},
    {"dead group", CORPSE_JOINED, 3, 0},
    {"2^32", WRAPS, 4, 0},
    {"overwrite", OVERWRITE, 9, 0},
    {NULL, 0, 0, 0},
};

static const struct state joining_group[] = {
    {"durable, unread", UNREAD, 3, 0},
    {"shared, with a member", SHARED, 3, 0},
    {"shared, a dead one held", SHARED | CORPSE_HOLDS, 3, 0},
    {"durable, new", NO_GROUP, 3, 0},
    {"shared, durable, new", NO_GROUP | SHARED, 3, 0},
    {NULL, 0, 0, 0},
};

static const struct state leaving[] = {
    {"durable", 0, 3, 1},
    {"not durable", PASSING, 3, 1},
    {"durable, holding", VICTIM_HOLDS, 3, 0},
    {"shared", SHARED, 3, 0},
    {"shared, holding", SHARED | VICTIM_HOLDS, 3, 0},
    {"shared, both holding", SHARED | SURVIVOR_HOLDS | VICTIM_HOLDS, 3, 0},
    {NULL, 0, 0, 0},
};

static const struct state opening[] = {
    {"single", SURVIVOR_SILENT, 0, 0},
    {"single, dead publisher", SURVIVOR_SILENT | CORPSE_CLAIMS, 0, 0},
    {"multi", MULTI, 3, 0},
    {"multi, dead publisher", MULTI | CORPSE_CLAIMS, 3, 0},
    {NULL, 0, 0, 0},
};

static const struct state closing[] = {
    {"single", 0, 3, 0},    {"single, claim open", VICTIM_CLAIMS, 3, 0},
    {"multi", MULTI, 3, 0}, {"multi, claim open", MULTI | VICTIM_CLAIMS, 3, 0},
    {NULL, 0, 0, 0},
};

static const struct state detaching[] = {
    {"publisher", VICTIM_SENDS, 3, 0},
    {"publisher, claim open", VICTIM_SENDS | VICTIM_CLAIMS | MULTI, 3, 0},
    {"member, holding", VICTIM_READS | SHARED | VICTIM_HOLDS, 3, 0},
    {"both", VICTIM_READS | VICTIM_SENDS, 0, 0},
    {NULL, 0, 0, 0},
};

static const struct state recovering[] = {
    {"dead single publisher", SURVIVOR_SILENT | CORPSE_CLAIMS, 0, 0},
    {"dead publisher", MULTI | CORPSE_CLAIMS, 2, 0},
    {"dead member, shared", SHARED | CORPSE_HOLDS, 3, 0},
    {"dead group", CORPSE_JOINED, 3, 0},
    {"all of them", MULTI | SHARED | CORPSE_CLAIMS | CORPSE_HOLDS, 3, 0},
    {NULL, 0, 0, 0},
};

static const struct state with_messages[] = {
    {"multi", MULTI, 3, 0},
    {NULL, 0, 0, 0},
};

static const struct state unread[] = {
    {"exclusive", UNREAD, 3, 0},
    {"shared, a dead one held", SHARED | UNREAD | CORPSE_HOLDS, 3, 0},
    {NULL, 0, 0, 0},
};

static const struct state no_channel[] = {
    {"single", NO_CHANNEL, 0, 0},
    {"2^32", NO_CHANNEL | WRAPS, 0, 0},
    {NULL, 0, 0, 0},
};

static const struct state no_bus[] = {
    {"new", NO_BUS, 0, 0},
    {NULL, 0, 0, 0},
};

const struct operation operations[] = {
    {"send", "send inline", do_send, VICTIM_SENDS | EVERY, 1, sending},
    {"send", "send arena", do_send, VICTIM_SENDS | LARGE_NOW, 1, sending_large},
    {"batch", "send batch", do_send_batch, VICTIM_SENDS, BATCH, sending},
    {"batch", "send batch arena", do_send_batch, VICTIM_SENDS | LARGE_NOW, BATCH, sending_large},
    {"claim", "claim, commit", do_claim_commit, VICTIM_SENDS, 1, sending},
    {"claim", "claim, commit, arena", do_claim_commit, VICTIM_SENDS | LARGE_NOW, 1, sending_large},
    {"claim", "claim, abort", do_claim_abort, VICTIM_SENDS, 1, sending},
    {"claim", "claim, abort, arena", do_claim_abort, VICTIM_SENDS | LARGE_NOW, 1, sending_large},
    {"claim_batch", "claim batch", do_claim_batch, VICTIM_SENDS, BATCH, sending},
    {"claim_batch", "claim batch, arena", do_claim_batch, VICTIM_SENDS | LARGE_NOW, BATCH, sending_large},
    {"recv", "recv", do_recv, VICTIM_READS | EVERY, 1, reading},
    {"peek", "peek, release", do_peek_release, VICTIM_READS, 1, reading},
    {"peek", "release", do_release, VICTIM_READS | VICTIM_HOLDS | EVERY, 1, releasing},
    {"next", "next", do_next, VICTIM_READS, BATCH, reading},
    {"poll", "poll", do_poll, VICTIM_READS, BATCH, reading},
    {"wait", "send, waking", do_send, VICTIM_SENDS, 1, waking},
    {"wait", "send, sleeping", do_send_waiting, VICTIM_SENDS, 1, sleeping_for_room},
    {"wait", "recv, sleeping", do_recv_waiting, VICTIM_READS, 1, sleeping_for_message},
    {"join", "join, now", do_join_now, 0, 0, joining},
    {"join", "join, oldest", do_join_oldest, 0, 0, joining},
    {"join", "join group", do_join_group, 0, 0, joining_group},
    {"leave", "subscriber close", do_leave, VICTIM_READS, 0, leaving},
    {"join", "publisher open", do_publisher_open, 0, 0, opening},
    {"leave", "publisher close", do_publisher_close, VICTIM_SENDS, 0, closing},
    {"bus", "attach", do_attach, VICTIM_APART, 0, with_messages},
    {"bus", "detach", do_detach, 0, 0, detaching},
    {"bus", "bus create", do_attach, 0, 0, no_bus},
    {"bus", "bus remove", do_bus_remove, WIPES, 0, with_messages},
    {"bus", "channel create", do_channel_create, 0, 0, no_channel},
    {"bus", "channel remove", do_channel_remove, WIPES | REMOVES, 0, with_messages},
    {"bus", "group remove", do_group_remove, WIPES, 0, unread},
    {"recover", "recover", do_recover, 0, 0, recovering},
};

const unsigned operation_count = sizeof operations / sizeof *operations;
