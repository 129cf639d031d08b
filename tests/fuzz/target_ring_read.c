/* SPDX-License-Identifier: Apache-2.0 */
/* Readers of a channel whose slots, stamps, tail and tables lie. */
#include "play.h"

static void prepare(struct play *play)
{
    play_rehearse(play, 0, ACTOR_RECEIVES, 8, 1);
    play_rehearse(play, 1, ACTOR_SENDS, 24, 2);
}

const struct play_target play_target = {
    .kinds = ACTOR_RECEIVES | ACTOR_WAITS, .focus = AREA_SLOT, .prepare = prepare};
