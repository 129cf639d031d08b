/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of typed cells, printed aligned for people or as JSON for programs. Texts come out of shared
 * memory that others write: what is not printable UTF-8 is replaced before it reaches a terminal.
 *
 * concurrency   one thread
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_TABLE_H
#define SHMBUS_TOOLS_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum column_kind {
    COLUMN_TEXT,
    COLUMN_NUMBER,
    COLUMN_SIZE, /* people see KiB, programs bytes */
    COLUMN_TIME, /* people see ms, programs nanoseconds */
    COLUMN_FLAG, /* people see `yes` or `no`, programs true or false */
};

struct column {
    const char *key;   /* in JSON; NULL: not there */
    const char *title; /* for people; NULL: not there */
    enum column_kind kind;
    const char *yes;
    const char *no;
};

struct table;

/* `columns` ends with a column that has neither key nor title, and outlives the table. */
struct table *table_new(const char *key, const struct column *columns);
void table_free(struct table *table);

/* Fill the cells of a row in the order of the columns; after the last a new row starts. */
void table_text(struct table *table, const char *text); /* NULL: "-", null in JSON */
void table_number(struct table *table, uint64_t number);
void table_flag(struct table *table, int flag);
void table_skip(struct table *table, unsigned count); /* as table_text(NULL), for columns of any kind */

/*
 * Prints `count` tables: for people those that have rows, with an empty line between them, or as one JSON
 * object with an array for each. Returns an exit code.
 */
int tables_print(struct table *const *tables, unsigned count, FILE *file);
int tables_print_json(struct table *const *tables, unsigned count, FILE *file);

/* Copies `text` of any bytes into `clean`, at most 3 times as long and a 0, as printable UTF-8. */
void text_clean(const char *text, char *clean);

/* The same for `size` bytes, zeros among them too. Returns how long `clean` is. */
size_t text_clean_bytes(const void *bytes, size_t size, char *clean);

#endif
