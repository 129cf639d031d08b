/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The demo's input: real bytes, held in memory and cut into messages. Read-only once loaded, so any thread
 * may read it; load and free belong to one thread. A kill leaves nothing behind.
 */
#ifndef DEMO_INPUT_H
#define DEMO_INPUT_H

#include <stddef.h>
#include <stdint.h>

#define INPUT_LINES_MIN 50000

typedef struct demo_input {
    char *bytes;
    size_t size;
    size_t *start; /* message i is bytes[start[i]] up to bytes[start[i + 1]] */
    size_t count;
    size_t files;   /* how many were read */
    char path[256]; /* the file, or the folder */
} demo_input;

/*
 * Loads a text file of at least INPUT_LINES_MIN lines, one message per line, its line end included: `path`,
 * or when it is NULL the first such file of a list of files that come with Debian's build tools.
 * Returns 0, or prints what is wrong and returns -1.
 */
int input_load_lines(demo_input *input, const char *path);

/*
 * Loads `size` bytes, a multiple of `message`: the files below `folder` in sorted order, repeated when they
 * are fewer. Returns 0, or prints what is wrong and returns -1.
 */
int input_load_folder(demo_input *input, const char *folder, size_t size, size_t message);

void input_free(demo_input *input);

static inline const char *input_message(const demo_input *input, uint64_t index, size_t *size)
{
    size_t at = (size_t)(index % input->count);
    *size = input->start[at + 1] - input->start[at];
    return input->bytes + input->start[at];
}

#endif
