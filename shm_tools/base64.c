/* SPDX-License-Identifier: Apache-2.0 */
#include "base64.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_length(size_t size)
{
    return (size + 2) / 3 * 4;
}

/* Three bytes, or the last `count` of a text. */
static void encode_group(const unsigned char *from, size_t count, char *to)
{
    const uint32_t bits =
        (uint32_t)from[0] << 16 | (count > 1 ? (uint32_t)from[1] << 8 : 0) | (count > 2 ? from[2] : 0u);
    to[0] = digits[bits >> 18];
    to[1] = digits[bits >> 12 & 63];
    to[2] = count > 1 ? digits[bits >> 6 & 63] : '=';
    to[3] = count > 2 ? digits[bits & 63] : '=';
}

void base64_encode(const void *bytes, size_t size, char *text)
{
    const unsigned char *from = bytes;
    for (; size > 0; from += 3, text += 4) {
        const size_t count = size < 3 ? size : 3;
        encode_group(from, count, text);
        size -= count;
    }
}

/* Four characters into `count` bytes. 0 or -EINVAL. */
static int decode_group(const char *from, size_t count, unsigned char *to)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        const char *digit = i <= count && from[i] != '\0' ? strchr(digits, from[i]) : NULL;
        if (!digit && (i <= count || from[i] != '=')) {
            return -EINVAL;
        }
        bits = bits << 6 | (digit ? (uint32_t)(digit - digits) : 0);
    }
    for (size_t i = 0; i < count; i++) {
        to[i] = (unsigned char)(bits >> (16 - 8 * i));
    }
    return 0;
}

int base64_decode(const char *text, size_t length, void *bytes, size_t *size)
{
    unsigned char *to = bytes;
    if (length % 4 != 0) {
        return -EINVAL;
    }
    for (size_t at = 0; at < length; at += 4) {
        const int last = at + 4 == length;
        const size_t padding = last ? (size_t)(text[at + 3] == '=') + (size_t)(text[at + 2] == '=') : 0;
        if (decode_group(text + at, 3 - padding, to) != 0) {
            return -EINVAL;
        }
        to += 3 - padding;
    }
    *size = (size_t)(to - (unsigned char *)bytes);
    return 0;
}
