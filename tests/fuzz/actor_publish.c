/* SPDX-License-Identifier: Apache-2.0 */
#include "actor_acts.h"

#include "verdict.h"

#include <string.h>

#define LARGEST 1500

static unsigned char payload[LARGEST + 1];

/* One of the actor's publishers, opened if need be; NULL when it cannot be. */
static struct actor_publisher *publisher_of(struct actor *actor)
{
    struct actor_publisher *publisher = &actor->publishers[bytes_below(actor->bytes, ACTOR_PUBLISHERS)];
    if (!publisher->handle) {
        const shmbus_publisher_options options = {.wait = bytes_below(actor->bytes, 3),
                                                  .channel = actor_shape(actor)};
        (void)actor_check(
            actor, shmbus_publisher_open(actor->bus, actor_channel(actor), &options, &publisher->handle));
    }
    return publisher->handle ? publisher : NULL;
}

/* Inline, in the arena, or too large. */
static size_t size_of(struct actor *actor)
{
    const uint32_t choice = bytes_below(actor->bytes, 256) | (actor->large ? 128 : 0);
    return choice < 100 ? choice : choice < 250 ? (choice - 99) * (LARGEST / 150) : LARGEST + (choice & 1);
}

void act_send(struct actor *actor)
{
    const struct actor_publisher *publisher = publisher_of(actor);
    if (publisher) {
        const size_t size = size_of(actor);
        (void)actor_check(actor, shmbus_send(publisher->handle, payload, size, actor_deadline(actor)));
    }
}

void act_send_batch(struct actor *actor)
{
    const struct actor_publisher *publisher = publisher_of(actor);
    if (!publisher) {
        return;
    }
    struct iovec messages[20];
    const unsigned count = 1 + bytes_below(actor->bytes, 20);
    for (unsigned i = 0; i < count; i++) {
        messages[i] = (struct iovec){.iov_base = payload, .iov_len = size_of(actor)};
    }
    const int sent = shmbus_send_batch(publisher->handle, messages, count, actor_deadline(actor));
    if (actor_check(actor, sent) > (int64_t)count) {
        fuzz_fail("send_batch: %d of %u messages", sent, count);
    }
}

/* What was claimed is ours to write. */
static void take_claims(struct actor_publisher *publisher, int64_t claimed)
{
    if (claimed <= 0) {
        return;
    }
    publisher->claimed = (unsigned)claimed;
    for (unsigned i = 0; i < publisher->claimed; i++) {
        memset(publisher->claims[i].data, 0xa5, publisher->claims[i].size);
    }
}

void act_claim(struct actor *actor)
{
    struct actor_publisher *publisher = publisher_of(actor);
    if (!publisher) {
        return;
    }
    shmbus_claim_t claim = {.size = size_of(actor)};
    if (actor_check(actor, shmbus_claim(publisher->handle, &claim, actor_deadline(actor))) == 0) {
        publisher->claims[0] = claim;
        take_claims(publisher, 1);
    }
}

void act_claim_batch(struct actor *actor)
{
    struct actor_publisher *publisher = publisher_of(actor);
    if (!publisher || publisher->claimed > 0) {
        return;
    }
    const unsigned count = 1 + bytes_below(actor->bytes, ACTOR_CLAIMS);
    for (unsigned i = 0; i < count; i++) {
        publisher->claims[i] = (shmbus_claim_t){.size = size_of(actor)};
    }
    const int claimed =
        shmbus_claim_batch(publisher->handle, publisher->claims, count, actor_deadline(actor));
    if (actor_check(actor, claimed) > (int64_t)count) {
        fuzz_fail("claim_batch: %d of %u claims", claimed, count);
    }
    take_claims(publisher, claimed);
}

void act_finish(struct actor *actor)
{
    struct actor_publisher *publisher = publisher_of(actor);
    if (!publisher || publisher->claimed == 0) {
        return;
    }
    const shmbus_claim_t claim = publisher->claims[--publisher->claimed];
    const bool commits = bytes_below(actor->bytes, 3) != 0;
    (void)actor_check(actor, commits ? shmbus_commit(publisher->handle, &claim)
                                     : shmbus_abort(publisher->handle, &claim));
}

void act_finish_batch(struct actor *actor)
{
    struct actor_publisher *publisher = publisher_of(actor);
    if (!publisher || publisher->claimed == 0) {
        return;
    }
    const bool commits = bytes_below(actor->bytes, 3) != 0;
    const unsigned count = publisher->claimed;
    publisher->claimed = 0;
    (void)actor_check(actor, commits ? shmbus_commit_batch(publisher->handle, publisher->claims, count)
                                     : shmbus_abort_batch(publisher->handle, publisher->claims, count));
}

void act_publisher_stats(struct actor *actor)
{
    const struct actor_publisher *publisher = publisher_of(actor);
    shmbus_publisher_stats stats;
    if (publisher) {
        (void)actor_check(actor, shmbus_publisher_stats_get(publisher->handle, &stats));
    }
}

void act_publisher_close(struct actor *actor)
{
    struct actor_publisher *publisher = &actor->publishers[bytes_below(actor->bytes, ACTOR_PUBLISHERS)];
    if (publisher->handle) {
        (void)actor_check(actor, shmbus_publisher_close(publisher->handle));
        *publisher = (struct actor_publisher){0};
    }
}
