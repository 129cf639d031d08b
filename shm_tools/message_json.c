/* SPDX-License-Identifier: Apache-2.0 */
#include "message_json.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "report.h"
#include "table.h"

#define NANOSECONDS INT64_C(1000000000)

/* ------------------------------------------------------------------------------------------ writing */

/* ASCII: what others put into a message does not reach a terminal. */
static char *to_line(json_t *object, size_t *length)
{
    char *text = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(object);
    if (!text) {
        exit(fail("cannot make JSON of a message: out of memory"));
    }
    *length = strlen(text) + 1;
    text = need_more_memory(text, *length);
    text[*length - 1] = '\n';
    return text;
}

static json_t *clean_name(const char *name)
{
    char clean[3 * (SHMBUS_NAME_MAX + 1) + 1];
    (void)text_clean_bytes(name, strnlen(name, SHMBUS_NAME_MAX), clean);
    return json_string(clean);
}

static json_t *hex_number(uint64_t number)
{
    return json_sprintf("0x%016" PRIx64, number);
}

/* Seconds since 1970 as text: a number with so many digits loses some in most readers. */
static json_t *time_text(int64_t time_ns)
{
    return json_sprintf("%" PRId64 ".%09" PRId64, time_ns / NANOSECONDS, time_ns % NANOSECONDS);
}

static json_t *integer(uint64_t number)
{
    return json_integer(number > INT64_MAX ? INT64_MAX : (json_int_t)number);
}

static json_t *base64_text(const struct message *message)
{
    const size_t length = base64_length(message->size);
    char *text = need_memory(length);
    base64_encode(message->data, message->size, text);
    json_t *json = json_stringn_nocheck(text, length);
    free(text);
    return json;
}

/* As text if it is UTF-8, which a cut may have ended within a character. */
static void set_data(json_t *object, const struct message *message)
{
    json_t *text = json_stringn(message->size > 0 ? message->data : "", message->size);
    if (text) {
        json_object_set_new(object, "data", text);
    } else {
        json_object_set_new(object, "base64", base64_text(message));
    }
}

char *message_to_json(const struct message *message, size_t *length)
{
    json_t *object = json_object();
    json_object_set_new(object, "channel", clean_name(message->channel->name));
    json_object_set_new(object, "sequence", integer(message->sequence));
    json_object_set_new(object, "publisher", integer(message->publisher));
    json_object_set_new(object, "size", integer(message->original));
    json_object_set_new(object, "missed", integer(message->missed));
    json_object_set_new(object, "aborted", json_boolean(message->aborted));
    json_object_set_new(object, "time", time_text(message->time_ns));
    json_object_set_new(object, "sent_ns",
                        message->sent_ns > 0 ? json_integer(message->sent_ns) : json_null());
    set_data(object, message);
    return to_line(object, length);
}

static json_t *shape_to_json(const shmbus_channel_options *shape)
{
    json_t *object = json_object();
    json_object_set_new(object, "producers",
                        json_string(shape->producers == SHMBUS_SINGLE ? "single" : "multi"));
    json_object_set_new(object, "overflow",
                        json_string(shape->overflow == SHMBUS_OVERWRITE ? "overwrite" : "block"));
    json_object_set_new(object, "slots", integer(shape->slots));
    json_object_set_new(object, "slot_size", integer(shape->slot_size));
    json_object_set_new(object, "arena", integer(shape->arena));
    json_object_set_new(object, "largest", integer(shape->largest));
    json_object_set_new(object, "publishers_max", integer(shape->publishers));
    json_object_set_new(object, "groups_max", integer(shape->groups));
    json_object_set_new(object, "members_max", integer(shape->members));
    json_object_set_new(object, "type", hex_number(shape->type));
    json_object_set_new(object, "first_sequence", integer(shape->first_sequence));
    return object;
}

char *message_channel_to_json(const struct message_channel *channel, size_t *length)
{
    json_t *object = json_object();
    json_object_set_new(object, "channel", clean_name(channel->name));
    json_object_set_new(object, "bus", clean_name(channel->bus));
    json_object_set_new(object, "first", integer(channel->first));
    json_object_set_new(object, "shape", shape_to_json(&channel->shape));
    return to_line(object, length);
}

/* ------------------------------------------------------------------------------------------ reading */

/* The object that is read, and the first thing that is wrong with it. */
struct reading {
    const json_t *object;
    char *problem;
};

static void find_wrong(struct reading *reading, const char *key, const char *what)
{
    if (reading->problem[0] == '\0') {
        (void)snprintf(reading->problem, sizeof((struct message_parse *)0)->problem, "\"%s\" is not %s", key,
                       what);
    }
}

/* 0 where there is none. */
static uint64_t get_number(struct reading *reading, const char *key, uint64_t most)
{
    const json_t *value = json_object_get(reading->object, key);
    if (!value || json_is_null(value)) {
        return 0;
    }
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        (uint64_t)json_integer_value(value) > most) {
        find_wrong(reading, key, "a number that fits");
        return 0;
    }
    return (uint64_t)json_integer_value(value);
}

static uint32_t get_u32(struct reading *reading, const char *key)
{
    return (uint32_t)get_number(reading, key, UINT32_MAX);
}

static void get_name(struct reading *reading, const char *key, char name[SHMBUS_NAME_MAX + 1])
{
    const char *text = json_string_value(json_object_get(reading->object, key));
    if (!text || strlen(text) > SHMBUS_NAME_MAX) {
        find_wrong(reading, key, "a name");
        return;
    }
    memcpy(name, text, strlen(text) + 1);
}

/* Whether the text at `key` is `word`; it may be `other` too. */
static int get_word(struct reading *reading, const char *key, const char *word, const char *other)
{
    const char *text = json_string_value(json_object_get(reading->object, key));
    if (!text || (strcmp(text, word) != 0 && strcmp(text, other) != 0)) {
        find_wrong(reading, key, "one of its words");
        return 0;
    }
    return strcmp(text, word) == 0;
}

static uint64_t get_hex(struct reading *reading, const char *key)
{
    uint64_t number = 0;
    const char *text = json_string_value(json_object_get(reading->object, key));
    if (text && sscanf(text, "0x%16" SCNx64, &number) != 1) {
        find_wrong(reading, key, "a number as 0x1f");
    }
    return number;
}

static int64_t get_time(struct reading *reading, const char *key)
{
    int64_t seconds = 0;
    int64_t fraction = 0;
    int end = 0;
    const char *text = json_string_value(json_object_get(reading->object, key));
    if (!text || sscanf(text, "%12" SCNd64 ".%9" SCNd64 "%n", &seconds, &fraction, &end) != 2 ||
        text[end] != '\0' || seconds < 0 || seconds > INT64_MAX / NANOSECONDS - 1 || fraction < 0) {
        find_wrong(reading, key, "a time as \"1700000000.000000000\"");
        return 0;
    }
    return seconds * NANOSECONDS + fraction;
}

static void get_shape(struct reading *reading, shmbus_channel_options *shape)
{
    const json_t *object = json_object_get(reading->object, "shape");
    struct reading inner = {.object = object, .problem = reading->problem};
    *shape = (shmbus_channel_options){
        .producers = get_word(&inner, "producers", "single", "multi") ? SHMBUS_SINGLE : SHMBUS_MULTI,
        .overflow = get_word(&inner, "overflow", "overwrite", "block") ? SHMBUS_OVERWRITE : SHMBUS_BLOCK,
        .slots = get_u32(&inner, "slots"),
        .slot_size = get_u32(&inner, "slot_size"),
        .arena = get_number(&inner, "arena", UINT64_MAX),
        .largest = get_number(&inner, "largest", UINT64_MAX),
        .publishers = get_u32(&inner, "publishers_max"),
        .groups = get_u32(&inner, "groups_max"),
        .members = get_u32(&inner, "members_max"),
        .type = get_hex(&inner, "type"),
        .first_sequence = get_number(&inner, "first_sequence", UINT64_MAX),
    };
}

static void get_data(struct reading *reading, struct message *message)
{
    const json_t *plain = json_object_get(reading->object, "data");
    const json_t *coded = json_object_get(reading->object, "base64");
    const json_t *text = plain ? plain : coded;
    const size_t length = json_string_length(text);
    char *data = need_memory(length);
    message->data = data;
    if (!json_is_string(text)) {
        find_wrong(reading, "data", "a text, and there is no \"base64\"");
    } else if (plain) {
        memcpy(data, json_string_value(text), length);
        message->size = length;
    } else if (base64_decode(json_string_value(text), length, data, &message->size) != 0) {
        find_wrong(reading, "base64", "base64");
    }
}

static void get_message(struct reading *reading, struct message *message)
{
    *message = (struct message){
        .sequence = get_number(reading, "sequence", UINT64_MAX),
        .publisher = get_u32(reading, "publisher"),
        .original = get_number(reading, "size", UINT64_MAX),
        .missed = get_number(reading, "missed", UINT64_MAX),
        .aborted = json_is_true(json_object_get(reading->object, "aborted")),
        .time_ns = get_time(reading, "time"),
        .sent_ns = (int64_t)get_number(reading, "sent_ns", INT64_MAX),
    };
    get_data(reading, message);
    if (message->size > message->original) {
        find_wrong(reading, "size", "as large as its data");
    }
}

enum message_line message_from_json(const char *line, size_t length, struct message_parse *parse)
{
    json_error_t error;
    json_t *object = json_loadb(line, length, JSON_ALLOW_NUL, &error);
    struct reading reading = {.object = object, .problem = parse->problem};
    enum message_line kind = MESSAGE_LINE_CHANNEL;
    *parse = (struct message_parse){0};
    if (!json_is_object(object)) {
        (void)snprintf(parse->problem, sizeof parse->problem, "%s", object ? "no JSON object" : error.text);
        json_decref(object);
        return MESSAGE_LINE_BROKEN;
    }
    get_name(&reading, "channel", parse->channel.name);
    if (json_object_get(object, "shape")) {
        get_name(&reading, "bus", parse->channel.bus);
        get_shape(&reading, &parse->channel.shape);
        parse->channel.first = get_number(&reading, "first", UINT64_MAX);
    } else {
        kind = MESSAGE_LINE_MESSAGE;
        get_message(&reading, &parse->message);
    }
    json_decref(object);
    if (parse->problem[0] != '\0') {
        free((void *)parse->message.data);
        parse->message.data = NULL;
        return MESSAGE_LINE_BROKEN;
    }
    return kind;
}
