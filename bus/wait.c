/* SPDX-License-Identifier: Apache-2.0 */
#include "wait.h"

#include "os_clock.h"
#include "os_process.h"
#include "recovery.h"
#include "waiter.h"

#define STEP_FIRST_NS INT64_C(1000000)
#define STEP_HELD_UP_NS INT64_C(10000000)

#define ATTEMPTS_PER_CLOCK 4u
#define YIELD_CROWDED_NS INT64_C(2000) /* a yield that took longer let somebody else run */

struct progress {
    int64_t started;
    int64_t step; /* longest next sleep while held up */
};

static void look_after_the_dead(const struct wait_request *request, int64_t now)
{
    if (now - request->memory->looked >= LIVENESS_CHECK_NS && request->held_up(request->context)) {
        request->memory->looked = now;
        os_yield(); /* a spinner must not keep the dying from their CPU */
        (void)recovery_look(request->channel);
    }
}

/* What ends a wait whatever the ring says; looks after the dead now and then. */
static int check(const struct wait_request *request, int64_t now)
{
    if (load32_acquire(request->closing)) { /* [acq:closing] */
        return -ECANCELED;
    }
    if (channel_removed(request->channel)) {
        return -EIDRM;
    }
    look_after_the_dead(request, now);
    return now >= request->deadline ? -ETIMEDOUT : 0;
}

static bool may_spin(const struct wait_request *request, const struct progress *progress, int64_t now)
{
    switch (request->strategy) {
    case SHMBUS_WAIT_SPIN:
        return true;
    case SHMBUS_WAIT_BLOCK:
        return false;
    default:
        return now - progress->started < WAITER_SPIN_NS;
    }
}

/* Lets others run, and remembers whether there were any. The time afterwards. */
static int64_t yield(const struct wait_request *request, int64_t now)
{
    os_yield();
    const int64_t after = os_clock_monotonic();
    request->memory->crowded = after - now > YIELD_CROWDED_NS;
    return after;
}

/* Spins until ready (true) or until the strategy wants sleep (false); or `*err` is set. */
static bool spin(const struct wait_request *request, const struct progress *progress, int *err)
{
    const unsigned tight = request->memory->crowded ? 0 : WAITER_SPINS_TIGHT;
    for (unsigned look = 1;; look++) {
        const bool thorough = look % WAITER_LOOKS_PER_CLOCK == 0 && look > tight;
        if (request->ready(request->context, thorough)) {
            return true;
        }
        if (look % (request->memory->crowded ? WAITER_LOOKS_CROWDED : WAITER_LOOKS_PER_CLOCK) == 0) {
            int64_t now = os_clock_monotonic();
            if (look > tight) {
                now = yield(request, now);
            }
            *err = check(request, now);
            if (*err != 0 || !may_spin(request, progress, now)) {
                return false;
            }
        }
        if (look > tight) {
            cpu_relax();
        }
    }
}

/* One sleep; true when ready. */
static bool sleep_once(const struct wait_request *request, struct progress *progress, int *err)
{
    const struct waiter_ticket ticket = waiter_raise(request->wait);
    if (request->ready(request->context, true)) {
        return true;
    }
    *err = check(request, os_clock_monotonic());
    if (*err != 0) {
        return false;
    }
    int64_t most = SLEEP_MAX_NS;
    if (request->held_up(request->context)) {
        most = progress->step;
        progress->step = most * 2 < STEP_HELD_UP_NS ? most * 2 : STEP_HELD_UP_NS;
    }
    count_relaxed(request->sleeps, 1);
    waiter_sleep(request->wait, ticket, request->deadline, most);
    return false;
}

int wait_until_ready(const struct wait_request *request)
{
    const int64_t now = os_clock_monotonic();
    struct progress progress = {.started = now, .step = STEP_FIRST_NS};
    /* First of all: who is ready again and again, and then finds nothing, must come to an end too. */
    int err = check(request, now);
    if (err == 0 && request->strategy != SHMBUS_WAIT_BLOCK && spin(request, &progress, &err)) {
        return 0;
    }
    while (err == 0) {
        if (sleep_once(request, &progress, &err)) {
            return 0;
        }
    }
    return err;
}

void wait_not_at_all(const struct wait_request *request)
{
    if (++request->memory->attempts % ATTEMPTS_PER_CLOCK == 0) {
        look_after_the_dead(request, os_clock_monotonic());
    }
}
