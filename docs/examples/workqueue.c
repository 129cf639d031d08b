/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work queue: the members of one shared group share the messages out. Three workers square numbers; a second
 * channel, with many publishers, brings the results back.
 */
#include "example.h"

#define WORKERS 3
#define JOBS 300
#define STOP UINT64_MAX
#define READY 0 /* a worker says so when it has joined, and gets every job that is sent after */

static const shmbus_channel_options jobs = {.producers = SHMBUS_SINGLE};
static const shmbus_channel_options results = {.producers = SHMBUS_MULTI};

static int worker(const char *bus_name, int number)
{
    shmbus_bus *bus;
    shmbus_subscriber *in;
    shmbus_publisher *out;
    const shmbus_subscriber_options pool = {.group = "pool", .shared = 1, .channel = &jobs};
    const shmbus_publisher_options back = {.channel = &results};
    must(shmbus_open(bus_name, NULL, &bus));
    must(shmbus_publisher_open(bus, "results", &back, &out));
    must(shmbus_subscriber_open(bus, "jobs", &pool, &in));
    must(shmbus_send(out, &(uint64_t){READY}, sizeof(uint64_t), SHMBUS_FOREVER));

    int done = 0;
    for (uint64_t job;; done++) {
        must(shmbus_recv(in, &job, sizeof job, NULL, shmbus_deadline(10 * SECOND)));
        if (job == STOP)
            break;
        const uint64_t square = job * job;
        must(shmbus_send(out, &square, sizeof square, SHMBUS_FOREVER));
    }
    printf("worker %d: %d jobs\n", number, done);
    must(shmbus_close(bus));
    return 0;
}

int main(void)
{
    const char *bus_name = example_bus_name("workqueue");
    example_start(WORKERS, worker, bus_name);

    shmbus_bus *bus;
    shmbus_publisher *out;
    shmbus_subscriber *in;
    const shmbus_publisher_options to = {.channel = &jobs};
    const shmbus_subscriber_options from = {.from = SHMBUS_FROM_OLDEST, .channel = &results};
    must(shmbus_open(bus_name, NULL, &bus));
    must(shmbus_subscriber_open(bus, "results", &from, &in));
    must(shmbus_publisher_open(bus, "jobs", &to, &out));
    uint64_t sum = 0, square;
    for (int i = 0; i < WORKERS; i++) {
        must(shmbus_recv(in, &square, sizeof square, NULL, shmbus_deadline(10 * SECOND)));
        expect(square == READY, "no result before there is a job");
    }
    for (uint64_t job = 1; job <= JOBS; job++)
        must(shmbus_send(out, &job, sizeof job, SHMBUS_FOREVER));
    for (int i = 0; i < WORKERS; i++) /* each worker leaves at the first that it gets */
        must(shmbus_send(out, &(uint64_t){STOP}, sizeof(uint64_t), SHMBUS_FOREVER));

    for (int i = 0; i < JOBS; i++, sum += square)
        must(shmbus_recv(in, &square, sizeof square, NULL, shmbus_deadline(10 * SECOND)));
    expect(sum == (uint64_t)JOBS * (JOBS + 1) * (2 * JOBS + 1) / 6, "every number is squared once");
    expect(shmbus_recv(in, &square, sizeof square, NULL, SHMBUS_NOWAIT) < 0, "nothing comes twice");

    example_finish(WORKERS);
    must(shmbus_close(bus));
    must(shmbus_remove(bus_name));
    return 0;
}
