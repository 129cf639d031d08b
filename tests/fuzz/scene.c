/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "scene.h"

#include "verdict.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

shmbus_channel_options scene_shape(uint32_t shape)
{
    const bool single = shape & 1;
    return (shmbus_channel_options){
        .producers = single ? SHMBUS_SINGLE : SHMBUS_MULTI,
        .overflow = shape & 2 ? SHMBUS_OVERWRITE : SHMBUS_BLOCK,
        .slots = shape & 4 ? 2 : 16,
        .arena = ARENA_MIN,
        .largest = 1500,
        .publishers = single ? 1 : 3,
        .groups = 3,
        .members = 5,
    };
}

/* Where the bus `name` lies. */
struct path {
    char text[NAME_SIZE + 32];
};

static struct path path_of(const char *name)
{
    struct path path;
    (void)snprintf(path.text, sizeof path.text, "/dev/shm/shmbus.%s", name);
    return path;
}

/* Under another name first: whoever opens the bus finds it whole. */
static void create(struct scene *scene, const shmbus_channel_options *options)
{
    char name[NAME_SIZE + 4];
    (void)snprintf(name, sizeof name, "%s.new", scene->name);
    const shmbus_bus_options asked = {
        .open = SHMBUS_CREATE_NEW, .participants = SCENE_PARTICIPANTS, .channels = SCENE_CHANNELS};
    shmbus_bus *bus = NULL;
    int err = shmbus_open(name, &asked, &bus);
    err = err ? err : shmbus_channel_create(bus, SCENE_CHANNEL, options);
    if (err != 0) {
        fuzz_fail("cannot make bus \"%s\": %s", name, shmbus_strerror(err));
    }
    (void)shmbus_close(bus);
    if (rename(path_of(name).text, path_of(scene->name).text) != 0) {
        fuzz_fail("cannot rename bus \"%s\"", name);
    }
}

static void map(struct scene *scene)
{
    const struct path path = path_of(scene->name);
    struct stat status;
    const int fd = open(path.text, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0) {
        fuzz_fail("cannot open %s", path.text);
    }
    scene->size = (size_t)status.st_size;
    scene->map = mmap(NULL, scene->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (scene->map == MAP_FAILED) {
        fuzz_fail("cannot map %s", path.text);
    }
}

void scene_make(struct scene *scene, const char *name, uint32_t shape)
{
    const shmbus_channel_options options = scene_shape(shape);
    *scene = (struct scene){0};
    (void)snprintf(scene->name, sizeof scene->name, "%s", name);
    layout_bus(SCENE_PARTICIPANTS, SCENE_CHANNELS, &scene->bus);
    (void)layout_channel(&options, &scene->channel);
    create(scene, &options);
    map(scene);
}

void scene_end(struct scene *scene)
{
    (void)munmap(scene->map, scene->size);
    (void)shmbus_remove(scene->name);
}

/* By the file and not by the mapping: it may have been truncated. */
void scene_keep(const struct scene *scene, const char *folder)
{
    static unsigned count;
    char name[4096];
    (void)snprintf(name, sizeof name, "%s/%05u", folder, count++);
    const int from = open(path_of(scene->name).text, O_RDONLY | O_CLOEXEC);
    const int to = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ssize_t copied = -1;
    if (from >= 0 && to >= 0) {
        do {
            copied = sendfile(to, from, NULL, 1 << 20);
        } while (copied > 0);
    }
    if (copied < 0) {
        fuzz_fail("cannot copy bus \"%s\" to %s", scene->name, name);
    }
    (void)close(from);
    (void)close(to);
}

/* ------------------------------------------------------------------------------------------- places */

struct area {
    const char *name;
    size_t stride;
    uint64_t start; /* of the first one in the file */
    uint32_t count;
};

static struct area area_of(const struct scene *scene, enum scene_area area)
{
    const struct bus_geometry *bus = &scene->bus;
    const struct channel_geometry *channel = &scene->channel;
    const shmbus_channel_options *o = &channel->options;
    const uint64_t base = bus->header_size; /* the first channel lies right behind the header */
    switch (area) {
    case AREA_HEADER:
        return (struct area){"header", sizeof(struct shm_header), 0, 1};
    case AREA_PARTICIPANT:
        return (struct area){"participant", sizeof(struct shm_participant), bus->participants_offset,
                             bus->participants};
    case AREA_ENTRY:
        return (struct area){"entry", sizeof(struct shm_entry), bus->entries_offset, bus->channels};
    case AREA_CHANNEL:
        return (struct area){"channel", sizeof(struct shm_channel), base, 1};
    case AREA_PUBLISHER:
        return (struct area){"publisher", sizeof(struct shm_publisher), base + channel->publishers_offset,
                             o->publishers};
    case AREA_GROUP:
        return (struct area){"group", sizeof(struct shm_group), base + channel->groups_offset, o->groups};
    case AREA_MEMBER:
        return (struct area){"member", sizeof(struct shm_member), base + channel->members_offset, o->members};
    case AREA_SLOT:
        return (struct area){"slot", o->slot_size, base + channel->slots_offset, o->slots};
    default:
        return (struct area){"arena", LINE_SIZE, base + channel->arena_offset,
                             (uint32_t)(o->arena / LINE_SIZE)};
    }
}

const char *scene_area_name(enum scene_area area)
{
    return area_of(&(struct scene){0}, area).name;
}

uint32_t scene_count(const struct scene *scene, enum scene_area area)
{
    return area_of(scene, area).count;
}

size_t scene_stride(const struct scene *scene, enum scene_area area)
{
    return area_of(scene, area).stride;
}

unsigned char *scene_place(const struct scene *scene, enum scene_area area, uint32_t index)
{
    const struct area found = area_of(scene, area);
    return scene->map + found.start + index * found.stride;
}

/* ------------------------------------------------------------------------------------------- damage */

void scene_put64(unsigned char *place, uint64_t value)
{
    __atomic_store_n((uint64_t *)(void *)place, value, __ATOMIC_SEQ_CST);
}

void scene_put32(unsigned char *place, uint32_t value)
{
    __atomic_store_n((uint32_t *)(void *)place, value, __ATOMIC_SEQ_CST);
}

static uint64_t get64(const unsigned char *place)
{
    return __atomic_load_n((const uint64_t *)(const void *)place, __ATOMIC_SEQ_CST);
}

uint64_t scene_nonsense(uint32_t index)
{
    static const uint64_t values[SCENE_NONSENSES] = {
        0,
        1,
        2,
        3,
        16,
        4096,
        0x7fffffff,
        0x80000000,
        0xffffffff,
        UINT64_C(0x100000001),
        UINT64_C(0x7fffffff7fffffff),
        UINT64_C(0x8000000000000000),
        UINT64_C(0x8000000080000000),
        UINT64_C(0x0123456789abcdef),
        UINT64_C(0xfffffffffffff000),
        UINT64_MAX,
    };
    return values[index % SCENE_NONSENSES];
}

/* A word of the segment, aligned to `width`. */
static unsigned char *choose(const struct scene *scene, struct bytes *bytes, enum scene_area area,
                             size_t width)
{
    if (area == AREAS) {
        area = bytes_below(bytes, AREAS);
    }
    const uint32_t count = scene_count(scene, area);
    const size_t words = scene_stride(scene, area) / width;
    const uint32_t index = bytes_below(bytes, count < 256 ? count : 256);
    return scene_place(scene, area, index) + bytes_below(bytes, (uint32_t)words) * width;
}

void scene_damage(struct scene *scene, struct bytes *bytes, enum scene_area area)
{
    const uint32_t how = bytes_below(bytes, 8);
    unsigned char *place = choose(scene, bytes, area, how < 2 ? 4 : 8);
    const uint32_t shift = how & 1 ? 32 : 0;
    switch (how) {
    case 0:
        scene_put32(place, (uint32_t)scene_nonsense(bytes_below(bytes, SCENE_NONSENSES)));
        break;
    case 1:
        scene_put32(place, (uint32_t)bytes_take(bytes, 4));
        break;
    case 2:
    case 3: /* a step of the low half, or of the high one: near what is right */
        scene_put64(place, get64(place) + ((uint64_t)(int64_t)(int8_t)bytes_take(bytes, 1) << shift));
        break;
    case 4:
        scene_put64(place, scene_nonsense(bytes_below(bytes, SCENE_NONSENSES)));
        break;
    case 5:
        scene_put64(place, bytes_take(bytes, 8));
        break;
    case 6:
        scene_put64(place, get64(place) ^ UINT64_C(1) << bytes_below(bytes, 64));
        break;
    default:
        scene_put64(place, get64(choose(scene, bytes, AREAS, 8)));
    }
}
