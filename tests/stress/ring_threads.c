/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring's own threads test: threads of one process share one bus, so that ThreadSanitizer sees both sides
 * of each access. Every kind of channel; publishers and readers stay, or come and go. On overwrite channels
 * messages are sent by copying only: writing in place races with readers, by design.
 */
#define _GNU_SOURCE
#include "message.h"
#include "random.h"

#include <shmbus/shmbus.h>

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SECONDS_DEFAULT 5
#define ROUND_SECONDS 90
#define PUBLISHERS 3u
#define SHARED_MEMBERS 3u
#define JOINERS 2u
#define GROUPS 2u /* that see all: 0 exclusive, 1 shared */
#define LARGEST 600u
#define CLOSINGS 20u
#define THREADS (PUBLISHERS + 1 + SHARED_MEMBERS + JOINERS)

struct channel_kind {
    const char *name;
    enum shmbus_producers producers;
    enum shmbus_overflow overflow;
    uint32_t slots;
};

static const struct channel_kind kinds[] = {
    {"single-block", SHMBUS_SINGLE, SHMBUS_BLOCK, 64},
    {"multi-block", SHMBUS_MULTI, SHMBUS_BLOCK, 64},
    {"single-overwrite", SHMBUS_SINGLE, SHMBUS_OVERWRITE, 64},
    {"multi-overwrite", SHMBUS_MULTI, SHMBUS_OVERWRITE, 64},
    {"single-block-1", SHMBUS_SINGLE, SHMBUS_BLOCK, 1},
    {"multi-block-1", SHMBUS_MULTI, SHMBUS_BLOCK, 1},
    {"multi-overwrite-2", SHMBUS_MULTI, SHMBUS_OVERWRITE, 2},
};

/* A round: one channel. */
struct round {
    const struct channel_kind *kind;
    shmbus_bus *bus;
    uint64_t seed;
    uint32_t publishers;
    uint32_t messages; /* of each publisher */
    _Atomic uint32_t joined;
    _Atomic uint32_t done; /* publishers */
    _Atomic uint64_t seen_by[GROUPS];
    _Atomic uint8_t *seen[GROUPS]; /* of each message */
};

struct thread {
    struct round *round;
    uint32_t number; /* publisher, or member */
    struct random random;
};

static void fail(const struct round *round, const char *what, int64_t value)
{
    fprintf(stderr, "FAILED: %s: %s: %lld (%s)\n", round->kind->name, what, (long long)value,
            shmbus_strerror((int)value));
    exit(1);
}

static void expect(const struct round *round, bool condition, const char *what, int64_t value)
{
    if (!condition) {
        fail(round, what, value);
    }
}

static bool again(int64_t result)
{
    return result == -EAGAIN || result == -ETIMEDOUT;
}

static bool overwrites(const struct round *round)
{
    return round->kind->overflow == SHMBUS_OVERWRITE;
}

static uint64_t total(const struct round *round)
{
    return (uint64_t)round->publishers * round->messages;
}

/* --------------------------------------------------------------------------------------- publishing */

static shmbus_publisher *open_publisher(struct thread *self)
{
    const shmbus_publisher_options options = {.wait = (enum shmbus_wait)random_below(&self->random, 3)};
    shmbus_publisher *publisher;
    const int err = shmbus_publisher_open(self->round->bus, self->round->kind->name, &options, &publisher);
    expect(self->round, err == 0, "shmbus_publisher_open", err);
    return publisher;
}

static uint32_t send_copies(struct thread *self, shmbus_publisher *publisher, uint32_t number, uint32_t most)
{
    unsigned char bytes[8][LARGEST];
    struct iovec messages[8];
    const uint32_t wanted = (uint32_t)random_between(&self->random, 1, most < 8 ? most : 8);
    for (uint32_t i = 0; i < wanted; i++) {
        messages[i] = (struct iovec){bytes[i], random_between(&self->random, MESSAGE_NAMED, LARGEST)};
        (void)message_fill(bytes[i], messages[i].iov_len, self->round->seed,
                           (struct message_id){self->number, number + i});
    }
    int sent;
    do {
        const int64_t deadline = random_one_in(&self->random, 2) ? SHMBUS_FOREVER : SHMBUS_NOWAIT;
        sent = wanted > 1 ? shmbus_send_batch(publisher, messages, wanted, deadline)
                          : shmbus_send(publisher, messages[0].iov_base, messages[0].iov_len, deadline);
        sent = sent == 0 ? 1 : sent;
    } while (again(sent) && sched_yield() == 0);
    expect(self->round, sent > 0 && (uint32_t)sent <= wanted, "sending", sent);
    return (uint32_t)sent;
}

static uint32_t send_claim(struct thread *self, shmbus_publisher *publisher, uint32_t number)
{
    shmbus_claim_t claim = {.size = random_between(&self->random, MESSAGE_NAMED, LARGEST)};
    int err;
    while (again(err = shmbus_claim(publisher, &claim, SHMBUS_FOREVER))) {
    }
    expect(self->round, err == 0, "shmbus_claim", err);
    (void)message_fill(claim.data, claim.size, self->round->seed, (struct message_id){self->number, number});
    const bool gives_up = random_one_in(&self->random, 5);
    err = gives_up ? shmbus_abort(publisher, &claim) : shmbus_commit(publisher, &claim);
    expect(self->round, err == 0, "finishing a claim", err);
    return gives_up ? 0 : 1;
}

static void *publish(void *context)
{
    struct thread *self = context;
    struct round *round = self->round;
    while (atomic_load(&round->joined) < 1 + SHARED_MEMBERS) {
        (void)sched_yield();
    }
    shmbus_publisher *publisher = open_publisher(self);
    for (uint32_t number = 0; number < round->messages;) {
        if (random_one_in(&self->random, 50)) {
            expect(round, shmbus_publisher_close(publisher) == 0, "shmbus_publisher_close", 0);
            publisher = open_publisher(self);
        }
        if (overwrites(round) || random_one_in(&self->random, 2)) {
            number += send_copies(self, publisher, number, round->messages - number);
        } else {
            number += send_claim(self, publisher, number);
        }
    }
    expect(round, shmbus_publisher_close(publisher) == 0, "shmbus_publisher_close", 0);
    atomic_fetch_add(&round->done, 1);
    return NULL;
}

/* ------------------------------------------------------------------------------------------ reading */

struct reader {
    struct thread *thread;
    shmbus_subscriber *subscriber;
    int group; /* -1: it joins and leaves, and sees what it sees */
    bool any;
    uint64_t next_sequence;
    uint64_t next[PUBLISHERS]; /* number behind the last one of each publisher */
};

static void check(struct reader *reader, const shmbus_message *message)
{
    struct round *round = reader->thread->round;
    struct message_seen seen;
    char why[200];
    if (!message_read(message->data, message->size, round->seed, &seen, why, sizeof why)) {
        fprintf(stderr, "%s: message %" PRIu64 " is %s\n", round->kind->name, message->sequence, why);
        fail(round, "a torn message of bytes", (int64_t)message->size);
    }
    const struct message_id id = seen.id;
    expect(round, seen.named && id.publisher < round->publishers && id.number < round->messages,
           "a message that nobody sent", id.number);
    if (!(message->flags & SHMBUS_REDELIVERED)) {
        expect(round, id.number >= reader->next[id.publisher], "a message came late: number", id.number);
        expect(round, !reader->any || message->sequence >= reader->next_sequence, "a sequence came late",
               (int64_t)message->sequence);
        reader->next[id.publisher] = (uint64_t)id.number + 1;
    }
    if (overwrites(round) && reader->group != 1 && reader->any) {
        expect(round, message->sequence - reader->next_sequence == message->missed, "not missed, but skipped",
               (int64_t)(message->sequence - reader->next_sequence - message->missed));
    }
    if (reader->group >= 0) {
        _Atomic uint8_t *count =
            &round->seen[reader->group][(uint64_t)id.publisher * round->messages + id.number];
        expect(round, atomic_fetch_add(count, 1) == 0, "a message came twice: number", id.number);
        atomic_fetch_add(&round->seen_by[reader->group], 1);
    }
    reader->any = true;
    reader->next_sequence = message->sequence + 1;
}

static int on_message(void *context, const shmbus_message *message)
{
    check(context, message);
    return 0;
}

/* Reads one message or some; false: none was there. */
static bool read_some(struct reader *reader)
{
    struct thread *self = reader->thread;
    unsigned char buffer[LARGEST];
    shmbus_message message;
    int64_t result;
    const int64_t deadline = random_one_in(&self->random, 2) ? SHMBUS_NOWAIT : shmbus_deadline(5000000);
    switch (random_below(&self->random, 3)) {
    case 0:
        result = shmbus_recv(reader->subscriber, buffer, sizeof buffer, &message, deadline);
        if (result >= 0) {
            check(reader, &message);
        }
        break;
    case 1:
        result = shmbus_peek(reader->subscriber, &message, deadline);
        if (result == 0) {
            check(reader, &message);
            result = shmbus_release(reader->subscriber);
        }
        break;
    default:
        result = shmbus_poll(reader->subscriber, 20, deadline, on_message, reader);
    }
    expect(self->round, result >= 0 || again(result), "receiving", result);
    return result >= 0;
}

static void open_reader(struct reader *reader, enum shmbus_from from)
{
    struct thread *self = reader->thread;
    const shmbus_subscriber_options options = {
        .group = reader->group < 0    ? NULL
                 : reader->group == 0 ? "exclusive"
                                      : "shared",
        .shared = reader->group == 1,
        .from = from,
        .wait = (enum shmbus_wait)random_below(&self->random, 3),
    };
    const int err =
        shmbus_subscriber_open(self->round->bus, self->round->kind->name, &options, &reader->subscriber);
    expect(self->round, err == 0, "shmbus_subscriber_open", err);
    reader->any = false;
}

static void close_reader(struct reader *reader)
{
    const int err = shmbus_subscriber_close(reader->subscriber);
    expect(reader->thread->round, err == 0, "shmbus_subscriber_close", err);
}

/* Has the group got all that it can get? */
static bool is_over(const struct round *round, int group, bool was_done)
{
    return overwrites(round) ? was_done : atomic_load(&round->seen_by[group]) == total(round);
}

/* Reads until all was read. Member 0 of the shared group stays; the others leave now and then. */
static void read_all(struct reader *reader)
{
    struct thread *self = reader->thread;
    struct round *round = self->round;
    open_reader(reader, SHMBUS_FROM_OLDEST);
    atomic_fetch_add(&round->joined, 1);
    for (;;) {
        const bool was_done = atomic_load(&round->done) == round->publishers;
        if (!read_some(reader)) {
            if (is_over(round, reader->group, was_done)) {
                break;
            }
            (void)sched_yield();
        } else if (reader->group == 1 && self->number > 0 && random_one_in(&self->random, 30)) {
            close_reader(reader);
            open_reader(reader, SHMBUS_FROM_NOW);
        }
    }
    close_reader(reader);
}

static void *read_exclusive(void *context)
{
    struct reader reader = {.thread = context, .group = 0};
    read_all(&reader);
    return NULL;
}

static void *read_shared(void *context)
{
    struct reader reader = {.thread = context, .group = 1};
    read_all(&reader);
    return NULL;
}

static void *join_and_leave(void *context)
{
    struct thread *self = context;
    struct round *round = self->round;
    while (atomic_load(&round->done) < round->publishers) {
        struct reader reader = {.thread = self, .group = -1};
        open_reader(&reader, random_one_in(&self->random, 2) ? SHMBUS_FROM_NOW : SHMBUS_FROM_OLDEST);
        for (uint64_t i = random_below(&self->random, 40); i > 0; i--) {
            if (!read_some(&reader)) {
                (void)sched_yield();
            }
        }
        close_reader(&reader);
    }
    return NULL;
}

/* A reader that looks and waits for ever: its handle is closed by the main thread meanwhile. */
static void *wait_for_ever(void *context)
{
    struct reader *reader = context;
    struct thread *self = reader->thread;
    shmbus_message message;
    uint64_t looks = random_below(&self->random, 1000);
    int err;
    do {
        err = shmbus_next(reader->subscriber, &message, looks-- > 0 ? SHMBUS_NOWAIT : SHMBUS_FOREVER);
    } while (err == -EAGAIN);
    expect(self->round, err == -ECANCELED || err == -EBADF, "a reader whose handle was closed", err);
    return NULL;
}

/* ------------------------------------------------------------------------------------------- rounds */

static void close_under_a_reader(struct round *round, unsigned time)
{
    struct thread self = {.round = round, .random = random_seeded(round->seed, 100 + time)};
    struct reader reader = {.thread = &self, .group = -1};
    pthread_t thread;
    open_reader(&reader, SHMBUS_FROM_NOW);
    const uint64_t looks = random_below(&self.random, 100);
    expect(round, pthread_create(&thread, NULL, wait_for_ever, &reader) == 0, "pthread_create", 0);
    for (uint64_t i = looks; i > 0; i--) {
        (void)sched_yield();
    }
    close_reader(&reader);
    (void)pthread_join(thread, NULL);
}

static void run_threads(struct round *round)
{
    struct thread selves[THREADS];
    pthread_t threads[THREADS];
    unsigned count = 0;
    const struct {
        void *(*body)(void *context);
        uint32_t count;
    } casts[] = {{read_exclusive, 1},
                 {read_shared, SHARED_MEMBERS},
                 {join_and_leave, JOINERS},
                 {publish, round->publishers}};
    for (unsigned i = 0; i < sizeof casts / sizeof *casts; i++) {
        for (uint32_t n = 0; n < casts[i].count; n++, count++) {
            selves[count] =
                (struct thread){.round = round, .number = n, .random = random_seeded(round->seed, count)};
            const int err = pthread_create(&threads[count], NULL, casts[i].body, &selves[count]);
            expect(round, err == 0, "pthread_create", -err);
        }
    }
    while (count > 0) {
        (void)pthread_join(threads[--count], NULL);
    }
}

static void run_round(shmbus_bus *bus, const struct channel_kind *kind, uint64_t seed, uint32_t messages)
{
    struct round round = {.kind = kind, .bus = bus, .seed = seed, .messages = messages};
    round.publishers = kind->producers == SHMBUS_SINGLE ? 1 : PUBLISHERS;
    const shmbus_channel_options options = {
        .producers = kind->producers,
        .overflow = kind->overflow,
        .slots = kind->slots,
        .arena = 4096,
        .largest = LARGEST,
        .first_sequence = (UINT64_C(1) << 32) - 1 - random_mix(seed) % messages,
    };
    for (unsigned g = 0; g < GROUPS; g++) {
        round.seen[g] = calloc(total(&round), 1);
        expect(&round, round.seen[g] != NULL, "calloc", -ENOMEM);
    }
    int err = shmbus_channel_create(bus, kind->name, &options);
    expect(&round, err == 0, "shmbus_channel_create", err);
    run_threads(&round);
    for (unsigned i = 0; i < CLOSINGS; i++) {
        close_under_a_reader(&round, i);
    }
    err = shmbus_channel_remove(bus, kind->name);
    expect(&round, err == 0, "shmbus_channel_remove", err);
    printf("%-18s %" PRIu64 " messages, exclusive saw %" PRIu64 ", shared %" PRIu64 "\n", kind->name,
           total(&round), atomic_load(&round.seen_by[0]), atomic_load(&round.seen_by[1]));
    for (unsigned g = 0; g < GROUPS; g++) {
        free((void *)round.seen[g]);
    }
}

static void run_all(uint64_t seed, uint32_t messages, unsigned seconds)
{
    const int64_t end = shmbus_deadline((int64_t)seconds * 1000000000);
    char name[32];
    shmbus_bus *bus;
    (void)snprintf(name, sizeof name, "ring-threads-%d", (int)getpid());
    const int err = shmbus_open(name, NULL, &bus);
    if (err != 0) {
        fprintf(stderr, "shmbus_open: %s\n", shmbus_strerror(err));
        exit(1);
    }
    (void)shmbus_remove(name); /* nobody else needs it, and nothing stays behind */
    do {
        for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
            (void)alarm(ROUND_SECONDS);
            run_round(bus, &kinds[i], seed, kinds[i].slots == 1 ? messages / 20 + 1 : messages);
            seed = random_mix(seed + 1);
        }
    } while (shmbus_now() < end);
    (void)shmbus_close(bus);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seconds", required_argument, NULL, 's'},
                                            {"messages", required_argument, NULL, 'm'},
                                            {"seed", required_argument, NULL, 'S'},
                                            {NULL, 0, NULL, 0}};
    uint64_t seed = random_mix((uint64_t)time(NULL) ^ (uint64_t)getpid() << 32) >> 1;
    uint32_t messages = 4000;
    unsigned seconds = SECONDS_DEFAULT;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 's':
            seconds = (unsigned)strtoul(optarg, NULL, 0);
            break;
        case 'm':
            messages = (uint32_t)strtoul(optarg, NULL, 0);
            break;
        case 'S':
            seed = strtoull(optarg, NULL, 0);
            break;
        default:
            fputs("usage: ring_threads [--seconds=N] [--messages=N] [--seed=N]\n", stderr);
            return 2;
        }
    }
    printf("seed %" PRIu64 "\n", seed);
    (void)fflush(stdout);
    run_all(seed, messages == 0 ? 1 : messages, seconds);
    return 0;
}
