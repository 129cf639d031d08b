/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text of a given number of columns: names, bars, and small charts. Of Unicode blocks where the locale is UTF-8,
 * of ASCII where it is not. What comes in may be anything: what a terminal must not see is replaced.
 *
 * Each function writes `columns` columns exactly, at most GLYPH_BYTES bytes each, and a 0; and returns `text`.
 *
 * concurrency   one thread
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_GLYPHS_H
#define SHMBUS_TOOLS_GLYPHS_H

#include <stddef.h>

#define GLYPH_BYTES 4

/* Takes the locale of the environment for characters; numbers stay as they are. Call it first. */
void glyphs_install(void);

/* How many columns all of `name` takes. */
int glyphs_width(const char *name);

/* `name`, cut and marked when it is too long, with blanks behind it. */
char *glyphs_fit(const char *name, int columns, char *text);

/* A bar as long as `share`, 0 to 1, of the columns; the least bit when it is more than nothing. */
char *glyphs_bar(double share, int columns, char *text);

/* The last of `count` values, the newest at the right, as heights in relation to the greatest of those shown. */
char *glyphs_chart(const double *values, size_t count, int columns, char *text);

#endif
