/* SPDX-License-Identifier: Apache-2.0 */
/* Channels created, opened and removed by a directory whose entries lie. */
#include "play.h"

static void prepare(struct play *play)
{
    play_rehearse(play, 0, ACTOR_CHANNELS | ACTOR_JOINS, 6, 3);
}

const struct play_target play_target = {
    .kinds = ACTOR_CHANNELS | ACTOR_SENDS | ACTOR_JOINS, .focus = AREA_ENTRY, .prepare = prepare};
