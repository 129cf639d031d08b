/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table that is shown again and again: rows of figures with bars and charts, sorted, and fitted to a width by
 * leaving columns out and sharing the rest. For people a line of text a row, for programs JSON.
 *
 * Texts are not copied: they outlive the rows. They may be of any bytes.
 *
 * concurrency   one thread
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_GRID_H
#define SHMBUS_TOOLS_GRID_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "glyphs.h"
#include "vector.h"

#define GRID_COLUMNS 24    /* most columns of a grid */
#define GRID_WIDTH_MAX 512 /* of a line */
#define GRID_GAP 1         /* blanks between columns */
#define GRID_UNSORTED (-1)

enum grid_kind {
    GRID_TEXT,
    GRID_NUMBER,    /* every digit */
    GRID_COUNT,     /* "12.3k" */
    GRID_RATE,      /* the same, a fraction in JSON */
    GRID_MEGABYTES, /* people see MB, programs bytes */
    GRID_SHARE,     /* a bar and the percentage */
    GRID_LAG,       /* a count, and a bar that compares it */
    GRID_TIME,      /* nanoseconds */
    GRID_CHART,     /* not in JSON */
};

struct grid_column {
    const char *name;  /* to sort by; NULL: it cannot be */
    const char *key;   /* in JSON; NULL: not there */
    const char *title; /* for people; NULL: not there */
    enum grid_kind kind;
    int least; /* columns of the terminal */
    int most;
    int rank; /* where they are too few, the columns of the highest rank are left out; 0: never */
};

enum grid_mood {
    GRID_CALM,
    GRID_WARM,
    GRID_ALARM, /* look here */
};

struct grid_cell {
    int absent; /* people see "-", programs null */
    enum grid_mood mood;
    const char *text;
    double value;
    double share;        /* of a bar */
    const double *chart; /* `chart_count` values */
    size_t chart_count;
};

struct grid_row {
    struct grid_cell cells[GRID_COLUMNS];
    size_t place; /* before it was sorted */
    uint32_t id;  /* whatever the row stands for */
};

struct grid {
    const struct grid_column *columns; /* ends with one that has neither key nor title */
    int column_count;
    struct vector rows;      /* struct grid_row */
    struct grid_row *filled; /* the row that is being filled, and its next cell */
    int next;
    int descending;
    int sort;
};

/* Empties the grid, for rows of these columns. */
void grid_begin(struct grid *grid, const struct grid_column *columns);
void grid_free(struct grid *grid);

/* Starts a row; then its cells in the order of the columns. Cells may be changed until the next one is added. */
void grid_row(struct grid *grid, uint32_t id);
struct grid_cell *grid_text(struct grid *grid, const char *text); /* NULL: absent */
struct grid_cell *grid_value(struct grid *grid, double value);
struct grid_cell *grid_absent(struct grid *grid);

static inline const struct grid_row *grid_row_at(const struct grid *grid, size_t i)
{
    return (const struct grid_row *)grid->rows.items + i;
}

/* The column that is called `name` for sorting, or -1. */
int grid_find_column(const struct grid_column *columns, const char *name);

/* Figures from the greatest down, texts from A up; `reverse` the other way. GRID_UNSORTED: as they were added. */
void grid_sort(struct grid *grid, int column, int reverse);

/* Fills the width of each column, 0 for those left out, so that a line has at most `width`. */
void grid_layout(const struct grid *grid, int width, int widths[GRID_COLUMNS]);

/* A cell, and a title, as text of `width` columns. */
const char *grid_cell_text(const struct grid_column *column, const struct grid_cell *cell, int width,
                           char *text);
const char *grid_title_text(const struct grid_column *column, int width, char *text);

/* Titles and rows in lines of at most `width`. */
void grid_print(const struct grid *grid, int width, FILE *file);

/* The two halves of that. */
void grid_print_titles(const struct grid *grid, int width, FILE *file);
void grid_print_rows(const struct grid *grid, int width, FILE *file);

/* A row as an object, and an array of all of them. */
json_t *grid_row_json(const struct grid *grid, size_t row);
json_t *grid_json(const struct grid *grid);

#endif
