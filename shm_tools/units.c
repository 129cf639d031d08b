/* SPDX-License-Identifier: Apache-2.0 */
#include "units.h"

#include <math.h>
#include <stdio.h>

/* Three digits of a number that is below 999.5. */
static void three_digits(double number, const char *unit, char text[UNIT_TEXT])
{
    const int decimals = number >= 99.95 ? 0 : number >= 9.995 ? 1 : 2;
    (void)snprintf(text, UNIT_TEXT, "%.*f%s", decimals, number, unit);
}

const char *unit_count(double count, char text[UNIT_TEXT])
{
    static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};
    unsigned unit = 0;
    while (count >= 999.5 && unit < 6) {
        count /= 1000;
        unit++;
    }
    if (unit == 0 && fabs(count - nearbyint(count)) < 0.005) {
        (void)snprintf(text, UNIT_TEXT, "%.0f", count);
    } else {
        three_digits(count, units[unit], text);
    }
    return text;
}

const char *unit_megabytes(double bytes, char text[UNIT_TEXT])
{
    /* Something is not nothing: what would be rounded to 0 is shown as the least that is not. */
    const double megabytes = bytes > 0 && bytes < 1e4 ? 0.01 : bytes / 1e6;
    return unit_count(megabytes, text);
}

const char *unit_time(uint64_t nanoseconds, char text[UNIT_TEXT])
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    double time = (double)nanoseconds;
    unsigned unit = 0;
    while (time >= 999.5 && unit < 3) {
        time /= 1000;
        unit++;
    }
    if (unit == 0 || time >= 999.5) {
        (void)snprintf(text, UNIT_TEXT, "%.0f%s", time, units[unit]);
    } else {
        three_digits(time, units[unit], text);
    }
    return text;
}
