/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* qsort_r() */
#include "grid.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json_lines.h"
#include "units.h"

/* --------------------------------------------------------------------------------------------- rows */

void grid_begin(struct grid *grid, const struct grid_column *columns)
{
    grid->columns = columns;
    grid->column_count = 0;
    while (columns[grid->column_count].key || columns[grid->column_count].title) {
        grid->column_count++;
    }
    assert(grid->column_count <= GRID_COLUMNS);
    grid->rows.count = 0;
    grid->filled = NULL;
}

void grid_free(struct grid *grid)
{
    vector_free(&grid->rows);
}

void grid_row(struct grid *grid, uint32_t id)
{
    grid->filled = vector_add(&grid->rows, sizeof *grid->filled);
    grid->filled->place = grid->rows.count;
    grid->filled->id = id;
    grid->next = 0;
}

static struct grid_cell *next_cell(struct grid *grid)
{
    assert(grid->filled && grid->next < grid->column_count);
    return &grid->filled->cells[grid->next++];
}

struct grid_cell *grid_text(struct grid *grid, const char *text)
{
    struct grid_cell *cell = next_cell(grid);
    cell->text = text ? text : "-";
    cell->absent = !text;
    return cell;
}

struct grid_cell *grid_value(struct grid *grid, double value)
{
    struct grid_cell *cell = next_cell(grid);
    cell->value = value;
    return cell;
}

struct grid_cell *grid_absent(struct grid *grid)
{
    struct grid_cell *cell = next_cell(grid);
    cell->text = "-";
    cell->absent = 1;
    return cell;
}

/* ------------------------------------------------------------------------------------------ sorting */

int grid_find_column(const struct grid_column *columns, const char *name)
{
    for (int i = 0; columns[i].key || columns[i].title; i++) {
        if (columns[i].name && strcmp(columns[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

static int compare_cells(const struct grid_cell *left, const struct grid_cell *right)
{
    if (left->absent || right->absent) {
        return left->absent - right->absent;
    }
    if (left->text) {
        return strcmp(left->text, right->text);
    }
    return left->value > right->value ? -1 : left->value < right->value;
}

static int compare_rows(const void *left, const void *right, void *context)
{
    const struct grid_row *one = left;
    const struct grid_row *other = right;
    const struct grid *grid = context;
    const int column = grid->sort;
    int order = column >= 0 ? compare_cells(&one->cells[column], &other->cells[column]) : 0;
    order = grid->descending ? -order : order;
    /* Equal rows keep their places: a screen of idle channels stands still. */
    return order != 0 ? order : one->place < other->place ? -1 : one->place > other->place;
}

void grid_sort(struct grid *grid, int column, int reverse)
{
    grid->sort = column;
    grid->descending = reverse;
    if (grid->rows.count > 1) {
        qsort_r(grid->rows.items, grid->rows.count, sizeof(struct grid_row), compare_rows, grid);
    }
}

/* ------------------------------------------------------------------------------------------- layout */

/* With the columns up to that rank at their least; -1 when there are none. */
static int line_width(const struct grid *grid, int rank)
{
    int width = -GRID_GAP;
    for (int i = 0; i < grid->column_count; i++) {
        if (grid->columns[i].title && grid->columns[i].rank <= rank) {
            width += grid->columns[i].least + GRID_GAP;
        }
    }
    return width;
}

static int highest_rank(const struct grid *grid, int width)
{
    int rank = 0;
    for (int i = 0; i < grid->column_count; i++) {
        rank = grid->columns[i].rank > rank ? grid->columns[i].rank : rank;
    }
    while (rank > 0 && line_width(grid, rank) > width) {
        rank--;
    }
    return rank;
}

/* No column of texts is wider than its longest one. */
static int useful_width(const struct grid *grid, int column)
{
    const struct grid_column *head = &grid->columns[column];
    int width = head->least;
    if (head->kind != GRID_TEXT || !head->title) {
        return head->most;
    }
    for (size_t i = 0; i < grid->rows.count && width < head->most; i++) {
        const int needed = glyphs_width(grid_row_at(grid, i)->cells[column].text);
        width = needed > width ? needed : width;
    }
    return width < head->most ? width : head->most;
}

void grid_layout(const struct grid *grid, int width, int widths[GRID_COLUMNS])
{
    int most[GRID_COLUMNS];
    const int rank = highest_rank(grid, width);
    int rest = width - line_width(grid, rank);
    for (int i = 0; i < grid->column_count; i++) {
        const struct grid_column *column = &grid->columns[i];
        widths[i] = column->title && column->rank <= rank ? column->least : 0;
        most[i] = useful_width(grid, i);
    }
    /* One to each in turn, until all have their most or nothing is left. */
    for (int given = 1; given && rest > 0;) {
        given = 0;
        for (int i = 0; i < grid->column_count && rest > 0; i++) {
            if (widths[i] > 0 && widths[i] < most[i]) {
                widths[i]++;
                rest--;
                given = 1;
            }
        }
    }
}

/* -------------------------------------------------------------------------------------------- cells */

#define PERCENT_WIDTH 5 /* " 100%" */
#define COUNT_WIDTH 5

static char *right(const char *figure, int width, char *text)
{
    const int blanks = width - (int)strlen(figure);
    (void)snprintf(text, GRID_WIDTH_MAX, "%*s%s", blanks > 0 ? blanks : 0, "", figure);
    return text;
}

static char *share_text(const struct grid_cell *cell, int width, char *text)
{
    const int bar = width > PERCENT_WIDTH ? width - PERCENT_WIDTH : 0;
    (void)glyphs_bar(cell->share, bar, text);
    (void)sprintf(text + strlen(text), " %3.0f%%", 100 * cell->share);
    return text;
}

static char *lag_text(const struct grid_cell *cell, int width, char *text)
{
    char figure[UNIT_TEXT];
    right(unit_count(cell->value, figure), COUNT_WIDTH, text);
    if (width > COUNT_WIDTH + 1) {
        char *end = text + strlen(text);
        *end++ = ' ';
        (void)glyphs_bar(cell->share, width - COUNT_WIDTH - 1, end);
    }
    return text;
}

/* A damaged segment may say 2^64 - 1, which no double is. */
static uint64_t whole(double value)
{
    return value < 0x1p64 ? (uint64_t)value : UINT64_MAX;
}

static const char *figure_text(const struct grid_column *column, double value, char figure[UNIT_TEXT])
{
    switch (column->kind) {
    case GRID_NUMBER:
        (void)snprintf(figure, UNIT_TEXT, "%.0f", value);
        return figure;
    case GRID_MEGABYTES:
        return unit_megabytes(value, figure);
    case GRID_TIME:
        return unit_time(whole(value), figure);
    default:
        return unit_count(value, figure);
    }
}

const char *grid_cell_text(const struct grid_column *column, const struct grid_cell *cell, int width,
                           char *text)
{
    char figure[UNIT_TEXT];
    if (column->kind == GRID_TEXT) {
        return glyphs_fit(cell->text, width, text);
    }
    if (cell->absent) {
        return right("-", column->kind == GRID_LAG ? COUNT_WIDTH : width, text);
    }
    switch (column->kind) {
    case GRID_SHARE:
        return share_text(cell, width, text);
    case GRID_LAG:
        return lag_text(cell, width, text);
    case GRID_CHART:
        return glyphs_chart(cell->chart, cell->chart_count, width, text);
    default:
        return right(figure_text(column, cell->value, figure), width, text);
    }
}

const char *grid_title_text(const struct grid_column *column, int width, char *text)
{
    if (column->kind == GRID_TEXT || column->kind == GRID_CHART || column->kind == GRID_LAG ||
        column->kind == GRID_SHARE) {
        return glyphs_fit(column->title, width, text);
    }
    return right(column->title, width, text);
}

/* --------------------------------------------------------------------------------------------- lines */

static void print_line(const struct grid *grid, const struct grid_row *row, const int *widths, FILE *file)
{
    char line[GRID_WIDTH_MAX * GLYPH_BYTES] = "";
    char text[GRID_WIDTH_MAX * GLYPH_BYTES];
    size_t length = 0;
    for (int i = 0; i < grid->column_count; i++) {
        if (widths[i] > 0) {
            const char *cell = row ? grid_cell_text(&grid->columns[i], &row->cells[i], widths[i], text)
                                   : grid_title_text(&grid->columns[i], widths[i], text);
            length += (size_t)snprintf(line + length, sizeof line - length, "%s%*s", cell, GRID_GAP, "");
        }
    }
    while (length > 0 && line[length - 1] == ' ') {
        line[--length] = '\0';
    }
    fprintf(file, "%s\n", line);
}

static int bounded(int width)
{
    return width < GRID_WIDTH_MAX ? width : GRID_WIDTH_MAX;
}

void grid_print_titles(const struct grid *grid, int width, FILE *file)
{
    int widths[GRID_COLUMNS];
    grid_layout(grid, bounded(width), widths);
    print_line(grid, NULL, widths, file);
}

void grid_print_rows(const struct grid *grid, int width, FILE *file)
{
    int widths[GRID_COLUMNS];
    grid_layout(grid, bounded(width), widths);
    for (size_t i = 0; i < grid->rows.count; i++) {
        print_line(grid, grid_row_at(grid, i), widths, file);
    }
}

void grid_print(const struct grid *grid, int width, FILE *file)
{
    grid_print_titles(grid, width, file);
    grid_print_rows(grid, width, file);
}

/* ---------------------------------------------------------------------------------------------- JSON */

static json_t *cell_json(const struct grid_column *column, const struct grid_cell *cell)
{
    if (cell->absent) {
        return json_null();
    }
    switch (column->kind) {
    case GRID_TEXT:
        return json_clean_string(cell->text);
    case GRID_NUMBER:
    case GRID_COUNT:
    case GRID_LAG:
    case GRID_TIME:
        return json_number(whole(cell->value));
    case GRID_SHARE:
        return json_real(cell->share);
    default:
        return json_real(cell->value);
    }
}

json_t *grid_row_json(const struct grid *grid, size_t row)
{
    json_t *object = json_object();
    for (int i = 0; i < grid->column_count; i++) {
        if (grid->columns[i].key) {
            (void)json_object_set_new(object, grid->columns[i].key,
                                      cell_json(&grid->columns[i], &grid_row_at(grid, row)->cells[i]));
        }
    }
    return object;
}

json_t *grid_json(const struct grid *grid)
{
    json_t *array = json_array();
    for (size_t i = 0; i < grid->rows.count; i++) {
        (void)json_array_append_new(array, grid_row_json(grid, i));
    }
    return array;
}
