/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong verdicts on purpose: the test must be able to see them. Run by name only. */
#define _GNU_SOURCE
#include "life.h"

/* Who is dead is said to be alive: a false death, seen twice. */
static void false_death(void)
{
    struct scene scene = scene_start(life_subject);
    (void)life_kill(scene.pid);
    judge_alive(&scene.judge, "subject", scene.pid);
}

/* Who is alive is said to be dead: a missed death, seen twice. */
static void missed_death(void)
{
    struct scene scene = scene_start(life_subject);
    judge_dead(&scene.judge, "subject");
}

const struct life_case cases_planted[] = {
    {"planted-false", "is dead, and is said to be alive", false_death},
    {"planted-missed", "is alive, and is said to be dead", missed_death},
    {NULL, NULL, NULL},
};
