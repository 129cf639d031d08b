/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* tdestroy() */
#include "exposition.h"

#include <assert.h>
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "table.h"

#define NANOSECONDS UINT64_C(1000000000)
#define VALUE_TEXT 32

/* Text that grows. It must not be moved while it is open: the file knows where it is. */
struct text {
    char *bytes;
    size_t size;
    FILE *file;
};

struct block {
    const struct family *family;
    struct text samples;
};

struct exposition {
    struct block **blocks; /* in the order in which families came */
    size_t block_count;
    void *series; /* tree of what was added, as "name{labels}" */
};

static void text_open(struct text *text)
{
    *text = (struct text){0};
    text->file = open_memstream(&text->bytes, &text->size);
    if (!text->file) {
        exit(fail("out of memory"));
    }
}

/* The bytes are the caller's to free. */
static char *text_close(struct text *text)
{
    if (fclose(text->file) != 0) {
        exit(fail("out of memory"));
    }
    text->file = NULL;
    return text->bytes;
}

struct exposition *exposition_new(void)
{
    struct exposition *page = need_memory(sizeof *page);
    *page = (struct exposition){0};
    return page;
}

void exposition_free(struct exposition *page)
{
    for (size_t i = 0; i < page->block_count; i++) {
        free(text_close(&page->blocks[i]->samples));
        free(page->blocks[i]);
    }
    free(page->blocks);
    tdestroy(page->series, free);
    free(page);
}

/* ------------------------------------------------------------------------------------------- labels */

static struct labels add_label(struct labels labels, struct label label)
{
    assert(labels.count < LABELS_MAX);
    labels.of[labels.count++] = label;
    return labels;
}

struct labels labels_with(struct labels labels, const char *name, const char *text)
{
    return add_label(labels, (struct label){.name = name, .text = text});
}

struct labels labels_with_number(struct labels labels, const char *name, uint32_t number)
{
    return add_label(labels, (struct label){.name = name, .number = number});
}

/* Line ends are gone when a text is clean; the other two that mean something get a backslash. */
static void put_escaped(FILE *file, const char *text)
{
    char *clean = need_memory(3 * strlen(text) + 1);
    text_clean(text, clean);
    for (const char *at = clean; *at != '\0'; at++) {
        if (*at == '\\' || *at == '"') {
            fputc('\\', file);
        }
        fputc(*at, file);
    }
    free(clean);
}

static void put_labels(FILE *file, const struct labels *labels)
{
    for (unsigned i = 0; i < labels->count; i++) {
        const struct label *label = &labels->of[i];
        fprintf(file, "%s%s=\"", i == 0 ? "{" : ",", label->name);
        if (label->text) {
            put_escaped(file, label->text);
        } else {
            fprintf(file, "%" PRIu32, label->number);
        }
        fputc('"', file);
    }
    fputs(labels->count > 0 ? "}" : "", file);
}

/* ------------------------------------------------------------------------------------------ samples */

static FILE *samples_of(struct exposition *page, const struct family *family)
{
    for (size_t i = 0; i < page->block_count; i++) {
        if (page->blocks[i]->family == family) {
            return page->blocks[i]->samples.file;
        }
    }
    page->blocks = need_more_memory(page->blocks, (page->block_count + 1) * sizeof(struct block *));
    struct block *block = need_memory(sizeof *block);
    page->blocks[page->block_count++] = block;
    block->family = family;
    text_open(&block->samples);
    return block->samples.file;
}

static int compare_series(const void *left, const void *right)
{
    return strcmp(left, right);
}

/* Whether `series` is new; the page keeps it then. */
static int is_new(struct exposition *page, char *series)
{
    char **found = tsearch(series, &page->series, compare_series);
    if (!found) {
        exit(fail("out of memory"));
    }
    return *found == series;
}

static void add_sample(struct exposition *page, const struct family *family, const char *suffix,
                       const struct labels *labels, const char *value)
{
    struct text series;
    text_open(&series);
    fprintf(series.file, "%s%s", family->name, suffix);
    put_labels(series.file, labels);
    char *name = text_close(&series);
    if (is_new(page, name)) {
        fprintf(samples_of(page, family), "%s %s\n", name, value);
    } else {
        free(name);
    }
}

static const char *number_text(uint64_t number, char text[VALUE_TEXT])
{
    (void)snprintf(text, VALUE_TEXT, "%" PRIu64, number);
    return text;
}

static const char *seconds_text(uint64_t nanoseconds, char text[VALUE_TEXT])
{
    (void)snprintf(text, VALUE_TEXT, "%" PRIu64 ".%09" PRIu64, nanoseconds / NANOSECONDS,
                   nanoseconds % NANOSECONDS);
    return text;
}

void exposition_number(struct exposition *page, const struct family *family, const struct labels *labels,
                       uint64_t number)
{
    char text[VALUE_TEXT];
    add_sample(page, family, "", labels, number_text(number, text));
}

void exposition_seconds(struct exposition *page, const struct family *family, const struct labels *labels,
                        uint64_t nanoseconds)
{
    char text[VALUE_TEXT];
    add_sample(page, family, "", labels, seconds_text(nanoseconds, text));
}

void exposition_bucket(struct exposition *page, const struct family *family, const struct labels *labels,
                       uint64_t bound_ns, uint64_t count)
{
    char bound[VALUE_TEXT];
    char text[VALUE_TEXT];
    const struct labels bucket =
        labels_with(*labels, "le", bound_ns == UINT64_MAX ? "+Inf" : seconds_text(bound_ns, bound));
    add_sample(page, family, "_bucket", &bucket, number_text(count, text));
}

void exposition_sum(struct exposition *page, const struct family *family, const struct labels *labels,
                    uint64_t sum_ns, uint64_t count)
{
    char text[VALUE_TEXT];
    add_sample(page, family, "_sum", labels, seconds_text(sum_ns, text));
    add_sample(page, family, "_count", labels, number_text(count, text));
}

char *exposition_text(const struct exposition *page, size_t *size)
{
    struct text text;
    text_open(&text);
    for (size_t i = 0; i < page->block_count; i++) {
        const struct block *block = page->blocks[i];
        fflush(block->samples.file); /* sets bytes and size */
        fprintf(text.file, "# HELP %s %s\n# TYPE %s %s\n", block->family->name, block->family->help,
                block->family->name, block->family->type);
        (void)fwrite(block->samples.bytes, 1, block->samples.size, text.file);
    }
    char *bytes = text_close(&text);
    *size = text.size;
    return bytes;
}
