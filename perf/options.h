/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line.
 *
 * concurrency   one thread
 * killed        nothing shared is written
 */
#ifndef SHMBUS_PERF_OPTIONS_H
#define SHMBUS_PERF_OPTIONS_H

#include "perf/bench.h"

struct options {
    unsigned rounds;
    bool quick;
    bool list;
    const char *pattern; /* of case names; NULL: all */
    const char *only;    /* pattern of contestant names; NULL: all */
    const char *json;    /* path, "-" or NULL */
    const char *cpus;
    enum placement crowded; /* PLACE_EACH: not asked for */
};

/* Ends the program after --help and after a mistake. */
void options_parse(struct options *options, int count, char **arguments);

/* Whether the name is asked for: the pattern is NULL, or a part of it, or a shell pattern of all of it. */
bool options_match(const char *pattern, const char *name);

#endif
