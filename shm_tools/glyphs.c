/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* wcwidth() */
#include "glyphs.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

static int unicode;

void glyphs_install(void)
{
    (void)setlocale(LC_CTYPE, "");
    unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static char *add(char *at, const char *glyph)
{
    const size_t length = strlen(glyph);
    memcpy(at, glyph, length);
    return at + length;
}

/* -------------------------------------------------------------------------------------------- names */

/*
 * Reads the character at `*at` and moves past it; writes what may be shown for it to `glyph`, and returns how many
 * columns that takes. Characters without width could hide, or turn, what follows.
 */
static int next_glyph(const char **at, char glyph[GLYPH_BYTES + 1])
{
    wchar_t character = 0;
    mbstate_t state = {0};
    const size_t length = mbrtowc(&character, *at, strlen(*at), &state);
    const int valid = length > 0 && length <= GLYPH_BYTES;
    const int width = valid && iswprint((wint_t)character) ? wcwidth(character) : 0;
    if (width > 0) {
        memcpy(glyph, *at, length);
        glyph[length] = '\0';
    } else {
        memcpy(glyph, "?", 2);
    }
    *at += valid ? length : 1;
    return width > 0 ? width : 1;
}

int glyphs_width(const char *name)
{
    char glyph[GLYPH_BYTES + 1];
    int width = 0;
    while (*name != '\0') {
        width += next_glyph(&name, glyph);
    }
    return width;
}

char *glyphs_fit(const char *name, int columns, char *text)
{
    char glyph[GLYPH_BYTES + 1];
    char *end = text;
    int used = 0;
    const int cut = glyphs_width(name) > columns;
    const int room = cut ? columns - 1 : columns;
    while (*name != '\0') {
        const int width = next_glyph(&name, glyph);
        if (used + width > room) {
            break;
        }
        end = add(end, glyph);
        used += width;
    }
    if (cut && columns > 0) {
        end = add(end, unicode ? "…" : "~");
        used++;
    }
    for (; used < columns; used++) {
        *end++ = ' ';
    }
    *end = '\0';
    return text;
}

/* --------------------------------------------------------------------------------------------- bars */

char *glyphs_bar(double share, int columns, char *text)
{
    static const char *const eighths[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
    static const char *const whole[] = {" ", "#"};
    const char *const *steps = unicode ? eighths : whole;
    const int most = unicode ? 8 : 1; /* of one column */
    const double length = (share < 1 ? share : 1) * columns * most;
    int rest = share > 0 ? (int)(length + 0.5) : 0;
    rest = share > 0 && rest == 0 ? 1 : rest;
    char *end = text;
    for (int i = 0; i < columns; i++) {
        const int part = rest < most ? rest : most;
        end = add(end, steps[part]);
        rest -= part;
    }
    *end = '\0';
    return text;
}

static double greatest(const double *values, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        most = values[i] > most ? values[i] : most;
    }
    return most;
}

char *glyphs_chart(const double *values, size_t count, int columns, char *text)
{
    static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const marks[] = {" ", "_", ".", ",", "-", "=", "+", "*", "#"};
    const char *const *steps = unicode ? blocks : marks;
    const size_t room = columns > 0 ? (size_t)columns : 0;
    const size_t shown = count < room ? count : room;
    const double *first = values + (count - shown);
    const double most = greatest(first, shown);
    char *end = text;
    for (size_t i = shown; i < room; i++) {
        *end++ = ' ';
    }
    for (size_t i = 0; i < shown; i++) {
        end = add(end, steps[first[i] > 0 ? 1 + (int)(7 * first[i] / most + 0.5) : 0]);
    }
    *end = '\0';
    return text;
}
