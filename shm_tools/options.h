/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options from tables: each row says how an option is called, what it takes, and into which field of a
 * struct its value goes. Parsing and --help are libpopt's.
 *
 * concurrency   one thread
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_OPTIONS_H
#define SHMBUS_TOOLS_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "command.h"

enum option_kind {
    OPTION_FLAG,    /* int: becomes 1 */
    OPTION_SET,     /* 32 bits: becomes `value`; contradicts options that set the same field otherwise */
    OPTION_TEXT,    /* const char *: lives until options_free() */
    OPTION_U32,     /* uint32_t, at least `value`; K, M and G allowed */
    OPTION_U64,     /* uint64_t, at least `value`; K, M and G allowed */
    OPTION_MODE,    /* uint32_t: octal permission bits */
    OPTION_SECONDS, /* int64_t: nanoseconds */
    OPTION_FACTOR,  /* int64_t: billionths */
    OPTION_CHOICE,  /* int: index of the word in `argument`, as "lines|length" */
};

struct option_spec {
    const char *name;
    char letter; /* 0 for none */
    enum option_kind kind;
    size_t at; /* offset of the field */
    uint32_t value;
    const char *argument; /* what the help calls the value */
    const char *help;
};

struct option_section {
    const char *title;
    const struct option_spec *specs; /* ends with a row without name */
    void *values;                    /* the struct that `at` is in */
};

struct options {
    const char *const *arguments; /* what is left, argument_count of them */
    int argument_count;
    struct poptContext_s *popt;
    struct poptOption *tables; /* what popt is told */
    char **texts;
    size_t text_count;
};

/* Returned by options_parse(): carry on. */
#define OPTIONS_READY (-1)

/*
 * Parses `argv`; `sections` ends with one without title. Allows `least` to `most` arguments. Returns
 * OPTIONS_READY or the exit code: after --help, or when something is wrong, which has been said.
 * options_free() is due either way.
 */
int options_parse(struct options *options, const struct command *command,
                  const struct option_section *sections, int argc, char **argv, int least, int most);

void options_free(struct options *options);

#endif
