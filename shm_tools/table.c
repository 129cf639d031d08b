/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "colour.h"
#include "numbers.h"
#include "report.h"

#define GAP 2 /* blanks between columns */

struct cell {
    char *text; /* of a text column */
    uint64_t number;
    int absent;
};

struct table {
    const char *key;
    const struct column *columns;
    unsigned column_count;
    size_t cell_count;
    struct cell *cells;
};

struct table *table_new(const char *key, const struct column *columns)
{
    struct table *table = need_memory(sizeof *table);
    *table = (struct table){.key = key, .columns = columns};
    while (columns[table->column_count].key || columns[table->column_count].title) {
        table->column_count++;
    }
    return table;
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->cell_count; i++) {
        free(table->cells[i].text);
    }
    free(table->cells);
    free(table);
}

static void add_cell(struct table *table, struct cell cell)
{
    /* Grows when the count is a power of two. */
    if ((table->cell_count & (table->cell_count - 1)) == 0) {
        const size_t capacity = table->cell_count > 0 ? table->cell_count * 2 : 1;
        table->cells = need_more_memory(table->cells, capacity * sizeof *table->cells);
    }
    table->cells[table->cell_count++] = cell;
}

void table_text(struct table *table, const char *text)
{
    char *clean = NULL;
    if (text) {
        clean = need_memory(3 * strlen(text) + 1);
        text_clean(text, clean);
    }
    add_cell(table, (struct cell){.text = clean, .absent = !text});
}

void table_number(struct table *table, uint64_t number)
{
    add_cell(table, (struct cell){.number = number});
}

void table_flag(struct table *table, int flag)
{
    add_cell(table, (struct cell){.number = flag != 0});
}

void table_skip(struct table *table, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        add_cell(table, (struct cell){.absent = 1});
    }
}

/* -------------------------------------------------------------------------------------- for people */

static size_t row_count(const struct table *table)
{
    return table->cell_count / table->column_count;
}

static const struct cell *cell_of(const struct table *table, size_t row, unsigned column)
{
    return &table->cells[row * table->column_count + column];
}

/* Columns on a terminal: the text is clean UTF-8, so all bytes but those that continue a character. */
static int display_width(const char *text)
{
    int width = 0;
    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xC0) != 0x80;
    }
    return width;
}

static const char *cell_text(const struct column *column, const struct cell *cell, char buffer[NUMBER_TEXT])
{
    if (cell->absent) {
        return "-";
    }
    switch (column->kind) {
    case COLUMN_TEXT:
        return cell->text;
    case COLUMN_FLAG:
        return cell->number ? column->yes : column->no;
    case COLUMN_SIZE:
        return number_format_size(cell->number, buffer);
    case COLUMN_TIME:
        return number_format_time(cell->number, buffer);
    case COLUMN_NUMBER:
        break;
    }
    (void)snprintf(buffer, NUMBER_TEXT, "%" PRIu64, cell->number);
    return buffer;
}

static int is_right_aligned(const struct column *column)
{
    return column->kind == COLUMN_NUMBER || column->kind == COLUMN_SIZE || column->kind == COLUMN_TIME;
}

/* 0 for a column that is not shown: one without title, or in which no row has anything. */
static int column_width(const struct table *table, unsigned column)
{
    char buffer[NUMBER_TEXT];
    const struct column *head = &table->columns[column];
    int width = head->title ? display_width(head->title) : 0;
    int shown = 0;
    for (size_t row = 0; head->title && row < row_count(table); row++) {
        const struct cell *cell = cell_of(table, row, column);
        const int cell_width = display_width(cell_text(head, cell, buffer));
        width = cell_width > width ? cell_width : width;
        shown |= !cell->absent;
    }
    return shown ? width : 0;
}

static void print_blanks(FILE *file, int count)
{
    fprintf(file, "%*s", count > 0 ? count : 0, "");
}

/* `*due` holds the blanks that are printed only if something follows them. */
static void print_cell(FILE *file, const char *text, int right, int width, int *due)
{
    const int rest = width - display_width(text);
    print_blanks(file, *due + (right ? rest : 0));
    fputs(text, file);
    *due = GAP + (right ? 0 : rest);
}

static void print_head(const struct table *table, const int *widths, FILE *file)
{
    const int bold = colour_wanted(file);
    int due = 0;
    fputs(bold ? COLOUR_BOLD : "", file);
    for (unsigned i = 0; i < table->column_count; i++) {
        if (widths[i] > 0) {
            print_cell(file, table->columns[i].title, is_right_aligned(&table->columns[i]), widths[i], &due);
        }
    }
    fputs(bold ? COLOUR_END "\n" : "\n", file);
}

static void print_row(const struct table *table, const int *widths, size_t row, FILE *file)
{
    char buffer[NUMBER_TEXT];
    int due = 0;
    for (unsigned i = 0; i < table->column_count; i++) {
        const struct column *column = &table->columns[i];
        if (widths[i] > 0) {
            print_cell(file, cell_text(column, cell_of(table, row, i), buffer), is_right_aligned(column),
                       widths[i], &due);
        }
    }
    fputc('\n', file);
}

static void print_table(const struct table *table, FILE *file)
{
    int *widths = need_memory(table->column_count * sizeof *widths);
    for (unsigned i = 0; i < table->column_count; i++) {
        widths[i] = column_width(table, i);
    }
    print_head(table, widths, file);
    for (size_t row = 0; row < row_count(table); row++) {
        print_row(table, widths, row, file);
    }
    free(widths);
}

int tables_print(struct table *const *tables, unsigned count, FILE *file)
{
    int printed = 0;
    for (unsigned i = 0; i < count; i++) {
        if (row_count(tables[i]) > 0) {
            fputs(printed ? "\n" : "", file);
            print_table(tables[i], file);
            printed = 1;
        }
    }
    return EXIT_OK;
}

/* ------------------------------------------------------------------------------------ for programs */

static json_t *cell_json(const struct column *column, const struct cell *cell)
{
    if (cell->absent) {
        return json_null();
    }
    switch (column->kind) {
    case COLUMN_TEXT:
        return json_string(cell->text);
    case COLUMN_FLAG:
        return json_boolean(cell->number);
    default:
        return json_integer(cell->number > INT64_MAX ? INT64_MAX : (json_int_t)cell->number);
    }
}

static json_t *row_json(const struct table *table, size_t row)
{
    json_t *object = json_object();
    for (unsigned i = 0; i < table->column_count; i++) {
        const struct column *column = &table->columns[i];
        if (column->key &&
            json_object_set_new(object, column->key, cell_json(column, cell_of(table, row, i)))) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *table_json(const struct table *table)
{
    json_t *array = json_array();
    for (size_t row = 0; row < row_count(table); row++) {
        if (json_array_append_new(array, row_json(table, row))) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

int tables_print_json(struct table *const *tables, unsigned count, FILE *file)
{
    int failed = 0;
    json_t *root = json_object();
    for (unsigned i = 0; i < count; i++) {
        failed |= json_object_set_new(root, tables[i]->key, table_json(tables[i]));
    }
    char *text = failed ? NULL : json_dumps(root, JSON_INDENT(2)); /* json_dumpf() writes token by token */
    json_decref(root);
    if (!text) {
        return fail("cannot make JSON of this: out of memory");
    }
    /* What is wrong with the file itself is seen, and said, when it is flushed. */
    (void)fprintf(file, "%s\n", text);
    free(text);
    return EXIT_OK;
}
