/* SPDX-License-Identifier: Apache-2.0 */
#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "colour.h"
#include "report.h"
#include "signals.h"
#include "top.h"

#define LEAST_COLUMNS 80
#define LEAST_LINES 24
#define FIRST_ROW 3 /* below the header, the state and the titles */

enum {
    COLOUR_WARM = 1,
    COLOUR_ALARM,
    COLOUR_HEADER
};

static SCREEN *screen;
static int coloured;

/* ----------------------------------------------------------------------------------------- terminal */

static void close_screen(void)
{
    if (screen) {
        (void)endwin();
        delscreen(screen);
        screen = NULL;
    }
}

static void start_colours(void)
{
    coloured = colour_wanted(stdout) && has_colors();
    if (coloured) {
        (void)start_color();
        (void)use_default_colors();
        (void)init_pair(COLOUR_WARM, COLOR_YELLOW, -1);
        (void)init_pair(COLOUR_ALARM, COLOR_RED, -1);
        (void)init_pair(COLOUR_HEADER, COLOR_CYAN, -1);
    }
}

static int open_screen(void)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        return fail(
            "top needs a terminal for its input and output: --batch prints text, --json lines of JSON");
    }
    screen = newterm(NULL, stdout, stdin);
    if (!screen) {
        const char *term = getenv("TERM");
        return fail("top cannot use a terminal of type \"%s\": set TERM, or use --batch", term ? term : "");
    }
    (void)atexit(close_screen); /* who gives up for lack of memory does it there */
    (void)cbreak();
    (void)noecho();
    (void)nodelay(stdscr, TRUE);
    (void)keypad(stdscr, TRUE);
    (void)set_escdelay(25);
    (void)curs_set(0);
    start_colours();
    return EXIT_OK;
}

/* -------------------------------------------------------------------------------------------- lines */

static attr_t colour(short pair)
{
    return coloured ? (attr_t)COLOR_PAIR(pair) : A_NORMAL;
}

static attr_t mood_attribute(enum grid_mood mood)
{
    static const attr_t stress[] = {A_NORMAL, A_NORMAL, A_BOLD};
    static const short pairs[] = {0, COLOUR_WARM, COLOUR_ALARM};
    return mood == GRID_CALM ? A_NORMAL : stress[mood] | colour(pairs[mood]);
}

static void put(int line, int column, const char *text, attr_t attribute)
{
    (void)attrset((int)attribute);
    (void)mvaddstr(line, column, text);
    (void)attrset((int)A_NORMAL);
}

/* `text` over the whole width. */
static void put_line(int line, const char *text, attr_t attribute)
{
    char fitted[GRID_WIDTH_MAX * GLYPH_BYTES + 1];
    const int width = COLS < GRID_WIDTH_MAX ? COLS : GRID_WIDTH_MAX;
    put(line, 0, glyphs_fit(text, width, fitted), attribute);
}

static void draw_titles(const struct top *top, const int *widths)
{
    char text[GRID_WIDTH_MAX * GLYPH_BYTES + 1];
    int at = 0;
    put_line(FIRST_ROW - 1, "", A_REVERSE);
    for (int i = 0; i < top->grid.column_count; i++) {
        if (widths[i] > 0) {
            const attr_t sorted = i == top->sort[top->view] ? A_BOLD | A_UNDERLINE : A_NORMAL;
            put(FIRST_ROW - 1, at, grid_title_text(&top->grid.columns[i], widths[i], text),
                A_REVERSE | sorted);
            at += widths[i] + GRID_GAP;
        }
    }
}

static void draw_row(const struct top *top, const int *widths, size_t row, int line)
{
    char text[GRID_WIDTH_MAX * GLYPH_BYTES + 1];
    const attr_t chosen = row == top->chosen ? A_REVERSE : A_NORMAL;
    int at = 0;
    put_line(line, "", chosen);
    for (int i = 0; i < top->grid.column_count; i++) {
        if (widths[i] > 0) {
            const struct grid_cell *cell = &grid_row_at(&top->grid, row)->cells[i];
            put(line, at, grid_cell_text(&top->grid.columns[i], cell, widths[i], text),
                chosen | mood_attribute(cell->mood));
            at += widths[i] + GRID_GAP;
        }
    }
}

/* Keeps the chosen row among those there are, and on the screen. */
static void adjust_scroll(struct top *top)
{
    const size_t count = top->grid.rows.count;
    top->page = (size_t)(LINES - FIRST_ROW - 1);
    if (top->chosen >= count) {
        top->chosen = count > 0 ? count - 1 : 0;
    }
    if (top->scroll > top->chosen) {
        top->scroll = top->chosen;
    }
    if (top->scroll + top->page <= top->chosen) {
        top->scroll = top->chosen - top->page + 1;
    }
    if (top->scroll + top->page > count) {
        top->scroll = count > top->page ? count - top->page : 0;
    }
}

static void draw_grid(struct top *top)
{
    int widths[GRID_COLUMNS];
    grid_layout(&top->grid, COLS < GRID_WIDTH_MAX ? COLS : GRID_WIDTH_MAX, widths);
    adjust_scroll(top);
    draw_titles(top, widths);
    for (size_t i = 0; i < top->page && top->scroll + i < top->grid.rows.count; i++) {
        draw_row(top, widths, top->scroll + i, FIRST_ROW + (int)i);
    }
}

/* ------------------------------------------------------------------------------------------ the rest */

static const char *sort_name(const struct top *top)
{
    const int column = top->sort[top->view];
    return column == GRID_UNSORTED ? "no column" : top_columns(top->view)[column].name;
}

/* What the rows are, and how they were chosen. */
static void describe_rows(const struct top *top, char *text, size_t size)
{
    static const char *const titles[] = {"channels", "participants", "channel "};
    const int one = top->view == TOP_CHANNEL;
    const int filtered = top->filter[0] != '\0' && !one;
    const unsigned damaged = watch_latest(&top->watch)->damaged;
    char harm[48] = "";
    if (damaged > 0) {
        (void)snprintf(harm, sizeof harm, ", %u DAMAGED channels", damaged);
    }
    (void)snprintf(text, size, "%s%s: %zu, by %s%s%s%s%s", titles[top->view], one ? top->channel : "",
                   top->grid.rows.count, sort_name(top), top->reverse[top->view] ? ", reversed" : "", harm,
                   filtered ? ", filter: " : "", filtered ? top->filter : "");
}

/* What is wrong, or what is shown. Longer texts are cut by the screen's width. */
static void draw_state(const struct top *top)
{
    char text[512];
    attr_t attribute = mood_attribute(GRID_ALARM);
    if (top->typing) {
        (void)snprintf(text, sizeof text, "filter: %s_   (Enter keeps it, Esc brings the old one back)",
                       top->filter);
        attribute = A_NORMAL;
    } else if (top->error != 0) {
        (void)snprintf(text, sizeof text, "%s", top->why);
    } else if (top->view == TOP_CHANNEL && !snapshot_find_channel(watch_latest(&top->watch), top->channel)) {
        (void)snprintf(text, sizeof text, "channel \"%s\" is gone", top->channel);
    } else {
        describe_rows(top, text, sizeof text);
        attribute = A_NORMAL;
    }
    put_line(1, text, attribute);
}

static void draw_help(void)
{
    static const char *const lines[] = {
        " q            quit                                      ",
        " p, space     pause, go on                              ",
        " Tab          channels, the chosen one, participants    ",
        " Enter, Esc   into the chosen channel, and out again    ",
        " arrows, PgUp, PgDn, Home, End   choose a row           ",
        " s, r         sort by the next column, reverse          ",
        " /            filter by name; Esc clears it             ",
        " + -          look less often; more often               ",
        "                                                        ",
        " KIND   N many publishers, 1 one; block, or overwrite   ",
        " FILL   of the ring, what its slowest group still needs ",
        " LAG    its messages; the bar compares the channels     ",
        " MISSED overwritten before they were read, in all       ",
        " BLK/S  how often publishers found no room              ",
        " P50 P99 of the latencies sampled since the last look   ",
        " RATE   messages a second, look by look                 ",
    };
    const int count = (int)(sizeof lines / sizeof *lines);
    for (int i = 0; i < count; i++) {
        put((LINES - count) / 2 + i, (COLS - (int)strlen(lines[0])) / 2, lines[i], A_REVERSE);
    }
}

static void draw_too_small(void)
{
    char text[80];
    (void)snprintf(text, sizeof text, "at least %dx%d, this is %dx%d", LEAST_COLUMNS, LEAST_LINES, COLS,
                   LINES);
    put_line(0, text, A_BOLD);
}

static void draw(struct top *top)
{
    char header[GRID_WIDTH_MAX * GLYPH_BYTES + 1];
    (void)erase();
    if (COLS < LEAST_COLUMNS || LINES < LEAST_LINES) {
        draw_too_small();
    } else {
        top_fill(top);
        top_header(top, COLS < GRID_WIDTH_MAX ? COLS : GRID_WIDTH_MAX, header);
        const int dead = top->error == 0 && watch_latest(&top->watch)->bus.dead > 0;
        put_line(0, header, A_BOLD | (dead ? mood_attribute(GRID_ALARM) : colour(COLOUR_HEADER)));
        draw_state(top);
        draw_grid(top);
        put_line(LINES - 1, "q quit  p pause  Tab view  Enter open  s sort  r reverse  / filter  + -  h help",
                 A_REVERSE);
        if (top->help) {
            draw_help();
        }
    }
    (void)refresh();
}

/* -------------------------------------------------------------------------------------------- time */

/* Until a key, a signal, a new size, or `deadline`. 0 when the terminal is gone. */
static int wait_key(int64_t deadline, int paused)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    const int64_t rest = deadline - shmbus_now();
    const int milliseconds = paused ? -1 : rest > 0 ? (int)((rest + 999999) / 1000000) : 0;
    const int result = poll(&input, 1, milliseconds);
    return result < 0 ? errno == EINTR : (input.revents & (POLLHUP | POLLERR | POLLNVAL)) == 0;
}

static int take_keys(struct top *top)
{
    int key;
    int end = 0;
    while (!end && (key = getch()) != ERR) {
        end = top_key(top, key);
    }
    return end;
}

int top_screen(struct top *top)
{
    const int result = open_screen();
    int64_t next = 0;
    int end = result != EXIT_OK;
    while (!end && !signals_stop()) {
        const int64_t now = shmbus_now();
        if (!top->paused && now >= next) {
            top_look(top);
            next = now + top->interval;
        }
        draw(top);
        const int there = wait_key(next, top->paused);
        end = take_keys(top) || !there;
    }
    close_screen();
    return result;
}
