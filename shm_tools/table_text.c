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

/* The length of the printable character at `at`, or 0 when there is none. */
static size_t printable_length(const unsigned char *at)
{
    const size_t length = sequence_length(at[0]);
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return length == 0 || is_control(at) || is_forbidden(at) ? 0 : length;
}

void text_clean(const char *text, char *clean)
{
    const unsigned char *at = (const unsigned char *)text;
    while (*at != 0) {
        const size_t length = printable_length(at);
        if (length > 0) {
            memcpy(clean, at, length);
            clean += length;
            at += length;
        } else {
            memcpy(clean, REPLACEMENT, sizeof REPLACEMENT - 1);
            clean += sizeof REPLACEMENT - 1;
            at++;
        }
    }
    *clean = '\0';
}
