/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A progress bar on stderr, when that is a terminal; else nothing. For one thread; a kill leaves at most half
 * a bar on the screen.
 */
#ifndef DEMO_PROGRESS_H
#define DEMO_PROGRESS_H

#include <stdint.h>

typedef struct progress {
    const char *title;
    uint64_t total;
    int64_t next; /* CLOCK_MONOTONIC ns of the next drawing */
    int shown;    /* stderr is a terminal */
} progress;

void progress_begin(progress *bar, const char *title, uint64_t total);
void progress_at(progress *bar, uint64_t done, int64_t now);
/* Takes the bar off the screen. */
void progress_end(progress *bar);

#endif
