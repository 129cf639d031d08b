/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#define WIDTH 40
#define DRAW_EVERY INT64_C(50000000) /* ns */

void progress_begin(progress *bar, const char *title, uint64_t total)
{
    *bar = (progress){.title = title, .total = total ? total : 1, .shown = isatty(STDERR_FILENO)};
}

void progress_at(progress *bar, uint64_t done, int64_t now)
{
    if (!bar->shown || now < bar->next)
        return;
    bar->next = now + DRAW_EVERY;
    char cells[WIDTH + 1];
    for (uint64_t i = 0; i < WIDTH; i++)
        cells[i] = i * bar->total < done * WIDTH ? '#' : '.';
    cells[WIDTH] = '\0';
    fprintf(stderr, "\r%-24s [%s] %3u%%", bar->title, cells, (unsigned)(done * 100 / bar->total));
    fflush(stderr);
}

void progress_end(progress *bar)
{
    if (bar->shown && bar->next) /* to the first column, and erase to the end of the line */
        fprintf(stderr, "\r\033[K");
}
