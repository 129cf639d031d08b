/* SPDX-License-Identifier: Apache-2.0 */
/* What the dead left, and lies, put right by those who come after. */
#include "play.h"

static void prepare(struct play *play)
{
    play_rehearse(play, 0, ACTOR_JOINS | ACTOR_RECEIVES, 6, 11);
    play_rehearse(play, 1, ACTOR_SENDS, 16, 12);
    play_rehearse(play, 0, ACTOR_RECEIVES, 6, 13);
    play_crash(play);
}

const struct play_target play_target = {.kinds = ACTOR_RECOVERS | ACTOR_JOINS | ACTOR_SENDS | ACTOR_RECEIVES,
                                        .focus = AREA_MEMBER,
                                        .prepare = prepare};
