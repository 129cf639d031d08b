/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small bus with one channel "c" of a known shape, also mapped behind the library's back: to damage any word
 * of it, and to put it back as it was when everybody who used it had died.
 *
 * concurrency   the words are damaged by one thread while anybody uses them; the rest: one thread
 * killed        the segment stays; scene_make() of the same name replaces it
 */
#ifndef SHMBUS_TESTS_FUZZ_SCENE_H
#define SHMBUS_TESTS_FUZZ_SCENE_H

#include "bytes.h"
#include "layout_check.h"

#define SCENE_PARTICIPANTS 4
#define SCENE_CHANNELS 4
#define SCENE_SHAPES 8
#define SCENE_CHANNEL "c"

/* What a segment is made of. */
enum scene_area {
    AREA_HEADER,
    AREA_PARTICIPANT,
    AREA_ENTRY,
    AREA_CHANNEL,
    AREA_PUBLISHER,
    AREA_GROUP,
    AREA_MEMBER,
    AREA_SLOT,
    AREA_ARENA,
    AREAS,
};

struct scene {
    char name[NAME_SIZE];
    unsigned char *map; /* of the whole file */
    size_t size;
    struct bus_geometry bus;
    struct channel_geometry channel;
};

/* The shape's options: producers, overflow and size of the ring take turns. */
shmbus_channel_options scene_shape(uint32_t shape);

/* A new bus with its channel; the caller has closed what it had of the one before. */
void scene_make(struct scene *scene, const char *name, uint32_t shape);

/* Removes it. */
void scene_end(struct scene *scene);

/* Copies the segment's file to a new one in `folder`. */
void scene_keep(const struct scene *scene, const char *folder);

const char *scene_area_name(enum scene_area area);

/* How many there are, and the bytes of one. */
uint32_t scene_count(const struct scene *scene, enum scene_area area);
size_t scene_stride(const struct scene *scene, enum scene_area area);

/* Where number `index` of the area starts. */
unsigned char *scene_place(const struct scene *scene, enum scene_area area, uint32_t index);

/* Damages one word of `area`, or of any (AREAS), that the bytes choose, as they choose. */
void scene_damage(struct scene *scene, struct bytes *bytes, enum scene_area area);

/* Puts `value` where `place` is: all 8 bytes, or the 4 bytes there. */
void scene_put64(unsigned char *place, uint64_t value);
void scene_put32(unsigned char *place, uint32_t value);

/* A number that is likely to be wrong in an interesting way. */
uint64_t scene_nonsense(uint32_t index);
#define SCENE_NONSENSES 16

#endif
