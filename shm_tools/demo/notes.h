/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader's private copy of small messages, so that it can check them after the pass: hashing a line costs
 * many times what receiving it does. One thread; memory of the process: a kill frees it.
 */
#ifndef DEMO_NOTES_H
#define DEMO_NOTES_H

#include <stddef.h>
#include <stdint.h>

typedef struct notes {
    char *bytes;
    size_t used;
    size_t capacity;
} notes;

/* Room for `count` messages of `bytes` in all: address space, whose memory comes with use. 0, or -1. */
int notes_open(notes *book, uint64_t count, uint64_t bytes);
void notes_close(notes *book);

/* Returns 0, or -1 when there is no room: more came than was sent. */
int notes_add(notes *book, uint64_t sequence, const void *data, size_t size);

/* Takes the notes out, in the order they came. Returns 1, or 0 at the end; start with `*at` 0. */
int notes_next(const notes *book, size_t *at, uint64_t *sequence, const void **data, size_t *size);

#endif
