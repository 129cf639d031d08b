/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "report.h"
#include "signals.h"

#define CAPACITY ((size_t)128 << 10)
/* What is at least this large is not copied into the buffer. */
#define LARGE ((size_t)16 << 10)
/* How long a reader may take after a signal asked to end. Shorter than the time between two SIGALRM. */
#define LAST_WAIT_MS 500

void output_begin(struct output *output, int fd)
{
    *output = (struct output){
        .fd = fd, .name = "standard output", .buffer = need_memory(CAPACITY), .capacity = CAPACITY};
}

void output_free(struct output *output)
{
    free(output->buffer);
}

/* Waits until a write will not block; only a little when a signal asked to end. */
static int wait_writable(const struct output *output)
{
    struct pollfd ready = {.fd = output->fd, .events = POLLOUT};
    const int count = poll(&ready, 1, signals_stop() ? LAST_WAIT_MS : -1);
    if (count == 0) {
        return -ETIMEDOUT;
    }
    return count < 0 && errno != EINTR ? -errno : 0;
}

/* A pipe that is writable takes PIPE_BUF bytes without blocking, but perhaps not more. */
static ssize_t write_some(const struct output *output, struct iovec *parts, int count)
{
    if (signals_stop()) {
        const int result = wait_writable(output);
        if (result != 0) {
            return result;
        }
        const size_t piece = parts->iov_len < PIPE_BUF ? parts->iov_len : PIPE_BUF;
        const ssize_t written = write(output->fd, parts->iov_base, piece);
        return written < 0 ? -errno : written;
    }
    const ssize_t written = writev(output->fd, parts, count);
    return written < 0 ? -errno : written;
}

/* Moves past the first `done` bytes of `parts`, and past parts that are empty then. */
static void skip(struct iovec **parts, int *count, size_t done)
{
    while (*count > 0 && done >= (*parts)->iov_len) {
        done -= (*parts)->iov_len;
        ++*parts;
        --*count;
    }
    if (*count > 0) {
        (*parts)->iov_base = (char *)(*parts)->iov_base + done;
        (*parts)->iov_len -= done;
    }
}

static int write_all(const struct output *output, struct iovec *parts, int count)
{
    skip(&parts, &count, 0);
    while (count > 0) {
        ssize_t written = write_some(output, parts, count);
        if (written == -EAGAIN) { /* someone made it non-blocking */
            written = wait_writable(output);
        }
        if (written < 0 && written != -EINTR) {
            return (int)written;
        }
        skip(&parts, &count, written > 0 ? (size_t)written : 0);
    }
    return 0;
}

int output_flush(struct output *output)
{
    struct iovec rest = {.iov_base = output->buffer, .iov_len = output->used};
    output->used = 0;
    return write_all(output, &rest, 1);
}

/* What is buffered and `parts`, in one go. */
static int put_large(struct output *output, const struct iovec *parts, int count)
{
    struct iovec all[OUTPUT_PARTS_MAX + 1] = {{.iov_base = output->buffer, .iov_len = output->used}};
    memcpy(all + 1, parts, (size_t)count * sizeof *parts);
    output->used = 0;
    return write_all(output, all, count + 1);
}

int output_put(struct output *output, const struct iovec *parts, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++) {
        size += parts[i].iov_len;
    }
    if (size >= LARGE) {
        return put_large(output, parts, count);
    }
    if (size > output->capacity - output->used) {
        const int result = output_flush(output);
        if (result != 0) {
            return result;
        }
    }
    for (int i = 0; i < count; i++) {
        if (parts[i].iov_len > 0) {
            memcpy(output->buffer + output->used, parts[i].iov_base, parts[i].iov_len);
            output->used += parts[i].iov_len;
        }
    }
    return 0;
}

int output_check(const struct output *output, int err)
{
    switch (err) {
    case 0:
        return EXIT_OK;
    case -EPIPE:
        return OUTPUT_ENDED;
    case -ETIMEDOUT:
        return fail("asked to end, but nobody reads %s: the last messages are not written", output->name);
    default:
        return fail("cannot write to %s: %s", output->name, strerror(-err));
    }
}

int output_abandoned(const struct output *output)
{
    struct pollfd state = {.fd = output->fd, .events = 0};
    return poll(&state, 1, 0) > 0 && (state.revents & POLLERR);
}

int output_width(int otherwise)
{
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : otherwise;
}
