/* SPDX-License-Identifier: Apache-2.0 */
#include "vector.h"

#include <stdlib.h>
#include <string.h>

#include "report.h"

void *vector_add(struct vector *vector, size_t size)
{
    if (vector->count == vector->capacity) {
        vector->capacity = vector->capacity > 0 ? 2 * vector->capacity : 8;
        vector->items = need_more_memory(vector->items, vector->capacity * size);
    }
    return memset((char *)vector->items + size * vector->count++, 0, size);
}

void vector_free(struct vector *vector)
{
    free(vector->items);
    *vector = (struct vector){0};
}
