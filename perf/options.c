/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/options.h"
#include "perf/rounds.h"

#include <fnmatch.h>
#include <popt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS_DEFAULT 5
#define ROUNDS_QUICK 3

static __attribute__((noreturn)) void wrong(poptContext context, const char *what, const char *why)
{
    fprintf(stderr, "shmbus-bench: %s: %s (see --help)\n", what, why);
    poptFreeContext(context);
    exit(2);
}

static const struct {
    const char *name;
    enum placement placement;
} placements[] = {{"free", PLACE_FREE}, {"turns", PLACE_TURNS}, {"apart", PLACE_APART}};

/* False when there is no such placement. */
static bool find_placement(const char *name, enum placement *placement)
{
    for (size_t i = 0; i < sizeof placements / sizeof placements[0]; i++) {
        if (strcmp(name, placements[i].name) == 0) {
            *placement = placements[i].placement;
            return true;
        }
    }
    return false;
}

void options_parse(struct options *options, int count, char **arguments)
{
    int rounds = 0;
    int quick = 0;
    int list = 0;
    char *pattern = NULL;
    char *only = NULL;
    char *json = NULL;
    char *cpus = NULL;
    char *crowded = NULL;
    const struct poptOption table[] = {
        {"rounds", 'r', POPT_ARG_INT, &rounds, 0, "rounds of every case [5; 3 with --quick]", "N"},
        {"quick", 'q', POPT_ARG_NONE, &quick, 0, "a quarter of the time per round", NULL},
        {"case", 'c', POPT_ARG_STRING, &pattern, 0, "only cases with PATTERN in their name, or matched by it",
         "PATTERN"},
        {"only", 'o', POPT_ARG_STRING, &only, 0, "only floors and contestants that match PATTERN", "PATTERN"},
        {"cpus", 0, POPT_ARG_STRING, &cpus, 0, "CPUs to run on [the first two of different cores]", "0,1"},
        {"crowded", 0, POPT_ARG_STRING, &crowded, 0, "processes on fewer CPUs [as the case says]",
         "free|turns|apart"},
        {"json", 'j', POPT_ARG_STRING, &json, 0,
         "also write all figures to FILE; - for stdout, without tables", "FILE"},
        {"list", 'l', POPT_ARG_NONE, &list, 0, "list the cases and their contestants", NULL},
        POPT_AUTOHELP POPT_TABLEEND,
    };
    poptContext context = poptGetContext("shmbus-bench", count, (const char **)(void *)arguments, table, 0);
    int result = poptGetNextOpt(context);
    if (result < -1)
        wrong(context, poptBadOption(context, POPT_BADOPTION_NOALIAS), poptStrerror(result));
    const char *surplus = poptGetArg(context);
    if (surplus != NULL)
        wrong(context, surplus, "only options are understood");
    if (rounds < 0 || rounds > (int)ROUNDS_MAX)
        wrong(context, "--rounds", "1 to 99 rounds");
    if (rounds == 0)
        rounds = quick != 0 ? ROUNDS_QUICK : ROUNDS_DEFAULT;
    *options = (struct options){
        .rounds = (unsigned)rounds,
        .crowded = PLACE_EACH,
        .quick = quick != 0,
        .list = list != 0,
        .pattern = pattern,
        .only = only,
        .json = json,
        .cpus = cpus,
    };
    if (crowded != NULL && !find_placement(crowded, &options->crowded))
        wrong(context, crowded, "--crowded is free, turns or apart");
    poptFreeContext(context);
}

bool options_match(const char *pattern, const char *name)
{
    return pattern == NULL || strstr(name, pattern) != NULL || fnmatch(pattern, name, 0) == 0;
}
