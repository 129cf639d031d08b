/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "worker.h"

#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEATH_POINTS 2000 /* unless the plan says otherwise */
#define LINGERS 100       /* and at one of so many points it dawdles */

void worker_fail(struct worker *worker, const char *format, ...)
{
    char text[800];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ledger_fail(worker->ledger, "%s (process %d, life %u): %s", worker->name, (int)getpid(), worker->life,
                text);
    _exit(1);
}

void worker_failed_call(struct worker *worker, const char *what, int64_t err)
{
    worker_fail(worker, "%s returned %lld: %s", what, (long long)err, shmbus_strerror((int)err));
}

void worker_open(struct worker *worker)
{
    const shmbus_bus_options options = {.open = SHMBUS_OPEN_EXISTING, .participant_name = worker->name};
    worker_does(worker, "attaching");
    const int err = shmbus_open(worker->bus_name, &options, &worker->bus);
    if (err != 0) {
        worker_failed_call(worker, "shmbus_open", err);
    }
}

void worker_close(struct worker *worker)
{
    worker_does(worker, "detaching");
    const int err = shmbus_close(worker->bus);
    if (err != 0) {
        worker_failed_call(worker, "shmbus_close", err);
    }
}

void worker_check(struct worker *worker)
{
    if (atomic_load(&worker->ledger->failed) != 0) {
        _exit(1);
    }
}

void worker_progress(struct worker *worker)
{
    if (worker->on_progress) {
        worker->on_progress(worker);
    }
}

void worker_ready(struct worker *worker)
{
    if (!worker->ready && worker->life == 0) {
        atomic_fetch_add(&worker->ledger->ready, 1);
    }
    worker->ready = true;
}

void worker_await(struct worker *worker, const _Atomic uint32_t *flag)
{
    worker_does(worker, "waiting for the others");
    while (atomic_load(flag) == 0) {
        worker_check(worker);
        (void)sched_yield();
    }
}

int64_t worker_deadline(struct worker *worker, bool forever)
{
    switch (random_below(&worker->random, forever ? 4 : 2)) {
    case 0:
        return SHMBUS_NOWAIT;
    case 1:
        return shmbus_deadline((int64_t)random_below(&worker->random, 20000000));
    default:
        return SHMBUS_FOREVER;
    }
}

void worker_may_die(struct worker *worker)
{
    const uint32_t points = worker->plan->death_points ? worker->plan->death_points : DEATH_POINTS;
    if (worker->mortal && atomic_load(&worker->ledger->stop) == 0 && random_one_in(&worker->random, points)) {
        (void)kill(getpid(), SIGKILL);
    }
}

void worker_linger(struct worker *worker)
{
    if (random_one_in(&worker->random, LINGERS)) {
        for (uint64_t i = random_below(&worker->random, 100); i > 0; i--) {
            (void)sched_yield();
        }
    }
}

enum shmbus_wait worker_wait(struct worker *worker)
{
    if (worker->plan->wait >= 0) {
        return (enum shmbus_wait)worker->plan->wait;
    }
    return (enum shmbus_wait)random_below(&worker->random, 3);
}
