/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of items of one size that grows, and keeps its memory when it is emptied by `count = 0`.
 *
 * concurrency   one thread
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_VECTOR_H
#define SHMBUS_TOOLS_VECTOR_H

#include <stddef.h>

struct vector {
    void *items;
    size_t count;
    size_t capacity;
};

/* Adds an item of `size` bytes, all 0. Valid until the next one is added. */
void *vector_add(struct vector *vector, size_t size);

void vector_free(struct vector *vector);

#endif
