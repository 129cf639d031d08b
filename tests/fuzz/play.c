/* SPDX-License-Identifier: Apache-2.0 */
#include "play.h"

#include "verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVENTS_MAX 200 /* of one input: short plays find more */

const char *play_bus_name(void)
{
    static char name[NAME_SIZE];
    const char *given = getenv("SHMBUS_FUZZ_BUS");
    if (name[0] == '\0' && given) {
        (void)snprintf(name, sizeof name, "%s", given);
    } else if (name[0] == '\0') {
        (void)snprintf(name, sizeof name, "fuzz.%d", getpid());
    }
    return name;
}

void play_rehearse(struct play *play, unsigned actor, unsigned kinds, unsigned turns, uint64_t seed)
{
    struct bytes bytes = bytes_random(seed, actor);
    struct actor *who = &play->actors[actor];
    who->bytes = &bytes;
    for (unsigned i = 0; i < turns; i++) {
        actor_act(who, kinds);
    }
    who->bytes = &play->bytes;
}

void play_crash(struct play *play)
{
    struct scene *scene = &play->scene;
    unsigned char *copy = malloc(scene->size);
    if (!copy) {
        fuzz_fail("no memory");
    }
    memcpy(copy, scene->map, scene->size);
    actor_end(&play->actors[0]);
    actor_end(&play->actors[1]);
    memcpy(scene->map, copy, scene->size);
    free(copy);
}

/* Of four events one is damage, of 64 one a crash, and the others are turns. */
static void next_event(struct play *play)
{
    const uint32_t choice = bytes_below(&play->bytes, 64);
    if (choice == 0) {
        play_crash(play);
    } else if (choice % 4 == 1) {
        scene_damage(&play->scene, &play->bytes, choice & 4 ? play_target.focus : AREAS);
    } else {
        actor_act(&play->actors[choice & 1], play_target.kinds);
    }
}

/* What became of the segment is worth looking at for others too. */
static void keep(const struct play *play)
{
    const char *folder = getenv("SHMBUS_FUZZ_KEEP");
    if (folder) {
        scene_keep(&play->scene, folder);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct play play = {.bytes = bytes_of(data, size)};
    scene_make(&play.scene, play_bus_name(), bytes_below(&play.bytes, SCENE_SHAPES));
    for (unsigned i = 0; i < 2; i++) {
        actor_begin(&play.actors[i], play.scene.name, &play.bytes);
    }
    play_target.prepare(&play);
    for (unsigned i = 0; play.bytes.left > 0 && i < EVENTS_MAX; i++) {
        next_event(&play);
    }
    if (play_target.finish) {
        play_target.finish(&play);
    }
    keep(&play);
    actor_end(&play.actors[0]);
    actor_end(&play.actors[1]);
    scene_end(&play.scene);
    return 0;
}
