/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "table.h"

static const char *const severity_words[] = {"hint", "warning", "problem"};

static char *copy_of(const char *text)
{
    const size_t size = strlen(text) + 1;
    return memcpy(need_memory(size), text, size);
}

struct finding *finding_add(struct findings *findings, enum severity severity, const char *kind,
                            const char *bus)
{
    findings->all = need_more_memory(findings->all, (findings->count + 1) * sizeof *findings->all);
    struct finding *finding = &findings->all[findings->count++];
    *finding = (struct finding){.severity = severity, .kind = kind, .bus = bus ? copy_of(bus) : NULL};
    return finding;
}

void finding_set(char **text, const char *format, ...)
{
    va_list arguments;
    free(*text);
    va_start(arguments, format);
    const int length = vasprintf(text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        *text = NULL;
        exit(fail("out of memory"));
    }
}

void findings_free(struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        struct finding *finding = &findings->all[i];
        free(finding->bus);
        free(finding->channel);
        free(finding->group);
        free(finding->what);
        free(finding->meaning);
        free(finding->command);
    }
    free(findings->all);
    *findings = (struct findings){0};
}

int finding_is_mended(const struct finding *finding)
{
    return finding->outcome && strcmp(finding->outcome, "mended") == 0;
}

int findings_are_bad(const struct findings *findings)
{
    int bad = 0;
    for (size_t i = 0; i < findings->count; i++) {
        bad |= findings->all[i].severity != SEVERITY_HINT && !finding_is_mended(&findings->all[i]);
    }
    return bad;
}

/* Everything outside of it a shell may take for something else. */
#define PLAIN_CHARACTERS                                                                                     \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"                                         \
    "_-./:,+@%"

char *shell_word(const char *text)
{
    if (*text != '\0' && text[strspn(text, PLAIN_CHARACTERS)] == '\0') {
        return copy_of(text);
    }
    /* Each ' becomes '\'' */
    char *word = need_memory(4 * strlen(text) + 3);
    char *to = word;
    *to++ = '\'';
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            to = mempcpy(to, "'\\''", 4);
        } else {
            *to++ = *text;
        }
    }
    memcpy(to, "'", 2);
    return word;
}

/* -------------------------------------------------------------------------------------- for people */

/* Names in it come out of shared memory. */
static void print_line(const char *head, const char *text)
{
    if (text) {
        char *clean = need_memory(3 * strlen(text) + 1);
        text_clean(text, clean);
        printf("%-9s%s\n", head, clean);
        free(clean);
    }
}

static void print_counts(const struct findings *findings)
{
    unsigned counts[3] = {0};
    for (size_t i = 0; i < findings->count; i++) {
        counts[findings->all[i].severity]++;
    }
    printf("%u %s, %u %s, %u %s\n", counts[SEVERITY_PROBLEM],
           counts[SEVERITY_PROBLEM] == 1 ? "problem" : "problems", counts[SEVERITY_WARNING],
           counts[SEVERITY_WARNING] == 1 ? "warning" : "warnings", counts[SEVERITY_HINT],
           counts[SEVERITY_HINT] == 1 ? "hint" : "hints");
}

int findings_print(const struct findings *findings)
{
    for (int severity = SEVERITY_PROBLEM; severity >= SEVERITY_HINT; severity--) {
        for (size_t i = 0; i < findings->count; i++) {
            const struct finding *finding = &findings->all[i];
            if ((int)finding->severity == severity) {
                print_line(severity_words[severity], finding->what);
                print_line("", finding->meaning);
                print_line(finding->command ? "  do:" : "", finding->command);
                print_line(finding->outcome ? "  --fix:" : "", finding->outcome);
                putchar('\n');
            }
        }
    }
    print_counts(findings);
    return EXIT_OK;
}

/* ------------------------------------------------------------------------------------ for programs */

static const struct column finding_columns[] = {
    {"severity", NULL, COLUMN_TEXT, NULL, NULL},
    {"kind", NULL, COLUMN_TEXT, NULL, NULL},
    {"bus", NULL, COLUMN_TEXT, NULL, NULL},
    {"channel", NULL, COLUMN_TEXT, NULL, NULL},
    {"group", NULL, COLUMN_TEXT, NULL, NULL},
    {"pid", NULL, COLUMN_NUMBER, NULL, NULL},
    {"what", NULL, COLUMN_TEXT, NULL, NULL},
    {"meaning", NULL, COLUMN_TEXT, NULL, NULL},
    {"command", NULL, COLUMN_TEXT, NULL, NULL},
    {"outcome", NULL, COLUMN_TEXT, NULL, NULL},
    {0},
};

static void add_row(struct table *table, const struct finding *finding)
{
    table_text(table, severity_words[finding->severity]);
    table_text(table, finding->kind);
    table_text(table, finding->bus);
    table_text(table, finding->channel);
    table_text(table, finding->group);
    if (finding->pid != 0) {
        table_number(table, finding->pid);
    } else {
        table_skip(table, 1);
    }
    table_text(table, finding->what);
    table_text(table, finding->meaning);
    table_text(table, finding->command);
    table_text(table, finding->outcome);
}

int findings_print_json(const struct findings *findings)
{
    struct table *table = table_new("findings", finding_columns);
    for (size_t i = 0; i < findings->count; i++) {
        add_row(table, &findings->all[i]);
    }
    const int result = tables_print_json(&table, 1, stdout);
    table_free(table);
    return result;
}
