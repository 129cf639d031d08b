/* SPDX-License-Identifier: Apache-2.0 */
/* Messages in the arena: records, lines and lengths that lie, for those who write them and those who read. */
#include "play.h"

static void prepare(struct play *play)
{
    play->actors[0].large = play->actors[1].large = true;
    play_rehearse(play, 0, ACTOR_RECEIVES, 4, 6);
    play_rehearse(play, 1, ACTOR_SENDS, 8, 7);
}

const struct play_target play_target = {
    .kinds = ACTOR_SENDS | ACTOR_RECEIVES, .focus = AREA_SLOT, .prepare = prepare};
