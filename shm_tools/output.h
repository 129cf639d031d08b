/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffered writing to a descriptor; what is large is written from where it lies.
 *
 * After a signal asked to end, nothing is written that could block for longer than half a second.
 *
 * concurrency   one thread
 * killed        what is buffered is lost
 */
#ifndef SHMBUS_TOOLS_OUTPUT_H
#define SHMBUS_TOOLS_OUTPUT_H

#include <stddef.h>
#include <sys/uio.h>

#define OUTPUT_PARTS_MAX 4 /* of one put */

struct output {
    int fd;
    const char *name; /* for messages; set to "standard output" by output_begin() */
    char *buffer;
    size_t used;
    size_t capacity;
};

void output_begin(struct output *output, int fd);
void output_free(struct output *output);

/*
 * Writes `count` parts, now or with the next flush. Both return 0 or a negative errno: -EPIPE when nobody
 * reads any more, -ETIMEDOUT when a signal asked to end and nobody took the rest in that time.
 */
int output_put(struct output *output, const struct iovec *parts, int count);
int output_flush(struct output *output);

/* Columns of the terminal that standard output is; `otherwise` when it is none. */
int output_width(int otherwise);

/* Nobody reads any more: the end, but no failure. */
#define OUTPUT_ENDED (-1)

/* What follows from `err` of the two above: EXIT_OK, OUTPUT_ENDED, or an exit code whose reason has been said. */
int output_check(const struct output *output, int err);

/* Whether whoever read the descriptor is known to be gone. */
int output_abandoned(const struct output *output);

#endif
