/* SPDX-License-Identifier: Apache-2.0 */
#include "showing.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "message_json.h"
#include "report.h"
#include "table.h"

enum {
    FORMAT_TEXT,
    FORMAT_HEX,
    FORMAT_JSON,
    FORMAT_RAW
};

#define HEX_BYTES 16 /* of a line */
#define HEX_LINE 80  /* characters of a line, with its newline; 78 of a full one with an offset below 4 GiB */
#define HEAD_SIZE (3 * (SHMBUS_NAME_MAX + 1) + 160)

const struct option_spec showing_specs[] = {
    {"format", 'f', OPTION_CHOICE, offsetof(struct showing_options, format), 0, "text|hex|json|raw",
     "how messages are shown (text)"},
    {"json", 'j', OPTION_FLAG, offsetof(struct showing_options, json), 0, NULL, "the same as --format json"},
    {0},
};

void showing_begin(struct showing *showing, const struct showing_options *options, int name_channels)
{
    *showing = (struct showing){.format = options->json ? FORMAT_JSON : options->format,
                                .name_channels = name_channels};
    output_begin(&showing->output, STDOUT_FILENO);
}

void showing_end(struct showing *showing)
{
    output_free(&showing->output);
    free(showing->text);
}

int showing_flush(struct showing *showing)
{
    const int result = output_check(&showing->output, output_flush(&showing->output));
    return result == EXIT_OK && output_abandoned(&showing->output) ? OUTPUT_ENDED : result;
}

static int put(struct showing *showing, const void *head, size_t head_size, const void *body,
               size_t body_size)
{
    const struct iovec parts[] = {
        {.iov_base = (void *)head, .iov_len = head_size},
        {.iov_base = (void *)body, .iov_len = body_size},
    };
    return output_check(&showing->output, output_put(&showing->output, parts, 2));
}

static char *need_room(struct showing *showing, size_t size)
{
    if (size > showing->capacity) {
        showing->text = need_more_memory(showing->text, size);
        showing->capacity = size;
    }
    return showing->text;
}

/* What is said before a message; returns its length. */
static size_t write_head(const struct showing *showing, const struct message *message, char head[HEAD_SIZE])
{
    char name[3 * (SHMBUS_NAME_MAX + 1) + 2] = "";
    char missed[48] = "";
    if (showing->name_channels) {
        const size_t length =
            text_clean_bytes(message->channel->name, strnlen(message->channel->name, SHMBUS_NAME_MAX), name);
        memcpy(name + length, " ", 2);
    }
    if (message->missed > 0) {
        (void)snprintf(missed, sizeof missed, "(missed %" PRIu64 ")\n", message->missed);
    }
    const int length = snprintf(head, HEAD_SIZE, "%s%s%" PRIu64 " p%" PRIu32 " ", missed, name,
                                message->sequence, message->publisher);
    return (size_t)length;
}

/* What is said behind a message; returns its length. */
static size_t write_tail(const struct message *message, char *tail)
{
    if (message->aborted) {
        memcpy(tail, "(aborted)\n", 10);
        return 10;
    }
    if (message->size < message->original) {
        return (size_t)sprintf(tail, " [+%" PRIu64 " B]\n", message->original - message->size);
    }
    *tail = '\n';
    return 1;
}

static int show_text(struct showing *showing, const struct message *message)
{
    char head[HEAD_SIZE];
    const size_t head_length = write_head(showing, message, head);
    char *text = need_room(showing, 3 * message->size + 64);
    size_t length = text_clean_bytes(message->data, message->size, text);
    length += write_tail(message, text + length);
    return put(showing, head, head_length, text, length);
}

static char *write_byte(char *to, unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";
    *to++ = digits[byte >> 4];
    *to++ = digits[byte & 15];
    *to++ = ' ';
    return to;
}

/* "00000010  61 62 ...  |ab...|": up to 16 bytes. Returns the end of what was written. */
static char *write_hex_line(char *to, const unsigned char *bytes, size_t offset, size_t count)
{
    to += sprintf(to, "%08zx ", offset);
    for (size_t i = 0; i < HEX_BYTES; i++) {
        if (i % 8 == 0) {
            *to++ = ' ';
        }
        if (i < count) {
            to = write_byte(to, bytes[i]);
        } else {
            memcpy(to, "   ", 3);
            to += 3;
        }
    }
    *to++ = ' ';
    *to++ = '|';
    for (size_t i = 0; i < count; i++) {
        *to++ = bytes[i] >= 0x20 && bytes[i] < 0x7F ? (char)bytes[i] : '.';
    }
    *to++ = '|';
    *to++ = '\n';
    return to;
}

static int show_hex(struct showing *showing, const struct message *message)
{
    char head[HEAD_SIZE];
    size_t head_length = write_head(showing, message, head);
    char *text = need_room(showing, (message->size / HEX_BYTES + 2) * HEX_LINE + 64);
    char *end = text;
    head_length += (size_t)sprintf(head + head_length, "%" PRIu64 " B%s\n", message->original,
                                   message->aborted ? " (aborted)" : "");
    for (size_t at = 0; at < message->size; at += HEX_BYTES) {
        const size_t left = message->size - at;
        end = write_hex_line(end, (const unsigned char *)message->data + at, at,
                             left < HEX_BYTES ? left : HEX_BYTES);
    }
    if (message->size > 0) {
        end += sprintf(end, "%08zx\n", message->size);
    }
    return put(showing, head, head_length, text, (size_t)(end - text));
}

static int show_json(struct showing *showing, const struct message *message)
{
    size_t length = 0;
    char *line = message_to_json(message, &length);
    const int result = put(showing, line, length, NULL, 0);
    free(line);
    return result;
}

int showing_message(struct showing *showing, const struct message *message)
{
    switch (showing->format) {
    case FORMAT_HEX:
        return show_hex(showing, message);
    case FORMAT_JSON:
        return show_json(showing, message);
    case FORMAT_RAW:
        return put(showing, message->data, message->size, NULL, 0);
    default:
        return show_text(showing, message);
    }
}
