/* SPDX-License-Identifier: Apache-2.0 */
#include "notes.h"

#include <string.h>
#include <sys/mman.h>

typedef struct note_header {
    uint64_t sequence;
    uint64_t size;
} note_header;

int notes_open(notes *book, uint64_t count, uint64_t bytes)
{
    const size_t capacity = count * sizeof(note_header) + bytes;
    void *memory =
        mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return -1;
    *book = (notes){.bytes = memory, .capacity = capacity};
    return 0;
}

void notes_close(notes *book)
{
    if (book->bytes)
        munmap(book->bytes, book->capacity);
    *book = (notes){0};
}

int notes_add(notes *book, uint64_t sequence, const void *data, size_t size)
{
    const note_header header = {.sequence = sequence, .size = size};
    if (book->capacity - book->used < sizeof header + size)
        return -1;
    memcpy(book->bytes + book->used, &header, sizeof header);
    memcpy(book->bytes + book->used + sizeof header, data, size);
    book->used += sizeof header + size;
    return 0;
}

int notes_next(const notes *book, size_t *at, uint64_t *sequence, const void **data, size_t *size)
{
    note_header header;
    if (*at >= book->used)
        return 0;
    memcpy(&header, book->bytes + *at, sizeof header);
    *sequence = header.sequence;
    *data = book->bytes + *at + sizeof header;
    *size = header.size;
    *at += sizeof header + header.size;
    return 1;
}
