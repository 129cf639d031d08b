/* SPDX-License-Identifier: Apache-2.0 */
/* inspect.h: messages, seen in passing. */
#include "error.h"
#include "inspect_view.h"
#include "ring_glance.h"

/* Who is overtaken leaves some room; who is overtaken again and again tries again in the next call. */
#define GLANCES_MAX 16u

/* Where to go on when message `sequence` is gone: further from being overtaken once that has happened again. */
static uint64_t resume_at(const struct ring *ring, uint64_t sequence, unsigned tries)
{
    position tail;
    const uint64_t next = glance_next(ring, sequence + 1);
    const uint64_t end = ring_tail(ring, &tail);
    const uint64_t margin = tries > 0 ? ring->slot_count / 4 : 0;
    return end - next > margin ? next + margin : end;
}

/* A sequence that is not the tail's yet was never written: what its slot says is of another lap. */
static bool is_ahead(const struct ring *ring, uint64_t sequence)
{
    position tail;
    return (int64_t)(sequence - ring_tail(ring, &tail)) >= 0;
}

int shmbus_view_message(shmbus_view *view, uint32_t index, uint64_t *sequence, void *buffer, size_t capacity,
                        shmbus_sighting *sighting)
{
    int err = view_check(view, sequence && sighting && (buffer || capacity == 0) ? sighting : NULL);
    const struct view_channel *channel = err == 0 ? view_channel(view, index, &err) : NULL;
    if (!channel) {
        return err;
    }
    const struct ring *ring = &channel->ring;
    uint64_t at = *sequence;
    struct glance glance = {0};
    err = -ESTALE;
    for (unsigned tries = 0; err == -ESTALE && tries < GLANCES_MAX; tries++) {
        err = glance_message(ring, at, buffer, capacity, &glance);
        if (err == -ESTALE) {
            at = resume_at(ring, at, tries);
        }
    }
    if (err == -EAGAIN || err == -ESTALE || is_ahead(ring, at)) {
        return 0;
    }
    const int gone = view_channel_stays(view, index);
    if (gone != 0) {
        return gone;
    }
    if (err != 0) {
        return error_set(err, "channel %u is damaged: message %llu does not fit it", index,
                         (unsigned long long)at);
    }
    *sighting = (shmbus_sighting){
        .sequence = at,
        .size = glance.size,
        .missed = at - *sequence,
        .sent_ns = (int64_t)glance.sent,
        .generation = channel->generation,
        .publisher = glance.publisher,
        .aborted = glance.aborted,
    };
    *sequence = at + 1;
    return 1;
}
