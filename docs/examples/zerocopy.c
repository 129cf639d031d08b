/* SPDX-License-Identifier: Apache-2.0 */
/* Zero copy: pictures are drawn in the bus itself, and looked at where they were drawn. */
#include "example.h"

#include <string.h>

#define FRAMES 19
#define WIDTH 640
#define HEIGHT 480

static const shmbus_channel_options frames = {
    .producers = SHMBUS_SINGLE,
    .slots = 16,
    .largest = WIDTH * HEIGHT,
    .arena = 4 << 20, /* a power of two with room for a few frames */
};

static void draw(unsigned char *pixels, int frame)
{
    for (int y = 0; y < HEIGHT; y++)
        memset(pixels + y * WIDTH, (y + frame) & 0xff, WIDTH);
}

static int well_drawn(const unsigned char *pixels, int frame)
{
    for (int i = 0; i < WIDTH * HEIGHT; i++)
        if (pixels[i] != ((i / WIDTH + frame) & 0xff))
            return 0;
    return 1;
}

static int camera(const char *bus_name, int number)
{
    (void)number;
    shmbus_bus *bus;
    shmbus_publisher *out;
    const shmbus_publisher_options options = {.channel = &frames};
    must(shmbus_open(bus_name, NULL, &bus));
    must(shmbus_publisher_open(bus, "frames", &options, &out));
    for (int frame = 0; frame < FRAMES; frame++) {
        shmbus_claim_t room = {.size = WIDTH * HEIGHT};
        must(shmbus_claim(out, &room, shmbus_deadline(10 * SECOND)));
        draw(room.data, frame);
        if (frame % 5 == 4) /* not good enough: readers never see it */
            must(shmbus_abort(out, &room));
        else
            must(shmbus_commit(out, &room));
    }
    must(shmbus_close(bus));
    return 0;
}

int main(void)
{
    const char *bus_name = example_bus_name("zerocopy");
    shmbus_bus *bus;
    shmbus_subscriber *in;
    shmbus_subscriber_stats stats;
    const shmbus_subscriber_options options = {.from = SHMBUS_FROM_OLDEST, .channel = &frames};
    must(shmbus_open(bus_name, NULL, &bus));
    must(shmbus_subscriber_open(bus, "frames", &options, &in));
    example_start(1, camera, bus_name); /* after the join: the ring holds fewer frames than are drawn */
    for (int frame = 0; frame < FRAMES; frame++) {
        if (frame % 5 == 4)
            continue;
        shmbus_message picture;
        must(shmbus_peek(in, &picture, shmbus_deadline(10 * SECOND)));
        expect(picture.size == WIDTH * HEIGHT, "a whole picture");
        expect(well_drawn(picture.data, frame), "the pictures come in order, complete");
        must(shmbus_release(in)); /* from here on the camera may draw there again */
    }
    must(shmbus_subscriber_stats_get(in, &stats));
    printf("%d pictures looked at in place, %d aborted\n", (int)stats.messages, (int)stats.aborted);
    example_finish(1);
    must(shmbus_close(bus));
    must(shmbus_remove(bus_name));
    return 0;
}
