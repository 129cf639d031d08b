/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "table.h"

/* U+FFFD, what stands for bytes that cannot be shown */
#define REPLACEMENT "\xEF\xBF\xBD"

/* How many bytes the character that starts with `first` has, or 0. */
static size_t sequence_length(unsigned char first)
{
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xC2 && first <= 0xDF) {
        return 2;
    }
    if ((first & 0xF0) == 0xE0) {
        return 3;
    }
    return first >= 0xF0 && first <= 0xF4 ? 4 : 0;
}

/* Whether the three or four bytes are too many for their character, a surrogate, or above U+10FFFF. */
static int is_forbidden(const unsigned char *at)
{
    return (at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xED && at[1] > 0x9F) ||
           (at[0] == 0xF0 && at[1] < 0x90) || (at[0] == 0xF4 && at[1] > 0x8F);
}

static int is_control(const unsigned char *at)
{
    return at[0] < 0x20 || at[0] == 0x7F || (at[0] == 0xC2 && at[1] < 0xA0);
}

/* The length of the printable character at `at`, of which `left` bytes are there, or 0 when there is none. */
static size_t printable_length(const unsigned char *at, size_t left)
{
    const size_t length = sequence_length(at[0]);
    if (length > left) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return length == 0 || is_control(at) || is_forbidden(at) ? 0 : length;
}

size_t text_clean_bytes(const void *bytes, size_t size, char *clean)
{
    const unsigned char *at = bytes;
    char *to = clean;
    while (size > 0) {
        size_t length = printable_length(at, size);
        if (length > 0) {
            memcpy(to, at, length);
            to += length;
        } else {
            memcpy(to, REPLACEMENT, sizeof REPLACEMENT - 1);
            to += sizeof REPLACEMENT - 1;
            length = 1;
        }
        at += length;
        size -= length;
    }
    *to = '\0';
    return (size_t)(to - clean);
}

void text_clean(const char *text, char *clean)
{
    (void)text_clean_bytes(text, strlen(text), clean);
}
