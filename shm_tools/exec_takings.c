/* SPDX-License-Identifier: Apache-2.0 */
#include "exec_takings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "report.h"

#define PEEKS_MAX 64u
#define FRAMES_AT_ONCE 256u
#define PARTS_MAX (3 * FRAMES_AT_ONCE)

void takings_begin(struct takings *takings, unsigned window)
{
    *takings = (struct takings){.window = window, .ring = need_memory(window * sizeof *takings->ring)};
}

void takings_free(struct takings *takings)
{
    free(takings->ring);
    free(takings->flat);
    takings->ring = NULL;
    takings->flat = NULL;
}

struct taking *takings_at(const struct takings *takings, unsigned at)
{
    return &takings->ring[(takings->first + at) % takings->window];
}

int takings_want(const struct takings *takings)
{
    return takings->subscriber && takings->count < takings->window && !takings->full;
}

static int take_some(struct takings *takings, unsigned most)
{
    shmbus_message messages[PEEKS_MAX];
    const unsigned room = takings->window - takings->count;
    most = most < room ? most : room;
    most = most < PEEKS_MAX ? most : PEEKS_MAX;
    const int got = shmbus_peek_batch(takings->subscriber, messages, most, SHMBUS_NOWAIT);
    for (int i = 0; i < got; i++) {
        *takings_at(takings, takings->count++) = (struct taking){.message = messages[i]};
    }
    return got;
}

int takings_more(struct takings *takings, unsigned most)
{
    unsigned all = 0;
    while (all < most && takings_want(takings) && !takings->dry) {
        const int got = take_some(takings, most - all);
        takings->dry = got == -EAGAIN;
        takings->full = got == -EBUSY;
        if (got < 0 && got != -EAGAIN && got != -EBUSY) {
            return got;
        }
        all += got > 0 ? (unsigned)got : 0;
    }
    return (int)all;
}

int takings_settle(struct takings *takings, unsigned count)
{
    const int err = shmbus_release_batch(takings->subscriber, count);
    takings->settled = count > 0 ? takings_at(takings, count - 1)->end : takings->settled;
    takings->first = (takings->first + count) % takings->window;
    takings->count -= count;
    takings->written -= count;
    takings->full = 0;
    return err;
}

/* ------------------------------------------------------------------------------------------ writing */

struct gathered {
    struct iovec parts[PARTS_MAX];
    char heads[FRAMES_AT_ONCE][FRAME_HEAD_MAX];
    unsigned count;
    unsigned frames;
};

static size_t frame_size(const struct taking *taking, enum framing framing)
{
    char head[FRAME_HEAD_MAX];
    const shmbus_message *message = &taking->message;
    return frame_head(framing, message->size, head) + message->size +
           (size_t)frame_has_tail(framing, message->data, message->size);
}

static void add_part(struct gathered *gathered, const void *data, size_t size, size_t *skip)
{
    const size_t skipped = *skip < size ? *skip : size;
    *skip -= skipped;
    if (size > skipped) {
        gathered->parts[gathered->count++] =
            (struct iovec){.iov_base = (void *)((const char *)data + skipped), .iov_len = size - skipped};
    }
}

static void gather_frame(struct gathered *gathered, const shmbus_message *message, const char *data,
                         enum framing framing, size_t skip)
{
    char *head = gathered->heads[gathered->frames++];
    add_part(gathered, head, frame_head(framing, message->size, head), &skip);
    add_part(gathered, data, message->size, &skip);
    add_part(gathered, "\n", (size_t)frame_has_tail(framing, data, message->size), &skip);
}

/* A copy with blanks for newlines, but for one at the very end. It stays until the next one is begun. */
static const char *flatten(struct takings *takings, const shmbus_message *message, size_t skip)
{
    if (skip == 0) {
        takings->flat = need_more_memory(takings->flat, message->size);
        memcpy(takings->flat, message->data, message->size);
        char *at = takings->flat;
        while ((at = memchr(at, '\n', message->size - 1 - (size_t)(at - takings->flat)))) {
            *at++ = ' ';
        }
    }
    return takings->flat;
}

/* May the one at `at` be written, as far as the others with the worker are concerned? */
static int may_write(const struct takings *takings, unsigned at)
{
    return at == 0 || (!takings_at(takings, at)->alone && !takings_at(takings, at - 1)->alone);
}

/* Those that are passed over are never written: they count as written when those before them are. */
static void skip_passed(struct takings *takings)
{
    while (takings->written < takings->count && takings->offset == 0 &&
           takings_at(takings, takings->written)->passing) {
        takings_at(takings, takings->written++)->end = takings->stream;
    }
}

/* There is one copy: what needs it is gathered alone. */
static void gather(struct takings *takings, enum framing framing, struct gathered *gathered)
{
    int flat = 0;
    gathered->count = gathered->frames = 0;
    for (unsigned at = takings->written; at < takings->count && gathered->frames < FRAMES_AT_ONCE && !flat;
         at++) {
        const struct taking *taking = takings_at(takings, at);
        const size_t skip = at == takings->written ? takings->offset : 0;
        if ((skip == 0 && !may_write(takings, at)) || (taking->flat && gathered->frames > 0)) {
            break;
        }
        if (!taking->passing) {
            const char *data = taking->flat ? flatten(takings, &taking->message, skip) : taking->message.data;
            gather_frame(gathered, &taking->message, data, framing, skip);
            flat = taking->flat;
        }
    }
}

static void advance(struct takings *takings, enum framing framing, size_t bytes)
{
    takings->stream += bytes;
    bytes += takings->offset;
    takings->offset = 0;
    for (; takings->written < takings->count; takings->written++) {
        struct taking *taking = takings_at(takings, takings->written);
        const size_t size = taking->passing ? 0 : frame_size(taking, framing);
        if (bytes < size || (bytes == 0 && size > 0)) {
            break;
        }
        bytes -= size;
        taking->end = takings->stream - bytes;
    }
    takings->offset = bytes;
}

int64_t takings_write(struct takings *takings, enum framing framing, int pipe)
{
    static struct gathered gathered;
    skip_passed(takings);
    gather(takings, framing, &gathered);
    if (gathered.count == 0) {
        return 0;
    }
    const ssize_t bytes = writev(pipe, gathered.parts, (int)gathered.count);
    if (bytes < 0) {
        return -errno;
    }
    advance(takings, framing, (size_t)bytes);
    return bytes;
}

int takings_unwritten(struct takings *takings)
{
    skip_passed(takings);
    return takings->written < takings->count && (takings->offset > 0 || may_write(takings, takings->written));
}

/* ------------------------------------------------------------------------------------- the worker's end */

/* Where the frame of the one at `at` began in the stream of bytes. */
static uint64_t start_of(const struct takings *takings, unsigned at)
{
    if (at == takings->written) {
        return takings->stream - takings->offset;
    }
    return at == 0 ? takings->settled : takings_at(takings, at - 1)->end;
}

unsigned takings_read(const struct takings *takings, uint64_t unread)
{
    unsigned count = 0;
    while (count < takings->written && takings_at(takings, count)->end + unread <= takings->stream) {
        count++;
    }
    return count;
}

unsigned takings_touched(const struct takings *takings, uint64_t unread)
{
    const unsigned begun = takings->written + (takings->offset > 0 ? 1 : 0);
    unsigned count = 0;
    while (count < begun && start_of(takings, count) + unread < takings->stream) {
        count++;
    }
    return count;
}

unsigned takings_trim(struct takings *takings)
{
    const unsigned begun = takings->written + (takings->offset > 0 ? 1 : 0);
    const unsigned trimmed = takings->count - begun;
    takings->count = begun;
    takings->full = trimmed > 0; /* what is behind is still held */
    return trimmed;
}

void takings_rewind(struct takings *takings)
{
    takings->written = 0;
    takings->offset = 0;
    takings->stream = 0;
    takings->settled = 0;
}

void takings_forget(struct takings *takings)
{
    takings_rewind(takings);
    takings->subscriber = NULL;
    takings->first = takings->count = 0;
    takings->dry = takings->full = 0;
}
