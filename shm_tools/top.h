/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of `shmbus top`, and what its parts do with it: views make rows of the latest look, the screen draws
 * them, keys change what is shown.
 *
 * concurrency   one thread
 * killed        nothing is held on the bus; the terminal stays as it is, as with any program
 */
#ifndef SHMBUS_TOOLS_TOP_H
#define SHMBUS_TOOLS_TOP_H

#include "grid.h"
#include "watch.h"

#define TOP_HISTORY 64 /* most looks that a chart goes back */
#define TOP_FILTER 64  /* bytes of a filter */

enum top_view {
    TOP_CHANNELS,
    TOP_PARTICIPANTS,
    TOP_CHANNEL, /* the publishers, groups and members of one */
    TOP_VIEWS
};

/* The rates of the channel in one place of the directory. */
struct top_history {
    char name[SHMBUS_NAME_MAX + 1];
    size_t count;
    double messages[TOP_HISTORY];
};

struct top {
    struct looking looking;
    struct watch watch;
    int64_t interval; /* nanoseconds */
    int error;        /* of the latest look; 0: it is there */
    char why[256];    /* the error, explained */
    struct vector histories;

    enum top_view view;
    char channel[SHMBUS_NAME_MAX + 1]; /* of TOP_CHANNEL */
    char filter[TOP_FILTER];           /* rows are shown whose name has this in it */
    int sort[TOP_VIEWS];               /* a column of the view's grid */
    int reverse[TOP_VIEWS];
    struct grid grid;

    /* of the screen only: */
    size_t chosen; /* row */
    size_t scroll; /* the first row that is seen */
    size_t page;   /* rows that are seen at once */
    int paused;
    int help;
    int typing;                  /* the filter */
    char typed_over[TOP_FILTER]; /* what it was, for Esc */
};

/* The columns of a view. */
const struct grid_column *top_columns(enum top_view view);

/* Makes the rows of the view from the latest look. */
void top_fill(struct top *top);

/* The bus, and what is the sum of it, in a line of at most `width`; 80 or more. */
void top_header(const struct top *top, int width, char *text);

/* Looks at the bus; notes the rates for the charts, or why it cannot be looked at. */
void top_look(struct top *top);

/* Changes what is shown as `key` of ncurses asks. Returns 1 to end. */
int top_key(struct top *top, int key);

/* Shows it on the terminal until q or a signal. Returns an exit code. */
int top_screen(struct top *top);

#endif
