/* SPDX-License-Identifier: Apache-2.0 */
/* Publishers of the simulated world. */
#include "world.h"

#include "oracle.h"

#include <errno.h>
#include <sys/uio.h>

#define TRIES 40u /* of who finds no room, each of WAIT_NS */
#define WAIT_NS INT64_C(20000000)
#define OPEN_TRIES 20u
#define BATCH 4u

struct writer {
    struct actor *actor;
    shmbus_publisher *publisher;
    uint32_t number; /* the oracle's */
    uint32_t tries;  /* left */
};

static int64_t some_deadline(struct random *random)
{
    return random_one_in(random, 2) ? SHMBUS_NOWAIT : shmbus_deadline(WAIT_NS);
}

static bool is_full(int64_t result)
{
    return result == -EAGAIN || result == -ETIMEDOUT;
}

/* After a call that found no room: others first. */
static void was_full(struct writer *writer, int64_t result)
{
    if (!is_full(result)) {
        machine_violation("sending: %d", (int)result);
    }
    writer->tries--;
    if (result == -EAGAIN) {
        world_sleep(WAIT_NS / 10);
    }
}

static uint32_t send_one(struct writer *writer, size_t size, int64_t deadline)
{
    unsigned char bytes[WORLD_SIZE_MAX];
    const uint32_t message = oracle_writes(writer->number, size);
    oracle_fill(bytes, message);
    machine_call("send");
    const int err = shmbus_send(writer->publisher, bytes, size, deadline);
    if (err != 0) {
        oracle_failed(message);
        was_full(writer, err);
        return 0;
    }
    oracle_placed(message, adapter_last_sent(writer->publisher));
    oracle_sent(message);
    return 1;
}

static uint32_t send_batch(struct writer *writer, uint32_t most)
{
    unsigned char bytes[BATCH][WORLD_SIZE_MAX];
    struct iovec messages[BATCH];
    uint32_t numbers[BATCH];
    const uint32_t count = most < BATCH ? most : BATCH;
    for (uint32_t i = 0; i < count; i++) {
        messages[i] = (struct iovec){bytes[i], world_size(&writer->actor->random)};
        numbers[i] = oracle_writes(writer->number, messages[i].iov_len);
        oracle_fill(bytes[i], numbers[i]);
    }
    machine_call("send batch");
    const int sent =
        shmbus_send_batch(writer->publisher, messages, count, some_deadline(&writer->actor->random));
    for (uint32_t i = 0; i < count; i++) {
        if ((int)i < sent) {
            oracle_sent(numbers[i]);
        } else {
            oracle_failed(numbers[i]);
        }
    }
    if (sent < 0) {
        was_full(writer, sent);
    }
    return sent < 0 ? 0 : (uint32_t)sent;
}

static void finish(struct writer *writer, const shmbus_claim_t *claim, uint32_t message)
{
    if (random_one_in(&writer->actor->random, 5)) {
        machine_call("abort");
        oracle_failed(message);
        (void)shmbus_abort(writer->publisher, claim);
        return;
    }
    oracle_fill(claim->data, message);
    machine_call("commit");
    oracle_commits(message);
    (void)shmbus_commit(writer->publisher, claim);
    oracle_sent(message);
}

/* Claims some and ends them in any order. */
static uint32_t claim_some(struct writer *writer, uint32_t most)
{
    struct random *random = &writer->actor->random;
    shmbus_claim_t claims[BATCH];
    uint32_t numbers[BATCH];
    const uint32_t count = (uint32_t)random_between(random, 1, most < BATCH ? most : BATCH);
    for (uint32_t i = 0; i < count; i++) {
        claims[i] = (shmbus_claim_t){.size = world_size(random)};
    }
    machine_call("claim");
    const int64_t deadline = some_deadline(random);
    int claimed = 1;
    const int err = count > 1 ? (claimed = shmbus_claim_batch(writer->publisher, claims, count, deadline))
                              : shmbus_claim(writer->publisher, claims, deadline);
    if (err < 0) {
        was_full(writer, err);
        return 0;
    }
    for (int i = 0; i < claimed; i++) {
        numbers[i] = oracle_writes(writer->number, claims[i].size);
        oracle_claimed(numbers[i], claims[i].sequence);
    }
    if (random_one_in(random, 4)) {
        world_sleep((int64_t)random_below(random, 2 * WAIT_NS));
    }
    const uint32_t first = (uint32_t)random_below(random, (uint64_t)claimed);
    for (uint32_t i = 0; i < (uint32_t)claimed; i++) {
        const uint32_t next = (first + i) % (uint32_t)claimed;
        finish(writer, &claims[next], numbers[next]);
    }
    return (uint32_t)claimed;
}

static uint32_t publish_some(struct writer *writer, uint32_t most)
{
    struct random *random = &writer->actor->random;
    switch (random_below(random, 4)) {
    case 0:
        return claim_some(writer, most);
    case 1:
        return send_batch(writer, most);
    default:
        return send_one(writer, world_size(random), some_deadline(random));
    }
}

/* Becomes a publisher of the channel, once there is a place. */
static bool open_writer(struct writer *writer, struct actor *actor)
{
    static const shmbus_publisher_options options = {.wait = SHMBUS_WAIT_BLOCK};
    *writer = (struct writer){.actor = actor, .tries = TRIES, .number = machine_self()->index};
    for (uint32_t i = 0; i < OPEN_TRIES; i++) {
        machine_call("open publisher");
        const int err = shmbus_publisher_open(actor->bus, WORLD_CHANNEL, &options, &writer->publisher);
        if (err == 0) {
            return true;
        }
        if (err != -EBUSY && err != -EUSERS) {
            machine_violation("shmbus_publisher_open: %d", err);
        }
        world_sleep(WAIT_NS);
    }
    return false;
}

static void close_writer(struct writer *writer)
{
    machine_call("close publisher");
    (void)shmbus_publisher_close(writer->publisher);
}

void world_publish(struct actor *actor, uint32_t messages)
{
    struct writer writer;
    if (!open_writer(&writer, actor)) {
        return;
    }
    for (uint32_t sent = 0; sent < messages && writer.tries > 0;) {
        sent += publish_some(&writer, messages - sent);
    }
    close_writer(&writer);
}

uint32_t world_publish_at_once(struct actor *actor, uint32_t most, size_t size)
{
    struct writer writer;
    if (!open_writer(&writer, actor)) {
        machine_violation("no place for a publisher is left");
    }
    uint32_t sent = 0;
    while (sent < most && send_one(&writer, size, SHMBUS_NOWAIT) == 1) {
        sent++;
    }
    close_writer(&writer);
    return sent;
}
