/* SPDX-License-Identifier: Apache-2.0 */
#include "numbers.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SECONDS_MAX UINT64_C(315360000) /* 10 years */
#define NANOSECONDS UINT64_C(1000000000)

static int digit_value(char letter)
{
    if (isdigit((unsigned char)letter)) {
        return letter - '0';
    }
    const int lower = tolower((unsigned char)letter);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 16;
}

/* Reads the digits at `*text` and moves it past them. There must be one at least. */
static int parse_digits(const char **text, unsigned base, uint64_t *number)
{
    const char *at = *text;
    uint64_t value = 0;
    bool overflow = false;
    for (; digit_value(*at) < (int)base; at++) {
        overflow |= __builtin_mul_overflow(value, base, &value);
        overflow |= __builtin_add_overflow(value, (uint64_t)digit_value(*at), &value);
    }
    if (at == *text) {
        return -EINVAL;
    }
    *text = at;
    *number = value;
    return overflow ? -ERANGE : 0;
}

/* The power of two that the suffix stands for, or -EINVAL. */
static int parse_suffix(const char *text)
{
    static const char letters[] = "KMGT";
    if (*text == '\0') {
        return 0;
    }
    const char *letter = strchr(letters, toupper((unsigned char)*text));
    if (!letter || (text[1] != '\0' && strcasecmp(text + 1, "iB") != 0)) {
        return -EINVAL;
    }
    return 10 * ((int)(letter - letters) + 1);
}

int number_parse(const char *text, uint64_t *number)
{
    const bool hexadecimal = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    const char *at = hexadecimal ? text + 2 : text;
    uint64_t value = 0;
    const int result = parse_digits(&at, hexadecimal ? 16 : 10, &value);
    if (result == -EINVAL) {
        return -EINVAL;
    }
    const int shift = parse_suffix(at);
    if (shift < 0) {
        return shift;
    }
    if (result != 0 || __builtin_mul_overflow(value, UINT64_C(1) << shift, &value)) {
        return -ERANGE;
    }
    *number = value;
    return 0;
}

int number_parse_mode(const char *text, uint32_t *mode)
{
    uint64_t value = 0;
    const int result = parse_digits(&text, 8, &value);
    if (result == -EINVAL || *text != '\0') {
        return -EINVAL;
    }
    if (result != 0 || value > 0777) {
        return -ERANGE;
    }
    *mode = (uint32_t)value;
    return 0;
}

int number_parse_seconds(const char *text, int64_t *nanoseconds)
{
    uint64_t whole = 0;
    uint64_t fraction = 0;
    const int result = parse_digits(&text, 10, &whole);
    if (result == -EINVAL) {
        return -EINVAL;
    }
    if (*text == '.') {
        uint64_t unit = NANOSECONDS / 10;
        for (text++; isdigit((unsigned char)*text); text++, unit /= 10) {
            fraction += unit * (uint64_t)digit_value(*text);
        }
    }
    if (*text != '\0') {
        return -EINVAL;
    }
    if (result != 0 || whole > SECONDS_MAX) {
        return -ERANGE;
    }
    *nanoseconds = (int64_t)(whole * NANOSECONDS + fraction);
    return 0;
}

const char *number_format_size(uint64_t bytes, char text[NUMBER_TEXT])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    unsigned unit = 0;
    /* Step up while the next unit would show at least 1. */
    while (unit < 6 && bytes >> (10 * (unit + 1)) > 0) {
        unit++;
    }
    const uint64_t one = UINT64_C(1) << (10 * unit);
    if (bytes % one == 0) {
        (void)snprintf(text, NUMBER_TEXT, "%" PRIu64 " %s", bytes / one, units[unit]);
    } else {
        (void)snprintf(text, NUMBER_TEXT, "%.1f %s", (double)bytes / (double)one, units[unit]);
    }
    return text;
}

const char *number_format_time(uint64_t nanoseconds, char text[NUMBER_TEXT])
{
    static const struct {
        uint64_t size;
        const char *name;
    } units[] = {
        {86400 * NANOSECONDS, "d"},
        {3600 * NANOSECONDS, "h"},
        {60 * NANOSECONDS, "min"},
        {NANOSECONDS, "s"},
        {1000000, "ms"},
        {1000, "us"},
        {1, "ns"},
    };
    unsigned unit = 0;
    while (units[unit].size > 1 && nanoseconds < units[unit].size) {
        unit++;
    }
    const double value = (double)nanoseconds / (double)units[unit].size;
    (void)snprintf(text, NUMBER_TEXT, value < 10 && units[unit].size > 1 ? "%.1f %s" : "%.0f %s", value,
                   units[unit].name);
    return text;
}
