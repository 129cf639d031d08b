/* SPDX-License-Identifier: Apache-2.0 */
/* Who attaches to a segment that is damaged already, or is no segment at all: then the input is the file. */
#include "play.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DAMAGES_MAX 8

/* The rest of the input, over the start of the file; `whole`: there is nothing behind it. */
static void replace(struct play *play, bool whole)
{
    struct bytes *bytes = &play->bytes;
    const size_t size = bytes->left < play->scene.size ? bytes->left : play->scene.size;
    memcpy(play->scene.map, bytes->at, size);
    if (whole) {
        char path[NAME_SIZE + 32];
        (void)snprintf(path, sizeof path, "/dev/shm/shmbus.%s", play->scene.name);
        (void)!truncate(path, (off_t)size);
    }
    *bytes = (struct bytes){0};
    play_rehearse(play, 0, ACTOR_EVERYTHING, 12, size);
}

static void prepare(struct play *play)
{
    const uint32_t mode = bytes_below(&play->bytes, 16);
    if (mode < 2) {
        replace(play, mode == 0);
        return;
    }
    for (unsigned i = bytes_below(&play->bytes, DAMAGES_MAX); i > 0; i--) {
        scene_damage(&play->scene, &play->bytes, AREAS);
    }
}

const struct play_target play_target = {.kinds = ACTOR_EVERYTHING, .focus = AREA_HEADER, .prepare = prepare};
