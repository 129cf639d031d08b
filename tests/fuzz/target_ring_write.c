/* SPDX-License-Identifier: Apache-2.0 */
/* Publishers on a channel whose tail, cursors, limits and tables lie. */
#include "play.h"

static void prepare(struct play *play)
{
    play_rehearse(play, 0, ACTOR_RECEIVES, 6, 4);
    play_rehearse(play, 1, ACTOR_SENDS, 6, 5);
}

const struct play_target play_target = {
    .kinds = ACTOR_SENDS | ACTOR_WAITS, .focus = AREA_PUBLISHER, .prepare = prepare};
