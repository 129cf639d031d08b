/* SPDX-License-Identifier: Apache-2.0 */
/* Groups joined, left, adopted from and removed, in tables that lie. */
#include "play.h"

static void prepare(struct play *play)
{
    play_rehearse(play, 0, ACTOR_JOINS | ACTOR_RECEIVES, 8, 8);
    play_rehearse(play, 1, ACTOR_SENDS, 10, 9);
    play_rehearse(play, 1, ACTOR_JOINS | ACTOR_RECEIVES, 8, 10);
}

const struct play_target play_target = {
    .kinds = ACTOR_JOINS | ACTOR_RECEIVES, .focus = AREA_GROUP, .prepare = prepare};
