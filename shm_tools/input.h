/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a descriptor in big blocks. Unread bytes are data[start..end).
 *
 * A fill takes what is there and returns: it waits only when there is nothing at all.
 *
 * concurrency   one thread
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_INPUT_H
#define SHMBUS_TOOLS_INPUT_H

#include <stddef.h>

struct input {
    int fd;
    const char *name; /* for messages */
    char *data;
    size_t capacity;
    size_t start;
    size_t end;
    int ended;
};

/* Opens the file `name`, or takes standard input when it is NULL. Returns an exit code. */
int input_open(struct input *input, const char *name);

void input_close(struct input *input);

size_t input_unread(const struct input *input);

/*
 * Reads once behind the unread bytes, which may move; makes the buffer larger when they fill it. Sets `ended`
 * at the end of the input. Returns an exit code: EXIT_SIGNAL + N when a signal asks to end.
 */
int input_fill(struct input *input);

/* Takes `size` bytes, first the unread ones, then straight from the descriptor; fewer only at its end. */
int input_take(struct input *input, void *to, size_t size, size_t *taken);

#endif
