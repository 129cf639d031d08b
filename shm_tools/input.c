/* SPDX-License-Identifier: Apache-2.0 */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report.h"
#include "signals.h"

#define FIRST_CAPACITY ((size_t)256 << 10)

int input_open(struct input *input, const char *name)
{
    *input = (struct input){.fd = STDIN_FILENO, .name = name ? name : "standard input"};
    if (name) {
        input->fd = open(name, O_RDONLY | O_CLOEXEC);
        if (input->fd < 0) {
            return fail("cannot open \"%s\": %s", name, strerror(errno));
        }
    }
    input->capacity = FIRST_CAPACITY;
    input->data = need_memory(input->capacity);
    return EXIT_OK;
}

void input_close(struct input *input)
{
    if (input->fd > STDERR_FILENO) {
        (void)close(input->fd);
    }
    free(input->data);
}

size_t input_unread(const struct input *input)
{
    return input->end - input->start;
}

/* One read() that got something, or 0 at the end. */
static int read_some(struct input *input, char *to, size_t size, size_t *got)
{
    for (;;) {
        if (signals_stop()) {
            return EXIT_SIGNAL + signals_stop();
        }
        const ssize_t count = read(input->fd, to, size);
        if (count >= 0) {
            *got = (size_t)count;
            input->ended = count == 0;
            return EXIT_OK;
        }
        if (errno == EAGAIN) { /* someone made it non-blocking */
            struct pollfd ready = {.fd = input->fd, .events = POLLIN};
            (void)poll(&ready, 1, -1);
        } else if (errno != EINTR) {
            return fail("cannot read %s: %s", input->name, strerror(errno));
        }
    }
}

int input_fill(struct input *input)
{
    size_t got = 0;
    if (input->start > 0) {
        memmove(input->data, input->data + input->start, input_unread(input));
        input->end -= input->start;
        input->start = 0;
    }
    if (input->end == input->capacity) {
        input->capacity *= 2;
        input->data = need_more_memory(input->data, input->capacity);
    }
    const int result = read_some(input, input->data + input->end, input->capacity - input->end, &got);
    input->end += got;
    return result;
}

int input_take(struct input *input, void *to, size_t size, size_t *taken)
{
    const size_t unread = input_unread(input);
    size_t done = size < unread ? size : unread;
    memcpy(to, input->data + input->start, done);
    input->start += done;
    while (done < size && !input->ended) {
        size_t got = 0;
        const int result = read_some(input, (char *)to + done, size - done, &got);
        if (result != EXIT_OK) {
            return result;
        }
        done += got;
    }
    *taken = done;
    return EXIT_OK;
}
