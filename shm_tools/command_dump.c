/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <shmbus/inspect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "listing.h"
#include "looking.h"
#include "meaning.h"
#include "options.h"
#include "report.h"
#include "table.h"

#define PREFIX "shm_" /* of structures; may be left out */
#define PATH_WIDTH 44 /* column where values begin */
#define PATH_TEXT 512
#define EXACT_MAX (UINT64_C(1) << 53) /* readers of JSON keep whole numbers up to this */
#define CLEAN_TEXT (3 * SHMBUS_NAME_MAX + 1)
#define STOP 1 /* of a callback: the reader of the output is gone */

struct dump_options {
    const char *channel;
    const char *structure;
    int nonzero;
    int json;
};

#define IN_DUMP(field) offsetof(struct dump_options, field)

static const struct option_spec dump_specs[] = {
    {"channel", 'c', OPTION_TEXT, IN_DUMP(channel), 0, "CHANNEL", "show this channel only"},
    {"structure", 's', OPTION_TEXT, IN_DUMP(structure), 0, "NAME",
     "show structures of this name only, as shm_publisher or publisher"},
    {"nonzero", 'z', OPTION_FLAG, IN_DUMP(nonzero), 0, NULL, "leave out fields that are 0"},
    {"json", 'j', OPTION_FLAG, IN_DUMP(json), 0, NULL, "print JSON"},
    {0},
};

struct dump {
    const struct dump_options *options;
    uint64_t printed;
    int structure_seen;
};

/* ---------------------------------------------------------------------------------------- choosing */

static int is_structure(const char *structure, const char *asked)
{
    return strcmp(structure, asked) == 0 || (strncmp(structure, PREFIX, strlen(PREFIX)) == 0 &&
                                             strcmp(structure + strlen(PREFIX), asked) == 0);
}

static int is_zero(const shmbus_field *field)
{
    return field->text ? *field->text == '\0' : field->value == 0;
}

static int is_chosen(struct dump *dump, const shmbus_field *field)
{
    const struct dump_options *options = dump->options;
    if (options->structure && !is_structure(field->structure, options->structure)) {
        return 0;
    }
    dump->structure_seen = 1;
    if (options->channel && (!field->channel || strcmp(field->channel, options->channel) != 0)) {
        return 0;
    }
    return !options->nonzero || !is_zero(field);
}

/* ---------------------------------------------------------------------------------------- printing */

/* The texts of a segment are at most SHMBUS_NAME_MAX bytes, whatever they are. */
static const char *clean_name(const char *name, char clean[CLEAN_TEXT])
{
    char cut[SHMBUS_NAME_MAX + 1];
    (void)snprintf(cut, sizeof cut, "%s", name);
    text_clean(cut, clean);
    return clean;
}

/* "ticks:shm_publisher[0].tail" */
static void field_path(const shmbus_field *field, char path[PATH_TEXT])
{
    char channel[CLEAN_TEXT] = "";
    if (field->channel) {
        (void)clean_name(field->channel, channel);
    }
    (void)snprintf(path, PATH_TEXT, "%s%s%s[%" PRIu64 "].%s", channel, field->channel ? ":" : "",
                   field->structure, field->index, field->name);
}

static int print_field(const shmbus_field *field)
{
    char path[PATH_TEXT];
    char meaning[MEANING_TEXT];
    char clean[CLEAN_TEXT];
    field_path(field, path);
    printf("0x%010" PRIx64 "  %-*s  ", field->offset, PATH_WIDTH, path);
    if (field->text) {
        printf("\"%s\"\n", clean_name(field->text, clean));
        return ferror(stdout) ? STOP : 0;
    }
    const char *words = meaning_of(field, meaning);
    printf(words ? "%-20" PRIu64 "  %s\n" : "%" PRIu64 "\n", field->value, words);
    return ferror(stdout) ? STOP : 0;
}

static json_t *text_json(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *name_json(const char *name)
{
    char clean[CLEAN_TEXT];
    return text_json(name ? clean_name(name, clean) : NULL);
}

static json_t *field_json(const shmbus_field *field)
{
    char meaning[MEANING_TEXT];
    char value[32];
    (void)snprintf(value, sizeof value, "0x%0*" PRIx64, (int)(field->size > 8 ? 16 : 2 * field->size),
                   field->value);
    return json_pack("{so so sI ss so sI sI so so so}", "channel", name_json(field->channel), "structure",
                     text_json(field->structure), "index", (json_int_t)field->index, "field", field->name,
                     "text", name_json(field->text), "offset", (json_int_t)field->offset, "size",
                     (json_int_t)field->size, "value", text_json(field->text ? NULL : value), "number",
                     !field->text && field->value <= EXACT_MAX ? json_integer((json_int_t)field->value)
                                                               : json_null(),
                     "meaning", text_json(meaning_of(field, meaning)));
}

static int print_field_json(const shmbus_field *field, int first)
{
    json_t *object = field_json(field);
    if (!object) {
        exit(fail("cannot make JSON of this: out of memory"));
    }
    fputs(first ? "\n    " : ",\n    ", stdout);
    (void)json_dumpf(object, stdout, 0);
    json_decref(object);
    return ferror(stdout) ? STOP : 0;
}

static int on_field(void *context, const shmbus_field *field)
{
    struct dump *dump = context;
    if (!is_chosen(dump, field)) {
        return 0;
    }
    dump->printed++;
    return dump->options->json ? print_field_json(field, dump->printed == 1) : print_field(field);
}

/* ------------------------------------------------------------------------------------------ dumping */

static int check_channel(shmbus_view *view, const struct looking *looking, const char *channel)
{
    shmbus_channel_info info;
    const int err = channel ? listing_find_channel(view, channel, &info) : 0;
    if (err == -ENOENT) {
        return fail("there is no channel \"%s\" in %s", channel, looking_name(looking));
    }
    return err == 0 ? EXIT_OK : fail_call(err, "cannot look at the channels of %s", looking_name(looking));
}

/* What was printed before an error is whole JSON too. */
static int print_fields(shmbus_view *view, const struct looking *looking, const struct dump_options *options)
{
    struct dump dump = {.options = options};
    fputs(options->json ? "{\n  \"fields\": [" : "", stdout);
    const int result = shmbus_view_fields(view, on_field, &dump);
    fputs(options->json ? "\n  ]\n}\n" : "", stdout);
    if (result < 0) {
        return fail_call(result, "cannot look at all of %s", looking_name(looking));
    }
    if (result == 0 && options->structure && !dump.structure_seen) {
        return fail("there is no structure \"%s\" in %s: docs/segment-format.md names them, as shm_header, "
                    "shm_channel or slot",
                    options->structure, looking_name(looking));
    }
    return EXIT_OK;
}

static int dump(const struct looking *looking, const struct dump_options *options)
{
    shmbus_view *view = NULL;
    int result = looking_open(looking, &view);
    if (result == EXIT_OK) {
        result = check_channel(view, looking, options->channel);
    }
    if (result == EXIT_OK) {
        result = print_fields(view, looking, options);
    }
    shmbus_view_close(view);
    return result;
}

static int run_dump(const struct command *command, int argc, char **argv)
{
    struct looking looking = {0};
    struct dump_options dump_options = {0};
    const struct option_section sections[] = {
        LOOKING_SECTION(&looking),
        {"Command:", dump_specs, &dump_options},
        {0},
    };
    struct options options;
    int result = options_parse(&options, command, sections, argc, argv, 0, 1);
    if (result == OPTIONS_READY) {
        result = looking_take(&looking, command, options.argument_count > 0 ? options.arguments[0] : NULL);
        result = result == EXIT_OK ? dump(&looking, &dump_options) : result;
    }
    options_free(&options);
    return result;
}

const struct command command_dump = {
    .name = "dump",
    .arguments = "[BUS]",
    .summary = "shows every field of a bus's segment, with its place in the file",
    .details =
        "Looks only: nothing is changed, no place on the bus is taken. For whoever has to know what a\n"
        "segment holds: docs/segment-format.md says what each field is for. Fields come in the order of\n"
        "the file: offset, CHANNEL:STRUCTURE[INDEX].FIELD, value, and what the value means where it is more\n"
        "than a number. Of slots, those that were used.\n"
        "\n"
        "JSON: {\"fields\": [{channel, structure, index, field, text, offset, size, value, number, meaning}]};\n"
        "  channel is null outside channels; a name has its text, and null for value and number; other\n"
        "  fields have their value in hexadecimal, and number when it is not above 2^53.\n"
        "\n"
        "Examples:\n"
        "  shmbus dump lab --nonzero\n"
        "  shmbus dump lab -c ticks -s publisher\n"
        "  shmbus dump --file /tmp/copy --json | jq '.fields[] | select(.field == \"tail\") | .number'\n",
    .run = run_dump,
};
