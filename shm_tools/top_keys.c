/* SPDX-License-Identifier: Apache-2.0 */
#include <curses.h>
#include <string.h>

#include "top.h"

#define KEY_ESCAPE 27
#define KEY_DELETE 127
#define KEY_CONTROL_H 8

/* ------------------------------------------------------------------------------------------- filter */

static void begin_typing(struct top *top)
{
    memcpy(top->typed_over, top->filter, sizeof top->filter);
    top->filter[0] = '\0';
    top->typing = 1;
}

/* Takes the last character away, which may have several bytes. */
static void erase_last(char *filter)
{
    size_t length = strlen(filter);
    while (length > 0 && ((unsigned char)filter[length - 1] & 0xC0) == 0x80) {
        length--;
    }
    filter[length > 0 ? length - 1 : 0] = '\0';
}

static void type_key(struct top *top, int key)
{
    const size_t length = strlen(top->filter);
    if (key == KEY_ESCAPE) {
        memcpy(top->filter, top->typed_over, sizeof top->filter);
        top->typing = 0;
    } else if (key == '\n' || key == '\r' || key == KEY_ENTER) {
        top->typing = 0;
    } else if (key == KEY_BACKSPACE || key == KEY_DELETE || key == KEY_CONTROL_H) {
        erase_last(top->filter);
    } else if (key >= ' ' && key < 256 && length + 1 < sizeof top->filter) {
        top->filter[length] = (char)key;
        top->filter[length + 1] = '\0';
    }
}

/* ------------------------------------------------------------------------------------- where to look */

static void move_by(struct top *top, long rows)
{
    const long last = top->grid.rows.count > 0 ? (long)top->grid.rows.count - 1 : 0;
    const long to = (long)top->chosen + rows;
    top->chosen = (size_t)(to < 0 ? 0 : to > last ? last : to);
}

static void show_view(struct top *top, enum top_view view)
{
    top->view = view;
    top->chosen = 0;
    top->scroll = 0;
}

/* Remembers the chosen channel by its name. Without one there is nothing to enter. */
static int choose_channel(struct top *top)
{
    const struct snapshot *snapshot = watch_latest(&top->watch);
    if (top->error != 0 || top->chosen >= top->grid.rows.count) {
        return 0;
    }
    const struct snapshot_channel *channel =
        snapshot_channel_at(snapshot, grid_row_at(&top->grid, top->chosen)->id);
    if (!channel) {
        return 0;
    }
    memcpy(top->channel, channel->info.name, sizeof top->channel);
    return 1;
}

static void enter(struct top *top)
{
    if (top->view == TOP_CHANNELS && choose_channel(top)) {
        show_view(top, TOP_CHANNEL);
    }
}

/* Channels, the chosen one, participants, and round again. */
static void next_view(struct top *top)
{
    if (top->view == TOP_CHANNELS) {
        show_view(top, choose_channel(top) ? TOP_CHANNEL : TOP_PARTICIPANTS);
    } else {
        show_view(top, top->view == TOP_CHANNEL ? TOP_PARTICIPANTS : TOP_CHANNELS);
    }
}

static void go_back(struct top *top)
{
    if (top->view != TOP_CHANNELS) {
        show_view(top, TOP_CHANNELS);
    } else {
        top->filter[0] = '\0';
    }
}

/* ------------------------------------------------------------------------------------- how to show it */

static void sort_by_next(struct top *top)
{
    const struct grid_column *columns = top_columns(top->view);
    int column = top->sort[top->view] + 1;
    while ((columns[column].key || columns[column].title) && !columns[column].name) {
        column++;
    }
    top->sort[top->view] = columns[column].key || columns[column].title ? column : GRID_UNSORTED;
}

/* The next of the usual intervals that is longer, or shorter. */
static void change_interval(struct top *top, int longer)
{
    static const int64_t usual[] = {100, 200, 500, 1000, 2000, 5000, 10000};
    const int count = (int)(sizeof usual / sizeof *usual);
    int i = longer ? 0 : count - 1;
    while (longer ? i < count - 1 && usual[i] * 1000000 <= top->interval
                  : i > 0 && usual[i] * 1000000 >= top->interval) {
        i += longer ? 1 : -1;
    }
    top->interval = usual[i] * 1000000;
}

static void move_key(struct top *top, int key)
{
    const long page = top->page > 1 ? (long)top->page : 1;
    switch (key) {
    case KEY_UP:
    case 'k':
        return move_by(top, -1);
    case KEY_DOWN:
    case 'j':
        return move_by(top, 1);
    case KEY_PPAGE:
        return move_by(top, -page);
    case KEY_NPAGE:
        return move_by(top, page);
    case KEY_HOME:
        return move_by(top, -(long)top->grid.rows.count);
    case KEY_END:
        return move_by(top, (long)top->grid.rows.count);
    default:
        return;
    }
}

static void show_key(struct top *top, int key)
{
    switch (key) {
    case 'p':
    case ' ':
        top->paused = !top->paused;
        break;
    case 's':
        sort_by_next(top);
        break;
    case 'r':
        top->reverse[top->view] = !top->reverse[top->view];
        break;
    case '/':
        begin_typing(top);
        break;
    case '+':
    case '-':
        change_interval(top, key == '+');
        break;
    case 'h':
    case '?':
        top->help = 1;
        break;
    default:
        move_key(top, key);
    }
}

int top_key(struct top *top, int key)
{
    if (key == KEY_RESIZE) {
        return 0;
    }
    if (top->typing) {
        type_key(top, key);
        return 0;
    }
    if (top->help) {
        top->help = 0;
        return 0;
    }
    switch (key) {
    case 'q':
        return 1;
    case '\t':
        next_view(top);
        break;
    case '\n':
    case '\r':
    case KEY_ENTER:
        enter(top);
        break;
    case KEY_ESCAPE:
        go_back(top);
        break;
    default:
        show_key(top, key);
    }
    return 0;
}
