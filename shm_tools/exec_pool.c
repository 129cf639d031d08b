/* SPDX-License-Identifier: Apache-2.0 */
#include "exec_pool.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "exec_worker.h"
#include "report.h"
#include "signals.h"

#define EVENTS 64u
#define MS INT64_C(1000000)

struct pool {
    struct exec exec;
    struct worker *workers;
    unsigned count; /* that were begun */
    struct pollfd *polls;
    int late; /* --timeout came before --count messages */
};

/* ----------------------------------------------------------------------------------------- opening */

static int open_outlet(struct exec *exec, const char *channel, struct outlet **outlet)
{
    if (!channel) {
        return EXIT_OK;
    }
    for (unsigned i = 0; i < exec->outlet_count; i++) {
        if (strcmp(exec->outlets[i].channel, channel) == 0) {
            *outlet = &exec->outlets[i];
            return EXIT_OK;
        }
    }
    *outlet = &exec->outlets[exec->outlet_count++];
    return outlet_open(*outlet, exec->bus, exec->set, channel);
}

static int open_bus(struct exec *exec)
{
    const struct exec_options *options = exec->options;
    const shmbus_bus_options bus_options = {.participant_name = "shmbus exec",
                                            .any_owner = options->any_owner};
    int err = shmbus_open(options->bus, &bus_options, &exec->bus);
    if (err == 0) {
        err = shmbus_waitset_open(NULL, &exec->set);
    }
    if (err != 0) {
        return fail_call(err, "cannot open bus \"%s\"", options->bus);
    }
    int result = open_outlet(exec, options->out, &exec->out);
    if (result == EXIT_OK) {
        result = open_outlet(exec, options->err, &exec->err);
    }
    if (result == EXIT_OK) {
        result = open_outlet(exec, options->dead_letter, &exec->dead_letter);
    }
    return result;
}

static int begin(struct pool *pool)
{
    const unsigned workers = pool->exec.options->workers;
    int result = open_bus(&pool->exec);
    pool->workers = need_memory(workers * sizeof *pool->workers);
    pool->polls = need_memory((1 + workers * WORKER_POLLS) * sizeof *pool->polls);
    while (result == EXIT_OK && pool->count < workers) {
        struct worker *worker = &pool->workers[pool->count++];
        result = worker_begin(worker, &pool->exec, pool->count);
    }
    pool->exec.now = pool->exec.moved = shmbus_now();
    return result;
}

/* What the workers hold goes back with the bus. */
static void end(struct pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++) {
        worker_end(&pool->workers[i]);
    }
    if (pool->exec.set) {
        (void)shmbus_waitset_close(pool->exec.set);
    }
    if (pool->exec.bus) {
        (void)shmbus_close(pool->exec.bus);
    }
    crashes_free(&pool->exec.crashes);
    free(pool->workers);
    free(pool->polls);
}

/* ----------------------------------------------------------------------------------------- the loop */

static int has_ended(const struct pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++) {
        if (pool->workers[i].state != WORKER_ENDED) {
            return 0;
        }
    }
    return 1;
}

/* Is something under way? */
static int is_idle(const struct pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++) {
        const struct worker *worker = &pool->workers[i];
        if (worker->state == WORKER_RESTING || worker->state == WORKER_GONE ||
            worker->out.first < worker->out.count ||
            (worker->state == WORKER_RUNNING && !worker->takings.dry)) {
            return 0;
        }
    }
    return pool->exec.with_workers == 0;
}

static int64_t idle_until(const struct pool *pool)
{
    const int64_t timeout = pool->exec.options->timeout;
    return timeout >= 0 && is_idle(pool) ? pool->exec.moved + timeout : SHMBUS_FOREVER;
}

static int should_end(struct pool *pool)
{
    const struct exec *exec = &pool->exec;
    const uint64_t count = exec->options->count;
    if (signals_stop() || exec->failed || (count > 0 && exec->counts.done >= count)) {
        return 1;
    }
    pool->late = exec->now >= idle_until(pool);
    return pool->late;
}

/* Who found nothing before shall look again: nothing is lost between two that both say there is nothing. */
static void tell_of_messages(struct pool *pool)
{
    for (unsigned i = 0; i < pool->count && pool->exec.handed_over; i++) {
        pool->workers[i].takings.dry = 0;
    }
    pool->exec.handed_over = 0;
}

static void work(struct pool *pool)
{
    struct exec *exec = &pool->exec;
    exec->now = shmbus_now();
    for (unsigned i = 0; i < pool->count; i++) {
        worker_work(&pool->workers[i]);
    }
    tell_of_messages(pool);
    if (!exec->ending && should_end(pool)) {
        exec->ending = 1;
    }
    for (unsigned i = 0; i < pool->count && exec->ending; i++) {
        worker_ask(&pool->workers[i]);
        worker_work(&pool->workers[i]);
    }
}

static int is_busy(struct pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++) {
        if (worker_busy(&pool->workers[i])) {
            return 1;
        }
    }
    return 0;
}

/* For poll(): how long. */
static int wait_ms(struct pool *pool)
{
    int64_t due = pool->exec.ending ? SHMBUS_FOREVER : idle_until(pool);
    if (is_busy(pool)) {
        return 0;
    }
    for (unsigned i = 0; i < pool->count; i++) {
        const int64_t its = worker_due(&pool->workers[i]);
        due = its < due ? its : due;
    }
    if (due == SHMBUS_FOREVER) {
        return -1;
    }
    const int64_t rest = due - shmbus_now();
    return rest <= 0 ? 0 : (int)(rest / MS < 1000000 ? (rest + MS - 1) / MS : 1000000);
}

/* The set has nobody in it while there is nothing to wait for: then nobody empties its descriptor either. */
static int waits_for_bus(const struct pool *pool)
{
    int waits = 0;
    for (unsigned i = 0; i < pool->count; i++) {
        waits |= pool->workers[i].watched;
    }
    for (unsigned i = 0; i < pool->exec.outlet_count; i++) {
        waits |= pool->exec.outlets[i].full;
    }
    return waits;
}

/* Until -EAGAIN: then the descriptor is not readable any more, and somebody listens. */
static void ask_bus(struct exec *exec)
{
    shmbus_event events[EVENTS];
    const int count = shmbus_waitset_wait(exec->set, events, EVENTS, SHMBUS_NOWAIT);
    for (int i = 0; i < count; i++) {
        if (events[i].publisher) {
            outlet_ready(events[i].tag);
        } else {
            ((struct worker *)events[i].tag)->takings.dry = 0;
        }
    }
    if (count < 0 && count != -EAGAIN && count != -EINTR) {
        exec->failed = fail_call(count, "cannot wait for bus \"%s\"", exec->options->bus);
    }
}

static void wait_for_something(struct pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++) {
        worker_polls(&pool->workers[i], pool->polls + 1 + i * WORKER_POLLS);
    }
    const int fd = waits_for_bus(pool) ? shmbus_waitset_fd(pool->exec.set) : -1;
    pool->polls[0] = (struct pollfd){.fd = fd, .events = POLLIN};
    const int ready = poll(pool->polls, 1 + pool->count * WORKER_POLLS, wait_ms(pool));
    for (unsigned i = 0; i < pool->count && ready > 0; i++) {
        worker_polled(&pool->workers[i], pool->polls + 1 + i * WORKER_POLLS);
    }
    if (ready > 0 && pool->polls[0].revents != 0) {
        ask_bus(&pool->exec);
    }
}

/* ------------------------------------------------------------------------------------------ the end */

static void say_counts(const struct exec *exec)
{
    const struct exec_counts *counts = &exec->counts;
    if (counts->missed > 0) {
        note("missed %" PRIu64 " messages, which were overwritten before they were read", counts->missed);
    }
    if (counts->passed + counts->large > 0) {
        note("passed over %" PRIu64 " messages, and %" PRIu64 " frames that were too large to send",
             counts->passed, counts->large);
    }
    if (counts->dropped > 0) {
        note("dropped %" PRIu64 " bytes of frames that workers did not finish", counts->dropped);
    }
    if (!exec->options->verbose) {
        return;
    }
    note("done with %" PRIu64 " messages, %" PRIu64 " bytes; sent %" PRIu64 " answers, %" PRIu64
         " of them to nothing",
         counts->done, counts->bytes, counts->answers, counts->extra);
    note("gave %" PRIu64 " messages again; passed over %" PRIu64 "; started workers again %" PRIu64
         " times; sent %" PRIu64 " lines of standard error",
         counts->again, counts->passed, counts->restarts, counts->lines);
}

/* Of workers that ended by themselves: that of one that did not end well, if there is one. */
static int worst_status(const struct pool *pool)
{
    int worst = EXIT_OK;
    for (unsigned i = 0; i < pool->count; i++) {
        const struct worker *worker = &pool->workers[i];
        const int code = worker->broken ? EXIT_FAILED : child_status_code(worker->status);
        worst = code != EXIT_OK ? code : worst;
    }
    return worst;
}

/* Of those that were asked to end: had one to be made to? */
static int had_to_be_killed(const struct pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++) {
        if (pool->workers[i].asked > ASKED_EOF) {
            return 1;
        }
    }
    return 0;
}

static int exit_code(const struct pool *pool)
{
    const struct exec *exec = &pool->exec;
    if (exec->failed) {
        return exec->failed;
    }
    if (!exec->ending) {
        return worst_status(pool);
    }
    if (pool->late && exec->options->count > 0) {
        return fail("%" PRIu64 " of %" PRIu64 " messages came; then none for %.3f s", exec->counts.done,
                    exec->options->count, (double)exec->options->timeout / 1e9);
    }
    return had_to_be_killed(pool) ? EXIT_FAILED : EXIT_OK;
}

int pool_run(const struct exec_options *options)
{
    struct pool pool = {.exec = {
                            .options = options,
                            .shared = options->shared || options->workers > 1,
                            .answers = !options->no_answers,
                        }};
    int result = begin(&pool);
    if (result == EXIT_OK) {
        work(&pool);
        while (!has_ended(&pool)) {
            wait_for_something(&pool);
            work(&pool);
        }
        say_counts(&pool.exec);
        result = exit_code(&pool);
    }
    end(&pool);
    return result;
}
