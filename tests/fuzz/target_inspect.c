/* SPDX-License-Identifier: Apache-2.0 */
/* Views of a segment that lies, through the library and through the command's `ls` and `stat`. */
#include "play.h"

#include "../../shm_tools/command.h"

#include <stdio.h>

static void prepare(struct play *play)
{
    play_rehearse(play, 0, ACTOR_JOINS | ACTOR_RECEIVES, 8, 14);
    play_rehearse(play, 1, ACTOR_SENDS, 12, 15);
}

static void run(const struct command *command, char *bus, char *option)
{
    char name[] = "shmbus", bus_option[] = "--bus";
    char *arguments[] = {name, bus_option, bus, option, NULL};
    (void)command->run(command, option ? 4 : 3, arguments);
}

static void finish(struct play *play)
{
    static FILE *nowhere;
    char json[] = "--json";
    if (!nowhere) {
        nowhere = freopen("/dev/null", "w", stdout);
    }
    run(&command_stat, play->scene.name, NULL);
    run(&command_stat, play->scene.name, json);
    run(&command_ls, play->scene.name, json);
}

const struct play_target play_target = {
    .kinds = ACTOR_INSPECTS, .focus = AREA_CHANNEL, .prepare = prepare, .finish = finish};
