/* SPDX-License-Identifier: Apache-2.0 */
#include "tapping.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "listing.h"
#include "report.h"

#define NANOSECONDS INT64_C(1000000000)
#define NAP_SHORTEST INT64_C(50000)
#define NAP_LONGEST INT64_C(1000000)
/* Messages of one channel before the next one has its turn. */
#define TURN 256
/* How often an idle channel's being there, and the clocks, are checked. */
#define CHECK_INTERVAL (NANOSECONDS / 20)
#define CLOCK_INTERVAL NANOSECONDS

/* ------------------------------------------------------------------------------------------ messages */

int64_t tapping_clock_offset(void)
{
    struct timespec real;
    (void)clock_gettime(CLOCK_REALTIME, &real);
    return real.tv_sec * NANOSECONDS + real.tv_nsec - shmbus_now();
}

struct message tapping_message(const struct message_channel *channel, const shmbus_sighting *sighting,
                               const void *buffer, size_t capacity, int64_t now, int64_t offset)
{
    return (struct message){
        .channel = channel,
        .sequence = sighting->sequence,
        .missed = sighting->missed,
        .original = sighting->size,
        .time_ns = (sighting->sent_ns > 0 ? sighting->sent_ns : now) + offset,
        .sent_ns = sighting->sent_ns,
        .publisher = sighting->publisher,
        .aborted = sighting->aborted,
        .data = buffer,
        .size = sighting->size < capacity ? (size_t)sighting->size : capacity,
    };
}

void tapping_describe(struct message_channel *about, const char *bus, const shmbus_channel_info *info,
                      uint64_t first)
{
    memcpy(about->bus, bus, sizeof about->bus);
    memcpy(about->name, info->name, sizeof about->name);
    about->shape = info->options;
    about->first = first;
}

/* ------------------------------------------------------------------------------------- finding them */

int tapping_find(shmbus_view *view, const struct looking *looking, const char *name,
                 shmbus_channel_info *info)
{
    const int result = listing_find_channel(view, name, info);
    if (result == -ENOENT) {
        return fail("there is no channel \"%s\" in %s: shmbus ls shows those there are", name,
                    looking_name(looking));
    }
    return result == 0 ? EXIT_OK : fail_call(result, "cannot look at channel \"%s\"", name);
}

static void need_capacity(struct tapping *tapping, uint64_t largest)
{
    const uint64_t wanted = largest < tapping->options.snap ? largest : tapping->options.snap;
    if (wanted > tapping->capacity) {
        free(tapping->buffer);
        tapping->buffer = need_memory((size_t)wanted);
        tapping->capacity = (size_t)wanted;
    }
}

static void take_channel(struct tapping *tapping, struct tapping_channel *channel,
                         const shmbus_channel_info *info, int from_oldest)
{
    channel->index = info->index;
    channel->generation = info->generation;
    channel->next = from_oldest ? info->oldest : info->published;
    channel->there = 1;
    channel->told = 0;
    tapping_describe(&channel->about, tapping->bus.name, info, channel->next);
    need_capacity(tapping, info->options.largest);
}

static int take_view(struct tapping *tapping, shmbus_view *view)
{
    tapping->view = view;
    const int err = shmbus_view_bus(view, &tapping->bus);
    return err == 0 ? EXIT_OK : fail_call(err, "cannot look at %s", looking_name(tapping->looking));
}

static int open_bus(struct tapping *tapping)
{
    shmbus_view *view = NULL;
    const int result = looking_open(tapping->looking, &view);
    return result == EXIT_OK ? take_view(tapping, view) : result;
}

static int find_all(struct tapping *tapping)
{
    shmbus_channel_info info;
    int result = open_bus(tapping);
    for (unsigned i = 0; i < tapping->count && result == EXIT_OK; i++) {
        struct tapping_channel *channel = &tapping->channels[i];
        result = tapping_find(tapping->view, tapping->looking, channel->wanted, &info);
        if (result == EXIT_OK) {
            take_channel(tapping, channel, &info, tapping->options.from_oldest);
        }
    }
    return result;
}

static void lose_channel(struct tapping_channel *channel)
{
    note("channel \"%s\" was removed", channel->wanted);
    channel->there = 0;
}

static void close_bus(struct tapping *tapping)
{
    for (unsigned i = 0; i < tapping->count; i++) {
        if (tapping->channels[i].there) {
            lose_channel(&tapping->channels[i]);
        }
    }
    shmbus_view_close(tapping->view);
    tapping->view = NULL;
}

/* Whether what the name stands for is what is looked at. */
static int is_same_bus(const struct tapping *tapping)
{
    shmbus_view *view = NULL;
    shmbus_bus_info info = {0};
    const int err = shmbus_view_open(tapping->bus.name, &view);
    const int same =
        err == 0 && shmbus_view_bus(view, &info) == 0 && info.created_ns == tapping->bus.created_ns;
    shmbus_view_close(view);
    return same || (err != 0 && err != -ENOENT);
}

/* It was removed; or it only seems so, because the segment was truncated. */
static int lose_or_fail(const struct tapping *tapping, struct tapping_channel *channel)
{
    shmbus_bus_info info;
    const int err = shmbus_view_bus(tapping->view, &info);
    if (err != 0) {
        return fail_call(err, "cannot look at channel \"%s\"", channel->wanted);
    }
    lose_channel(channel);
    return EXIT_OK;
}

static int check_channel(const struct tapping *tapping, struct tapping_channel *channel)
{
    shmbus_channel_info info;
    uint32_t cursor = channel->index;
    const int got = shmbus_view_channel(tapping->view, &cursor, &info);
    if (got < 0) {
        return fail_call(got, "cannot look at channel \"%s\"", channel->wanted);
    }
    if (got == 0 || info.index != channel->index || info.generation != channel->generation) {
        return lose_or_fail(tapping, channel);
    }
    return EXIT_OK;
}

/* Those that come back are followed from their first message that is still there. */
static int find_missing(struct tapping *tapping)
{
    for (unsigned i = 0; i < tapping->count; i++) {
        struct tapping_channel *channel = &tapping->channels[i];
        shmbus_channel_info info;
        const int err = channel->there ? 0 : listing_find_channel(tapping->view, channel->wanted, &info);
        if (err != 0 && err != -ENOENT) {
            return fail_call(err, "cannot look at channel \"%s\"", channel->wanted);
        }
        if (err == 0 && !channel->there) {
            take_channel(tapping, channel, &info, tapping->options.from_oldest || tapping->begun);
        }
    }
    return EXIT_OK;
}

/* Opens the bus that is waited for, if it is there. */
static int reopen_bus(struct tapping *tapping)
{
    shmbus_view *view = NULL;
    const int err = tapping->looking->file ? -ENOENT : shmbus_view_open(looking_bus(tapping->looking), &view);
    if (err != 0) {
        return err == -ENOENT ? EXIT_OK : fail_call(err, "cannot look at %s", looking_name(tapping->looking));
    }
    return take_view(tapping, view);
}

static int check_all(struct tapping *tapping)
{
    int result = EXIT_OK;
    if (tapping->view && !tapping->bus.copy && !is_same_bus(tapping)) {
        close_bus(tapping);
    }
    for (unsigned i = 0; i < tapping->count && result == EXIT_OK; i++) {
        struct tapping_channel *channel = &tapping->channels[i];
        result = channel->there ? check_channel(tapping, channel) : EXIT_OK;
    }
    if (result == EXIT_OK && tapping->options.wait && !tapping->view) {
        result = reopen_bus(tapping);
    }
    return result == EXIT_OK && tapping->options.wait && tapping->view ? find_missing(tapping) : result;
}

/* ------------------------------------------------------------------------------------------ following */

int tapping_begin(struct tapping *tapping, const struct looking *looking, const char *const *names,
                  unsigned count, const struct tapping_options *options)
{
    *tapping = (struct tapping){.looking = looking,
                                .options = *options,
                                .count = count,
                                .nap = NAP_SHORTEST,
                                .buffer = need_memory(1)};
    tapping->channels = need_memory(count * sizeof *tapping->channels);
    for (unsigned i = 0; i < count; i++) {
        tapping->channels[i] = (struct tapping_channel){.about.number = i, .wanted = names[i]};
    }
    const int result = options->wait && !looking->file ? check_all(tapping) : find_all(tapping);
    tapping->begun = 1;
    for (unsigned i = 0; i < count && result == EXIT_OK; i++) {
        if (!tapping->channels[i].there) {
            note("waits for channel \"%s\"", tapping->channels[i].wanted);
        }
    }
    return result;
}

void tapping_end(struct tapping *tapping)
{
    shmbus_view_close(tapping->view);
    free(tapping->channels);
    free(tapping->buffer);
}

static void count_sighting(struct tapping_channel *channel, const shmbus_sighting *sighting)
{
    channel->missed += sighting->missed;
    channel->aborted += sighting->aborted != 0;
    channel->seen += sighting->aborted == 0;
    channel->bytes += sighting->size;
}

static int64_t clock_offset(struct tapping *tapping, int64_t now)
{
    if (now - tapping->clock_checked >= CLOCK_INTERVAL || tapping->clock_checked == 0) {
        tapping->clock_offset = tapping_clock_offset();
        tapping->clock_checked = now;
    }
    return tapping->clock_offset;
}

/* 1 with a message, 0, or an exit code as a negative number. */
static int see(struct tapping *tapping, struct tapping_channel *channel, struct message *message)
{
    shmbus_sighting sighting;
    const int got = shmbus_view_message(tapping->view, channel->index, &channel->next, tapping->buffer,
                                        tapping->capacity, &sighting);
    if (got > 0 && sighting.generation != channel->generation) {
        lose_channel(channel); /* it was made anew meanwhile: that is another one */
        return 0;
    }
    if (got > 0) {
        const int64_t now = shmbus_now();
        count_sighting(channel, &sighting);
        *message = tapping_message(&channel->about, &sighting, tapping->buffer, tapping->capacity, now,
                                   clock_offset(tapping, now));
        return 1;
    }
    if (got == -ENOENT) {
        return -lose_or_fail(tapping, channel);
    }
    return got == 0 ? 0 : -fail_call(got, "cannot look at channel \"%s\"", channel->wanted);
}

static void next_turn(struct tapping *tapping)
{
    tapping->turn = (tapping->turn + 1) % tapping->count;
    tapping->in_turn = 0;
}

int tapping_next(struct tapping *tapping, enum tapping_event *event, struct message *message,
                 const struct tapping_channel **from)
{
    for (unsigned i = 0; i < tapping->count; i++, next_turn(tapping)) {
        struct tapping_channel *channel = &tapping->channels[tapping->turn];
        *from = channel;
        if (channel->there && !channel->told) {
            channel->told = 1;
            *event = TAPPING_FOUND;
            return EXIT_OK;
        }
        const int got = channel->there ? see(tapping, channel, message) : 0;
        if (got < 0) {
            return -got;
        }
        if (got > 0) {
            tapping->nap = NAP_SHORTEST;
            *event = TAPPING_MESSAGE;
            if (++tapping->in_turn == TURN) {
                next_turn(tapping);
            }
            return EXIT_OK;
        }
    }
    *event = TAPPING_NOTHING;
    return EXIT_OK;
}

int tapping_nap(struct tapping *tapping, int64_t deadline)
{
    const int64_t now = shmbus_now();
    const int64_t rest = deadline > now ? deadline - now : 0;
    const int64_t nap = rest < tapping->nap ? rest : tapping->nap;
    if (now - tapping->checked >= CHECK_INTERVAL) {
        tapping->checked = now;
        const int result = check_all(tapping);
        if (result != EXIT_OK) {
            return result;
        }
    }
    (void)nanosleep(&(struct timespec){.tv_nsec = nap}, NULL);
    tapping->nap = tapping->nap * 2 < NAP_LONGEST ? tapping->nap * 2 : NAP_LONGEST;
    return EXIT_OK;
}

int tapping_is_over(const struct tapping *tapping)
{
    unsigned there = 0;
    for (unsigned i = 0; i < tapping->count; i++) {
        there += tapping->channels[i].there != 0;
    }
    return tapping->bus.copy || (there == 0 && !tapping->options.wait);
}
