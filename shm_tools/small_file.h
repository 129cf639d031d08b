/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of a few lines, as /proc and /sys have them.
 *
 * concurrency   any thread: no state
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_SMALL_FILE_H
#define SHMBUS_TOOLS_SMALL_FILE_H

#include <stddef.h>

/* Room for the files that are read here whole. */
#define SMALL_FILE 4096

/* Reads the file's first `size` - 1 bytes into `text`, and a 0. How many, or a negative errno. */
int small_file_read(const char *path, char *text, size_t size);

#endif
