/* SPDX-License-Identifier: Apache-2.0 */
#include "reader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "channels.h"
#include "notes.h"

typedef struct reader {
    control *shared;
    reader_slot *slot;
    int index;
    enum demo_group group;
    enum demo_check check;
    hasher hash;
    notes notes;
    shmbus_bus *bus;
    shmbus_subscriber *lines;
    shmbus_subscriber *blobs;
} reader;

static int fail(reader *self, const char *doing, const char *why)
{
    snprintf(self->slot->error, sizeof self->slot->error, "%s: %s", doing, why);
    return -1;
}

static int join(reader *self, const char *channel, shmbus_subscriber **subscriber)
{
    const shmbus_subscriber_options options = {
        .group = demo_group_name(self->group),
        .shared = self->group == GROUP_WORKERS,
        .channel = channel_shape(channel),
    };
    int err = shmbus_subscriber_open(self->bus, channel, &options, subscriber);
    return err ? fail(self, channel, shmbus_strerror(err)) : 0;
}

static int attach(reader *self)
{
    const shmbus_bus_options options = {.participant_name = demo_reader_name(self->index)};
    if (hasher_open(&self->hash))
        return fail(self, "SHA-256", "OpenSSL does not provide it");
    int err = shmbus_open(self->shared->bus, &options, &self->bus);
    if (err)
        return fail(self, "opening the bus", shmbus_strerror(err));
    if (join(self, CHANNEL_LINES, &self->lines) || join(self, CHANNEL_BLOBS, &self->blobs))
        return -1;
    control_step(self->shared, self->index);
    return 0;
}

/* A broadcast group gets every message, in order; workers share them out: each is ticked off. */
static void tick_off(reader *self, uint64_t sequence)
{
    reader_result *result = &self->slot->result;
    if (self->group != GROUP_WORKERS)
        result->disorder += sequence != result->messages;
    else if (sequence < self->shared->messages)
        __atomic_fetch_add(&self->shared->seen[sequence], 1, __ATOMIC_RELAXED);
    else
        result->unknown++;
}

/* The digest of a broadcast group is that of the whole input; a worker's does not depend on the order. */
static void digest_message(reader *self, uint64_t sequence, const void *data, size_t size)
{
    if (self->group == GROUP_WORKERS)
        hasher_mix(&self->hash, sequence, data, size, &self->slot->result.mixed);
    else
        hasher_add(&self->hash, data, size);
}

static int check_content(reader *self, uint64_t sequence, const void *data, size_t size)
{
    if (self->check == CHECK_SUM)
        self->slot->result.words += word_sum(data, size);
    else if (self->check == CHECK_HASH)
        digest_message(self, sequence, data, size);
    else if (notes_add(&self->notes, sequence, data, size))
        return fail(self, "a message", "there is no room to copy it: more came than was sent");
    return 0;
}

/* Returns 1 when the message was an end mark, 0 when it was not, -1 when it makes no sense. */
static int take(reader *self, const shmbus_message *message)
{
    reader_result *result = &self->slot->result;
    demo_header header;
    if (message->size < sizeof header)
        return fail(self, "a message", "it is shorter than its header");
    memcpy(&header, message->data, sizeof header);
    result->missed += message->missed;
    result->redelivered += message->flags & SHMBUS_REDELIVERED ? 1 : 0;
    if (header.sequence == DEMO_END) {
        result->ends++;
        return 1;
    }
    result->last = shmbus_now();
    histogram_add(&result->latency, result->last - header.sent);
    const char *data = (const char *)message->data + sizeof header;
    const size_t size = message->size - sizeof header;
    tick_off(self, header.sequence);
    result->messages++;
    result->bytes += size;
    return check_content(self, header.sequence, data, size);
}

/* Why the next message did not come. */
static int starved(reader *self, int err)
{
    char doing[64];
    snprintf(doing, sizeof doing, "after %llu messages", (unsigned long long)self->slot->result.messages);
    return fail(self, doing, shmbus_strerror(err));
}

/* Reads until the phase ends: a worker at its first end mark, the others at the last. */
static int receive(reader *self, shmbus_subscriber *subscriber)
{
    const uint64_t ends = self->group == GROUP_WORKERS ? 1 : DEMO_WORKERS;
    while (self->slot->result.ends < ends) {
        shmbus_message message;
        int err = shmbus_next(subscriber, &message, self->shared->readers_deadline);
        if (err < 0)
            return starved(self, err);
        if (take(self, &message) < 0)
            return -1;
    }
    int err = shmbus_release(subscriber);
    return err < 0 ? starved(self, err) : 0;
}

static int await_turn(reader *self)
{
    while (control_wait(&self->slot->go, self->shared->readers_deadline))
        if (errno != EINTR)
            return fail(self, "waiting for the next phase", strerror(errno));
    return 0;
}

/* Room for what this reader may get at most: everything. Freed with the notes of the phase before. */
static int open_notes(reader *self, const phase_plan *plan)
{
    notes_close(&self->notes);
    if (self->check != CHECK_LATER)
        return 0;
    const uint64_t laps = plan->messages / plan->input->count + 1;
    if (notes_open(&self->notes, plan->messages, laps * plan->input->size))
        return fail(self, "memory for a copy of what comes", strerror(errno));
    return 0;
}

static int finish_digest(reader *self)
{
    uint64_t sequence;
    const void *data;
    size_t size;
    for (size_t at = 0; self->check == CHECK_LATER && notes_next(&self->notes, &at, &sequence, &data, &size);)
        digest_message(self, sequence, data, size);
    if (self->group != GROUP_WORKERS)
        hasher_end(&self->hash, &self->slot->result.ordered);
    return self->hash.failed ? fail(self, "SHA-256", "OpenSSL failed") : 0;
}

static int take_turn(reader *self, const phase_plan *plan)
{
    self->check = plan->check;
    if (open_notes(self, plan) || await_turn(self))
        return -1;
    hasher_begin(&self->hash);
    if (receive(self, strcmp(plan->channel, CHANNEL_BLOBS) ? self->lines : self->blobs) ||
        finish_digest(self))
        return -1;
    control_step(self->shared, self->index);
    return 0;
}

int reader_run(control *shared, const phase_plan *plans, int index)
{
    reader self = {
        .shared = shared,
        .slot = &shared->readers[index],
        .index = index,
        .group = demo_group_of(index),
    };
    int result = attach(&self);
    for (int phase = 0; phase < DEMO_PHASES && !result; phase++)
        result = take_turn(&self, &plans[phase]);
    shmbus_close(self.bus);
    hasher_close(&self.hash);
    notes_close(&self.notes);
    return result ? 1 : 0;
}
