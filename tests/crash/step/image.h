/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of a bus's file, with the facts as they were: what a death at some instruction leaves behind. A copy that
 * is written to a file of its own is a bus whose participants are all dead, for nobody holds their locks.
 *
 * concurrency   one thread; the process that changes the file is stopped meanwhile
 * killed        leaves a file behind
 */
#ifndef SHMBUS_TESTS_CRASH_STEP_IMAGE_H
#define SHMBUS_TESTS_CRASH_STEP_IMAGE_H

#include "story.h"

#include <stddef.h>
#include <sys/types.h>

struct image {
    bool exists; /* else there was no such file */
    size_t size;
    uint64_t hash;
    unsigned char *bytes;
    struct story_facts facts;
};

/* Copies that differ from each other. */
struct images {
    struct image *all;
    size_t count;
    size_t room;
};

/* A bus's file, and how it looked at the last look. */
struct watch {
    char path[100];
    const struct story *story;
    struct image seen;
    const unsigned char *mapped;
    size_t mapped_size;
    ino_t inode;
};

void watch_open(struct watch *watch, const char *bus, const struct story *story);
void watch_close(struct watch *watch);

/* Has anything changed since the last look? `moved`: the file itself may have, by a system call. */
bool watch_look(struct watch *watch, bool moved);

/* Adds a copy, unless there is an equal one. */
void images_add(struct images *images, const struct image *image);

/* Is there one before `index` that differs at most in the last `tail` bytes of the file? */
bool images_repeat(const struct images *images, size_t index, size_t tail);

void images_free(struct images *images);

/* Makes `bus` the copy: its file, and the facts of the story. False when that cannot be written. */
bool image_restore(const struct image *image, const char *bus, struct story *story);

/* Removes the file of `bus`, if it is there. */
void image_remove(const char *bus);

#endif
