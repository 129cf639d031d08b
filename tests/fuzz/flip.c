/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The byte-flipper: damages a live segment, word by word or at random, while processes use it. Whatever stands
 * there, their calls return: no crash, no hang, no access outside the mapping.
 */
#define _GNU_SOURCE
#include "cast.h"
#include "scene.h"
#include "verdict.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define VALUES 8          /* for each word, when all are walked */
#define INDICES 2         /* of each structure: the first ones are those in use */
#define RANDOM_DAMAGES 30 /* of one scene */

struct run {
    struct scene scene;
    char name[NAME_SIZE];
    struct bytes bytes;
    uint64_t seed;
    unsigned damaged;
    bool failed;
};

static bool goes_on(struct run *run, const char *what)
{
    run->damaged++;
    if (cast_goes_on() != 0) {
        (void)fprintf(stderr, "flip: when %s; --seed=%" PRIu64 "\n", what, run->seed);
        run->failed = true;
    }
    return !run->failed;
}

/* A bus that has seen some traffic. */
static bool begin(struct run *run, uint32_t shape)
{
    scene_make(&run->scene, run->name, shape);
    cast_reopen();
    for (unsigned i = 0; i < 2 && !run->failed; i++) {
        (void)goes_on(run, "nothing was damaged");
    }
    return !run->failed;
}

/* Value number `index` for the word at `place`: as a whole, or one half of it. */
static void put(struct run *run, unsigned char *place, unsigned index)
{
    const uint64_t nonsense = scene_nonsense(bytes_below(&run->bytes, SCENE_NONSENSES));
    const uint64_t random = bytes_take(&run->bytes, 8);
    const uint64_t now = *(volatile uint64_t *)(void *)place;
    switch (index) {
    case 0:
        scene_put64(place, UINT64_MAX);
        break;
    case 1:
        scene_put64(place, 0);
        break;
    case 2:
        scene_put64(place, random);
        break;
    case 3:
        scene_put64(place, now + (UINT64_C(1) << bytes_below(&run->bytes, 64)));
        break;
    case 4:
    case 5:
        scene_put32(place + 4 * (index & 1), (uint32_t)nonsense);
        break;
    default:
        scene_put32(place + 4 * (index & 1), (uint32_t)random);
    }
}

static void damage_word(struct run *run, uint32_t shape, enum scene_area area, uint32_t index, size_t at)
{
    char what[100];
    if (!begin(run, shape)) {
        return;
    }
    unsigned char *place = scene_place(&run->scene, area, index) + at;
    for (unsigned i = 0; i < VALUES && !run->failed; i++) {
        put(run, place, i);
        (void)snprintf(what, sizeof what, "word %zu of %s %u was damaged, shape %u, value %u", at,
                       scene_area_name(area), index, shape, i);
        (void)goes_on(run, what);
    }
    scene_end(&run->scene);
}

/* Each word of each structure. */
static void walk(struct run *run, uint32_t shape, enum scene_area area)
{
    const shmbus_channel_options options = scene_shape(shape);
    struct scene sizes = {0};
    layout_bus(SCENE_PARTICIPANTS, SCENE_CHANNELS, &sizes.bus);
    (void)layout_channel(&options, &sizes.channel);
    const uint32_t count = scene_count(&sizes, area) < INDICES ? scene_count(&sizes, area) : INDICES;
    for (uint32_t i = 0; i < count; i++) {
        for (size_t at = 0; at < scene_stride(&sizes, area) && !run->failed; at += 8) {
            damage_word(run, shape, area, i, at);
        }
    }
}

static void damage_at_random(struct run *run)
{
    const uint32_t shape = bytes_below(&run->bytes, SCENE_SHAPES);
    if (!begin(run, shape)) {
        return;
    }
    for (unsigned i = 0; i < RANDOM_DAMAGES && !run->failed; i++) {
        char what[60];
        scene_damage(&run->scene, &run->bytes, AREAS);
        (void)snprintf(what, sizeof what, "%u words were damaged at random, shape %u", i + 1, shape);
        (void)goes_on(run, what);
    }
    scene_end(&run->scene);
}

static void perform(struct run *run, int64_t seconds, uint32_t shape)
{
    cast_start(run->name, run->seed);
    for (enum scene_area area = 0; area < AREA_ARENA && shape < SCENE_SHAPES; area++) {
        walk(run, shape, area);
    }
    const int64_t end = shmbus_deadline(seconds * INT64_C(1000000000));
    while (!run->failed && shmbus_now() < end) {
        damage_at_random(run);
    }
    run->failed |= cast_end() != 0;
    (void)shmbus_remove(run->name);
}

static const char *const help =
    "usage: flip [--walk=SHAPE] [--random=SECONDS] [--seed=N]\n"
    "Damages a live bus: each word of it (SHAPE is 0 to 7), and then words at random.\n";

static uint64_t number(const char *text)
{
    char *end;
    const uint64_t value = strtoull(text, &end, 0);
    if (end == text || *end != 0) {
        (void)fprintf(stderr, "flip: %s is not a number\n%s", text, help);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"walk", required_argument, NULL, 'w'},
                                            {"random", required_argument, NULL, 'r'},
                                            {"seed", required_argument, NULL, 's'},
                                            {NULL, 0, NULL, 0}};
    struct run run = {.seed = random_mix((uint64_t)time(NULL) ^ (uint64_t)getpid() << 32) >> 1};
    uint32_t shape = SCENE_SHAPES;
    int64_t seconds = 0;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'w':
            shape = (uint32_t)number(optarg);
            break;
        case 'r':
            seconds = (int64_t)number(optarg);
            break;
        case 's':
            run.seed = number(optarg);
            break;
        default:
            (void)fputs(help, stderr);
            return 2;
        }
    }
    (void)snprintf(run.name, sizeof run.name, "flip.%d", getpid());
    run.bytes = bytes_random(run.seed, CAST_SIZE);
    (void)printf("seed %" PRIu64 "\n", run.seed);
    (void)fflush(stdout);
    perform(&run, seconds, shape);
    (void)printf("%u pieces of damage\n", run.damaged);
    return run.failed;
}
