/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <popt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numbers.h"
#include "report.h"

/* popt's `val` of an option: its section and row, from 1. */
#define ROWS 64
#define HELP_VALUE (-100)

/* ------------------------------------------------------------------------------------ popt's tables */

static size_t count_specs(const struct option_spec *specs)
{
    size_t count = 0;
    while (specs[count].name) {
        count++;
    }
    return count;
}

static struct poptOption popt_row(const struct option_spec *spec, int value)
{
    const int takes_value = spec->kind != OPTION_FLAG && spec->kind != OPTION_SET;
    return (struct poptOption){
        .longName = spec->name,
        .shortName = spec->letter,
        .argInfo = takes_value ? POPT_ARG_STRING : POPT_ARG_NONE,
        .val = value,
        .descrip = spec->help,
        .argDescrip = spec->argument,
    };
}

/* One block: the table of sections, then the rows of each. */
static void build_tables(struct options *options, const struct option_section *sections)
{
    int count = 0;
    size_t rows = 0;
    for (; sections[count].title; count++) {
        rows += count_specs(sections[count].specs) + 1;
    }
    options->tables = need_memory(((size_t)count + 2 + rows) * sizeof *options->tables);
    struct poptOption *table = options->tables;
    struct poptOption *row = table + count + 2;
    for (int i = 0; i < count; i++) {
        *table++ =
            (struct poptOption){.argInfo = POPT_ARG_INCLUDE_TABLE, .arg = row, .descrip = sections[i].title};
        for (int j = 0; sections[i].specs[j].name; j++) {
            *row++ = popt_row(&sections[i].specs[j], i * ROWS + j + 1);
        }
        *row++ = (struct poptOption)POPT_TABLEEND;
    }
    *table++ = (struct poptOption){
        .longName = "help", .shortName = 'h', .val = HELP_VALUE, .descrip = "show this help and end"};
    *table = (struct poptOption)POPT_TABLEEND;
}

/* ------------------------------------------------------------------------------------------- values */

static int store_number(const struct command *command, const struct option_spec *spec, void *field,
                        const char *text)
{
    uint64_t number = 0;
    const uint64_t most = spec->kind == OPTION_U32 ? UINT32_MAX : UINT64_MAX;
    const int result = number_parse(text, &number);
    if (result == -EINVAL) {
        return fail_usage(command->name, "--%s: \"%s\" is not a whole number; a suffix may be K, M or G",
                          spec->name, text);
    }
    if (result == -ERANGE || number > most) {
        return fail_usage(command->name, "--%s: %s is more than %llu", spec->name, text,
                          (unsigned long long)most);
    }
    if (number < spec->value) {
        return fail_usage(command->name, "--%s: %s is less than %u", spec->name, text, spec->value);
    }
    if (spec->kind == OPTION_U32) {
        *(uint32_t *)field = (uint32_t)number;
    } else {
        *(uint64_t *)field = number;
    }
    return OPTIONS_READY;
}

static int store_mode(const struct command *command, const struct option_spec *spec, void *field,
                      const char *text)
{
    if (number_parse_mode(text, field) != 0) {
        return fail_usage(command->name, "--%s: \"%s\" is not octal permission bits of 0..777, as 660",
                          spec->name, text);
    }
    return OPTIONS_READY;
}

static int store_seconds(const struct command *command, const struct option_spec *spec, void *field,
                         const char *text)
{
    const int result = number_parse_seconds(text, field);
    if (result == -ERANGE) {
        return fail_usage(command->name, "--%s: %s is more than 10 years", spec->name, text);
    }
    if (result != 0) {
        return fail_usage(command->name, "--%s: \"%s\" is not a number of seconds, as 2 or 0.5", spec->name,
                          text);
    }
    return OPTIONS_READY;
}

static int store_factor(const struct command *command, const struct option_spec *spec, void *field,
                        const char *text)
{
    /* Seconds are as precise, and have a limit that is as good. */
    if (number_parse_seconds(text, field) != 0) {
        return fail_usage(command->name, "--%s: \"%s\" is not a factor, as 2 or 0.5", spec->name, text);
    }
    return OPTIONS_READY;
}

static int store_choice(const struct command *command, const struct option_spec *spec, void *field,
                        const char *text)
{
    const size_t length = strlen(text);
    const char *word = spec->argument;
    for (int i = 0; word; i++) {
        if (length > 0 && strncmp(word, text, length) == 0 && (word[length] == '|' || word[length] == '\0')) {
            *(int *)field = i;
            return OPTIONS_READY;
        }
        word = strchr(word, '|');
        if (word) {
            word++;
        }
    }
    return fail_usage(command->name, "--%s: \"%s\" is none of %s", spec->name, text, spec->argument);
}

/* The option of the section that sets the field at `at` to `value`. */
static const char *setter_name(const struct option_section *section, size_t at, uint32_t value)
{
    for (const struct option_spec *spec = section->specs; spec->name; spec++) {
        if (spec->kind == OPTION_SET && spec->at == at && spec->value == value) {
            return spec->name;
        }
    }
    return "?";
}

/* The field may be an enum: copied as bytes. */
static int store_set(const struct command *command, const struct option_section *section,
                     const struct option_spec *spec, void *field)
{
    uint32_t value;
    memcpy(&value, field, sizeof value);
    if (value != 0 && value != spec->value) {
        return fail_usage(command->name, "--%s contradicts --%s", spec->name,
                          setter_name(section, spec->at, value));
    }
    memcpy(field, &spec->value, sizeof value);
    return OPTIONS_READY;
}

static void keep_text(struct options *options, char *text)
{
    options->texts = need_more_memory(options->texts, (options->text_count + 1) * sizeof *options->texts);
    options->texts[options->text_count++] = text;
}

static int store(struct options *options, const struct command *command, const struct option_section *section,
                 const struct option_spec *spec)
{
    void *field = (char *)section->values + spec->at;
    if (spec->kind == OPTION_FLAG) {
        *(int *)field = 1;
        return OPTIONS_READY;
    }
    if (spec->kind == OPTION_SET) {
        return store_set(command, section, spec, field);
    }
    char *text = poptGetOptArg(options->popt);
    keep_text(options, text);
    switch (spec->kind) {
    case OPTION_MODE:
        return store_mode(command, spec, field, text);
    case OPTION_SECONDS:
        return store_seconds(command, spec, field, text);
    case OPTION_FACTOR:
        return store_factor(command, spec, field, text);
    case OPTION_CHOICE:
        return store_choice(command, spec, field, text);
    case OPTION_TEXT:
        *(const char **)field = text;
        return OPTIONS_READY;
    default:
        return store_number(command, spec, field, text);
    }
}

/* ------------------------------------------------------------------------------------------ parsing */

static int show_help(const struct options *options, const struct command *command)
{
    printf("shmbus %s: %s\n\n", command->name, command->summary);
    poptPrintHelp(options->popt, stdout, 0);
    printf("\n%s", command->details);
    return EXIT_OK;
}

static int bad_option(const struct options *options, const struct command *command, int error)
{
    const char *option = poptBadOption(options->popt, POPT_BADOPTION_NOALIAS);
    switch (error) {
    case POPT_ERROR_BADOPT:
        return fail_usage(command->name, "unknown option %s", option);
    case POPT_ERROR_NOARG:
        return fail_usage(command->name, "%s needs a value", option);
    case POPT_ERROR_UNWANTEDARG:
        return fail_usage(command->name, "%s takes no value", option);
    default:
        return fail_usage(command->name, "%s: %s", option, poptStrerror(error));
    }
}

static int check_arguments(struct options *options, const struct command *command, int least, int most)
{
    const char **arguments = poptGetArgs(options->popt);
    int count = 0;
    while (arguments && arguments[count]) {
        count++;
    }
    options->arguments = arguments;
    options->argument_count = count;
    if (count < least) {
        return fail_usage(command->name, "%s is missing", command->arguments);
    }
    if (arguments && count > most) {
        return fail_usage(command->name, "unexpected argument \"%s\"", arguments[most]);
    }
    return OPTIONS_READY;
}

static int parse_all(struct options *options, const struct command *command,
                     const struct option_section *sections)
{
    int value;
    while ((value = poptGetNextOpt(options->popt)) > 0) {
        const struct option_section *section = &sections[(value - 1) / ROWS];
        const int result = store(options, command, section, &section->specs[(value - 1) % ROWS]);
        if (result != OPTIONS_READY) {
            return result;
        }
    }
    if (value == HELP_VALUE) {
        return show_help(options, command);
    }
    return value < -1 ? bad_option(options, command, value) : OPTIONS_READY;
}

int options_parse(struct options *options, const struct command *command,
                  const struct option_section *sections, int argc, char **argv, int least, int most)
{
    char program[64];
    char usage[128];
    *options = (struct options){0};
    build_tables(options, sections);
    /* popt prints argv[0] in the usage line. */
    (void)snprintf(program, sizeof program, "shmbus %s", command->name);
    (void)snprintf(usage, sizeof usage, "[OPTION...] %s", command->arguments);
    argv[0] = program;
    options->popt = poptGetContext(NULL, argc, (const char **)argv, options->tables, 0);
    if (!options->popt) {
        return fail("out of memory");
    }
    poptSetOtherOptionHelp(options->popt, usage);
    const int result = parse_all(options, command, sections);
    argv[0] = NULL;
    return result == OPTIONS_READY ? check_arguments(options, command, least, most) : result;
}

void options_free(struct options *options)
{
    if (options->popt) {
        poptFreeContext(options->popt);
    }
    for (size_t i = 0; i < options->text_count; i++) {
        free(options->texts[i]);
    }
    free(options->tables);
    free(options->texts);
    *options = (struct options){0};
}
