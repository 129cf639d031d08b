/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "framing.h"
#include "report.h"

/* How far the end of a line that is too long is looked for, to tell its length. */
#define SEARCH_MAX ((size_t)64 << 20)

static int line_too_long(struct input *input, struct sender *sender)
{
    int result = sender_flush(sender);
    size_t size = 0;
    while (result == EXIT_OK) {
        const char *unread = input->data + input->start;
        const char *newline = memchr(unread, '\n', input_unread(input));
        size += newline ? (size_t)(newline - unread) : input_unread(input);
        if (newline || input->ended || size > SEARCH_MAX) {
            return sender_too_large(sender, size, !newline && !input->ended);
        }
        input->start = input->end;
        result = input_fill(input);
    }
    return result;
}

/* Adds all lines that are complete. `*searched` unread bytes are known to hold no newline. */
static int add_lines(struct input *input, struct sender *sender, size_t *searched)
{
    int result = EXIT_OK;
    while (result == EXIT_OK) {
        char *line = input->data + input->start;
        char *newline = memchr(line + *searched, '\n', input_unread(input) - *searched);
        if (!newline) {
            *searched = input_unread(input);
            return EXIT_OK;
        }
        *searched = 0;
        input->start += (size_t)(newline - line) + 1;
        result = sender_add(sender, line, (size_t)(newline - line));
    }
    return result;
}

int send_lines(struct input *input, struct sender *sender)
{
    size_t searched = 0;
    int result = EXIT_OK;
    while (result == EXIT_OK && !input->ended) {
        result = add_lines(input, sender, &searched);
        if (result == EXIT_OK && input_unread(input) > sender->largest) {
            return line_too_long(input, sender);
        }
        if (result == EXIT_OK) {
            result = sender_flush(sender);
        }
        if (result == EXIT_OK) {
            result = input_fill(input);
        }
    }
    if (result == EXIT_OK && input_unread(input) > 0) {
        result = sender_add(sender, input->data + input->start, input_unread(input));
    }
    return result == EXIT_OK ? sender_flush(sender) : result;
}
