/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "image.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void path_of(const char *bus, char *path, size_t size)
{
    (void)snprintf(path, size, "/dev/shm/shmbus.%s", bus);
}

static void *allocate(void *old, size_t size)
{
    void *at = realloc(old, size > 0 ? size : 1);
    if (!at) {
        (void)fprintf(stderr, "no memory for %zu bytes\n", size);
        exit(1);
    }
    return at;
}

static uint64_t hash_of(const unsigned char *bytes, size_t size)
{
    uint64_t hash = size;
    for (size_t i = 0; i + 8 <= size; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, 8);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return hash;
}

static void unmap(struct watch *watch)
{
    if (watch->mapped) {
        (void)munmap((void *)watch->mapped, watch->mapped_size);
    }
    watch->mapped = NULL;
    watch->mapped_size = 0;
}

/* Maps the file as it is now. True when it is another one, or of another size. */
static bool follow(struct watch *watch)
{
    struct stat file = {.st_size = 0};
    const int fd = open(watch->path, O_RDONLY | O_CLOEXEC);
    const bool exists = fd >= 0 && fstat(fd, &file) == 0;
    const size_t size = (size_t)file.st_size;
    const bool same =
        exists == watch->seen.exists && size == watch->mapped_size && file.st_ino == watch->inode;
    if (!same) {
        unmap(watch);
        void *at = size > 0 ? mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
        watch->mapped = at == MAP_FAILED ? NULL : at;
        watch->mapped_size = watch->mapped ? size : 0;
        watch->inode = file.st_ino;
        watch->seen.exists = exists;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return !same;
}

static void keep(struct watch *watch)
{
    struct image *seen = &watch->seen;
    seen->size = watch->mapped_size;
    seen->bytes = allocate(seen->bytes, seen->size);
    if (watch->mapped) {
        memcpy(seen->bytes, watch->mapped, seen->size);
    }
    seen->facts = watch->story->facts;
}

void watch_open(struct watch *watch, const char *bus, const struct story *story)
{
    memset(watch, 0, sizeof *watch);
    path_of(bus, watch->path, sizeof watch->path);
    watch->story = story;
    (void)follow(watch);
    keep(watch);
}

void watch_close(struct watch *watch)
{
    unmap(watch);
    free(watch->seen.bytes);
}

bool watch_look(struct watch *watch, bool moved)
{
    const bool replaced = moved && follow(watch);
    const struct image *seen = &watch->seen;
    const bool same = !replaced &&
                      memcmp(&seen->facts, (const void *)&watch->story->facts, sizeof seen->facts) == 0 &&
                      (!watch->mapped || memcmp(seen->bytes, watch->mapped, seen->size) == 0);
    if (!same) {
        keep(watch);
    }
    return !same;
}

/* But for the last `tail` bytes. */
static bool equal_but(const struct image *a, const struct image *b, size_t tail)
{
    return a->exists == b->exists && a->size == b->size && a->size >= tail &&
           memcmp(&a->facts, &b->facts, sizeof a->facts) == 0 &&
           memcmp(a->bytes, b->bytes, a->size - tail) == 0;
}

bool images_repeat(const struct images *images, size_t index, size_t tail)
{
    for (size_t i = 0; i < index; i++) {
        if (equal_but(&images->all[i], &images->all[index], tail)) {
            return true;
        }
    }
    return false;
}

void images_add(struct images *images, const struct image *image)
{
    struct image copy = *image;
    copy.hash = hash_of(image->bytes, image->size);
    for (size_t i = 0; i < images->count; i++) {
        if (images->all[i].hash == copy.hash && equal_but(&images->all[i], &copy, 0)) {
            return;
        }
    }
    if (images->count == images->room) {
        images->room = images->room ? 2 * images->room : 64;
        images->all = allocate(images->all, images->room * sizeof *images->all);
    }
    copy.bytes = allocate(NULL, image->size);
    memcpy(copy.bytes, image->bytes, image->size);
    images->all[images->count++] = copy;
}

void images_free(struct images *images)
{
    for (size_t i = 0; i < images->count; i++) {
        free(images->all[i].bytes);
    }
    free(images->all);
    *images = (struct images){0};
}

bool image_restore(const struct image *image, const char *bus, struct story *story)
{
    image_remove(bus);
    story_reset(story);
    story->facts = image->facts;
    if (!image->exists) {
        return true;
    }
    char path[100];
    path_of(bus, path, sizeof path);
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return false;
    }
    const bool written = write(fd, image->bytes, image->size) == (ssize_t)image->size;
    return close(fd) == 0 && written;
}

void image_remove(const char *bus)
{
    char path[100];
    path_of(bus, path, sizeof path);
    (void)unlink(path);
}
