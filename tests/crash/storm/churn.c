/* SPDX-License-Identifier: Apache-2.0 */
#include "field.h"

#include <errno.h>
#include <stdio.h>

#define MESSAGES 20
#define LARGEST 200
#define PUBLISHER 200u /* of messages: no worker of a crew has this number */
#define MOST_WAIT INT64_C(2000000)

static shmbus_channel_options options_of(uint32_t name)
{
    return (shmbus_channel_options){
        .producers = name & 1 ? SHMBUS_SINGLE : SHMBUS_MULTI,
        .overflow = name & 2 ? SHMBUS_OVERWRITE : SHMBUS_BLOCK,
        .slots = 16,
        .arena = 4096,
        .publishers = name & 1 ? 1 : FIELD_CHURNERS,
        .groups = FIELD_CHURNERS + 1,  /* and a durable one that nobody is in */
        .members = 4 * FIELD_CHURNERS, /* what a dead one held keeps its entry until it is taken over */
    };
}

/* What may happen to a channel that others create, use and remove at the same time. */
static bool expected(int64_t err)
{
    return err == -EAGAIN || err == -ETIMEDOUT || err == -EIDRM || err == -ENOENT;
}

static void require(struct worker *worker, const char *what, int64_t result)
{
    if (result < 0 && !expected(result)) {
        worker_failed_call(worker, what, result);
    }
}

static int64_t soon(struct worker *worker)
{
    return shmbus_deadline((int64_t)random_below(&worker->random, MOST_WAIT));
}

static void send(struct worker *worker, shmbus_publisher *publisher, uint32_t number)
{
    unsigned char message[LARGEST];
    const size_t size = random_between(&worker->random, MESSAGE_NAMED, LARGEST);
    const struct message_id id = {.publisher = PUBLISHER + worker->number, .number = number};
    (void)message_fill(message, size, worker->ledger->seed, id);
    worker_does(worker, "sending on a channel that comes and goes");
    require(worker, "shmbus_send", shmbus_send(publisher, message, size, soon(worker)));
}

static void receive(struct worker *worker, shmbus_subscriber *subscriber)
{
    unsigned char buffer[LARGEST];
    struct message_seen seen;
    char why[200];
    worker_does(worker, "receiving on a channel that comes and goes");
    const int64_t size = shmbus_recv(subscriber, buffer, sizeof buffer, NULL, soon(worker));
    require(worker, "shmbus_recv", size);
    if (size >= 0 && (!message_read(buffer, (size_t)size, worker->ledger->seed, &seen, why, sizeof why) ||
                      seen.id.publisher < PUBLISHER)) {
        worker_fail(worker, "a message of a channel that comes and goes is wrong: %s", why);
    }
}

static void use(struct worker *worker, shmbus_publisher *publisher, shmbus_subscriber *subscriber)
{
    for (uint32_t i = 0; i < MESSAGES; i++) {
        if (publisher && random_one_in(&worker->random, 2)) {
            send(worker, publisher, i);
        } else if (subscriber) {
            receive(worker, subscriber);
        }
    }
}

static shmbus_publisher *open_publisher(struct worker *worker, const char *name,
                                        const shmbus_channel_options *channel)
{
    const shmbus_publisher_options options = {.channel = channel, .wait = worker_wait(worker)};
    shmbus_publisher *publisher = NULL;
    worker_does(worker, "creating a channel");
    const int err = shmbus_publisher_open(worker->bus, name, &options, &publisher);
    if (err != -EBUSY || channel->producers != SHMBUS_SINGLE) {
        require(worker, "shmbus_publisher_open", err);
    }
    return err == 0 ? publisher : NULL;
}

/* A group of its own, or one of two that several may want to be in. */
static void choose_group(struct worker *worker, shmbus_subscriber_options *options)
{
    switch (random_below(&worker->random, 3)) {
    case 0:
        options->group = "shared";
        options->shared = 1;
        break;
    case 1:
        options->group = "durable";
        options->durable = 1;
        break;
    default:
        break;
    }
}

static shmbus_subscriber *open_subscriber(struct worker *worker, const char *name,
                                          const shmbus_channel_options *channel)
{
    shmbus_subscriber_options options = {
        .channel = channel, .wait = worker_wait(worker), .from = SHMBUS_FROM_OLDEST};
    shmbus_subscriber *subscriber = NULL;
    choose_group(worker, &options);
    worker_does(worker, "joining a channel that comes and goes");
    const int err = shmbus_subscriber_open(worker->bus, name, &options, &subscriber);
    if (err != -EBUSY || !options.durable) {
        require(worker, "shmbus_subscriber_open", err);
    }
    return err == 0 ? subscriber : NULL;
}

/* Takes away what is there, or repairs it. */
static void disturb(struct worker *worker, const char *name)
{
    int err;
    switch (random_below(&worker->random, 4)) {
    case 0:
        worker_does(worker, "removing a channel");
        require(worker, "shmbus_channel_remove", shmbus_channel_remove(worker->bus, name));
        break;
    case 1:
        worker_does(worker, "removing a group");
        err = shmbus_group_remove(worker->bus, name, "durable");
        require(worker, "shmbus_group_remove", err == -EBUSY ? 0 : err);
        break;
    case 2:
        worker_does(worker, "repairing");
        require(worker, "shmbus_recover", shmbus_recover(worker->bus));
        break;
    default:
        break;
    }
}

static void churn(struct worker *worker)
{
    const uint32_t number = (uint32_t)random_below(&worker->random, FIELD_CHURNED);
    const shmbus_channel_options channel = options_of(number);
    char name[32];
    (void)snprintf(name, sizeof name, "churned-%u", number);
    shmbus_publisher *publisher = open_publisher(worker, name, &channel);
    shmbus_subscriber *subscriber = open_subscriber(worker, name, &channel);
    use(worker, publisher, subscriber);
    disturb(worker, name);
    use(worker, publisher, subscriber);
    worker_does(worker, "closing what comes and goes");
    if (publisher) {
        require(worker, "shmbus_publisher_close", shmbus_publisher_close(publisher));
    }
    if (subscriber) {
        require(worker, "shmbus_subscriber_close", shmbus_subscriber_close(subscriber));
    }
}

void churn_work(struct worker *worker)
{
    worker_open(worker);
    worker_ready(worker);
    while (atomic_load(&worker->ledger->stop) == 0) {
        worker_check(worker);
        churn(worker);
    }
    atomic_fetch_add(&worker->ledger->stopped, 1);
    worker_await(worker, &worker->ledger->leave);
    worker_close(worker);
}
