/* SPDX-License-Identifier: Apache-2.0 */
#include "exec_frames.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "report.h"

#define FIRST_CAPACITY ((size_t)64 << 10)
#define LENGTH_HEAD ((size_t)4)
#define HEADERS_MAX ((size_t)8 << 10)

/* ------------------------------------------------------------------------------------------ writing */

size_t frame_head(enum framing framing, size_t size, char head[FRAME_HEAD_MAX])
{
    if (framing == FRAMING_LENGTH) {
        for (size_t i = 0; i < LENGTH_HEAD; i++) {
            head[i] = (char)(size >> (8 * i));
        }
        return LENGTH_HEAD;
    }
    if (framing == FRAMING_HEADERS) {
        return (size_t)snprintf(head, FRAME_HEAD_MAX, "Content-Length: %zu\r\n\r\n", size);
    }
    return 0;
}

int frame_carries(enum framing framing, const char *data, size_t size)
{
    return framing != FRAMING_LINES || size == 0 || !memchr(data, '\n', size - 1);
}

int frame_has_tail(enum framing framing, const char *data, size_t size)
{
    return framing == FRAMING_LINES && (size == 0 || data[size - 1] != '\n');
}

/* ------------------------------------------------------------------------------------------ reading */

void frames_begin(struct frames *frames, enum framing framing, size_t largest)
{
    *frames = (struct frames){.framing = framing, .largest = largest, .capacity = FIRST_CAPACITY};
    frames->data = need_memory(frames->capacity);
}

void frames_free(struct frames *frames)
{
    free(frames->data);
    frames->data = NULL;
}

void frames_reset(struct frames *frames)
{
    frames->ended = frames->passing = 0;
    frames->broken = NULL;
    frames->start = frames->end = frames->searched = 0;
    frames->to_pass = frames->passed = 0;
    frames->first = frames->count = 0;
}

static size_t unread(const struct frames *frames)
{
    return frames->end - frames->start;
}

static void add(struct frames *frames, char *data, size_t size)
{
    frames->found[frames->count++] = (struct iovec){.iov_base = data, .iov_len = size};
}

static void consume(struct frames *frames, size_t size)
{
    frames->start += size;
    frames->searched = 0;
}

/* A line that is too large: 1 when there is more to cut behind what was done. */
static int cut_long_line(struct frames *frames, char *line, const char *newline)
{
    const size_t size = newline ? (size_t)(newline - line) : unread(frames);
    if (frames->split) {
        add(frames, line, frames->largest);
        consume(frames, frames->largest);
        return 1;
    }
    frames->passed += size;
    frames->passing = !newline;
    if (newline) {
        add(frames, NULL, (size_t)frames->passed);
        frames->passed = 0;
    }
    consume(frames, size + (newline ? 1 : 0));
    return newline != NULL;
}

static int cut_line(struct frames *frames)
{
    char *line = frames->data + frames->start;
    char *newline = memchr(line + frames->searched, '\n', unread(frames) - frames->searched);
    const size_t size = newline ? (size_t)(newline - line) : unread(frames);
    if (frames->passing || size > frames->largest) {
        return cut_long_line(frames, line, newline);
    }
    if (!newline) {
        frames->searched = size;
        return 0;
    }
    add(frames, line, size);
    consume(frames, size + 1);
    return 1;
}

/* A frame of `size` bytes behind `head` others. */
static int cut_sized(struct frames *frames, size_t head, uint64_t size)
{
    if (size > frames->largest) {
        add(frames, NULL, (size_t)size);
        consume(frames, head);
        frames->passing = 1;
        frames->to_pass = size;
        return 1;
    }
    if (unread(frames) - head < size) {
        return 0;
    }
    add(frames, frames->data + frames->start + head, (size_t)size);
    consume(frames, head + (size_t)size);
    return 1;
}

static int cut_length(struct frames *frames)
{
    const unsigned char *at = (const unsigned char *)frames->data + frames->start;
    if (unread(frames) < LENGTH_HEAD) {
        return 0;
    }
    return cut_sized(frames, LENGTH_HEAD,
                     at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24);
}

/* The number behind "Content-Length:" of a header line; -1: it is another header, -2: it is no number. */
static int64_t length_of(const char *line, size_t size)
{
    static const char name[] = "Content-Length:";
    const char *at = line + sizeof name - 1;
    const char *end = line + size;
    int64_t length = 0;
    if (size < sizeof name - 1 || strncasecmp(line, name, sizeof name - 1) != 0) {
        return -1;
    }
    while (at < end && (*at == ' ' || *at == '\t')) {
        at++;
    }
    if (at == end) {
        return -2;
    }
    for (; at < end && *at >= '0' && *at <= '9' && length < INT64_MAX / 16; at++) {
        length = length * 10 + (*at - '0');
    }
    while (at < end && (*at == ' ' || *at == '\t')) {
        at++;
    }
    return at == end ? length : -2;
}

static int broken(struct frames *frames, const char *why)
{
    frames->broken = why;
    return 0;
}

static int cut_headers(struct frames *frames)
{
    const char *start = frames->data + frames->start;
    const char *end = frames->data + frames->end;
    int64_t length = -1;
    for (const char *line = start;;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        if ((size_t)((newline ? newline : end) - start) > HEADERS_MAX) {
            return broken(frames, "its headers have more than 8192 bytes");
        }
        if (!newline) {
            return 0;
        }
        const size_t size = (size_t)(newline - line) - (newline > line && newline[-1] == '\r' ? 1 : 0);
        if (size == 0) {
            return length >= 0 ? cut_sized(frames, (size_t)(newline + 1 - start), (uint64_t)length)
                               : broken(frames, "there is no header Content-Length before an empty line");
        }
        const int64_t here = length_of(line, size);
        if (here == -2) {
            return broken(frames, "what follows Content-Length: is no number of bytes");
        }
        length = here >= 0 ? here : length;
        line = newline + 1;
    }
}

/* What is left of a frame that is too large and tells its length. */
static int pass_sized(struct frames *frames)
{
    const size_t size = frames->to_pass < unread(frames) ? (size_t)frames->to_pass : unread(frames);
    consume(frames, size);
    frames->to_pass -= size;
    frames->passing = frames->to_pass > 0;
    return !frames->passing;
}

static int cut_one(struct frames *frames)
{
    if (frames->framing == FRAMING_LINES) {
        return cut_line(frames);
    }
    if (frames->passing) {
        return pass_sized(frames);
    }
    return frames->framing == FRAMING_LENGTH ? cut_length(frames) : cut_headers(frames);
}

unsigned frames_cut(struct frames *frames)
{
    if (frames->first == frames->count) {
        frames->first = frames->count = 0;
        while (frames->count < FRAMES_MAX && !frames->broken && unread(frames) > 0 && cut_one(frames)) {
        }
    }
    return frames->count - frames->first;
}

void frames_use(struct frames *frames, unsigned count)
{
    frames->first += count;
}

/* Room behind what is unread, which is less than a frame: `largest` and a head at most. */
static void make_room(struct frames *frames)
{
    if (frames->start == frames->end) {
        frames->start = frames->end = 0;
    } else if (frames->capacity - frames->end < frames->capacity / 4) {
        memmove(frames->data, frames->data + frames->start, unread(frames));
        frames->end -= frames->start;
        frames->start = 0;
    }
    if (frames->capacity - frames->end < frames->capacity / 4) {
        frames->capacity *= 2;
        frames->data = need_more_memory(frames->data, frames->capacity);
    }
}

int64_t frames_fill(struct frames *frames, int fd)
{
    make_room(frames);
    const size_t room = frames->capacity - frames->end;
    const ssize_t got = read(fd, frames->data + frames->end, room);
    if (got < 0) {
        return -errno;
    }
    frames->ended = got == 0;
    frames->filled = (size_t)got == room;
    frames->end += (size_t)got;
    return got;
}

size_t frames_rest(const struct frames *frames)
{
    return unread(frames) + (size_t)(frames->framing == FRAMING_LINES ? frames->passed : 0);
}

void frames_take_rest(struct frames *frames)
{
    if (frames->framing == FRAMING_LINES && frames_rest(frames) > 0) {
        add(frames, frames->passing ? NULL : frames->data + frames->start, frames_rest(frames));
        consume(frames, unread(frames));
        frames->passing = 0;
        frames->passed = 0;
    }
}
