/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "exec_worker.h"
#include "report.h"

#define DELAY_MAX INT64_C(30000000000)

static int was_clean(const struct worker *worker)
{
    return WIFEXITED(worker->status) && WEXITSTATUS(worker->status) == 0 && !worker->broken;
}

/* ------------------------------------------------------------------------------------------- blame */

/* Counts its end against the oldest message that it had read, and suspects the others. */
static void blame(struct worker *worker, unsigned touched)
{
    struct exec *exec = worker->exec;
    for (unsigned at = 0; at < touched; at++) {
        struct taking *taking = takings_at(&worker->takings, at);
        if (taking->passing) {
            continue;
        }
        struct crash *crash = crashes_suspect(&exec->crashes, taking->message.sequence);
        taking->alone = 1;
        crash->times += at == 0;
        crash->guilty |= at == 0 && exec->options->attempts > 0 && crash->times >= exec->options->attempts;
    }
}

static void blame_for_end(struct worker *worker)
{
    const int64_t unread = child_unread(&worker->child);
    if (worker->asked == ASKED_NOT || worker->broken) {
        blame(worker, takings_touched(&worker->takings, unread < 0 ? 0 : (uint64_t)unread));
    }
}

/* ---------------------------------------------------------------------------------------- messages */

static const struct crash *guilt(const struct worker *worker, unsigned at)
{
    const struct taking *taking = takings_at(&worker->takings, at);
    const struct crash *crash = crashes_find(&worker->exec->crashes, taking->message.sequence);
    return crash && crash->guilty && !taking->passing ? crash : NULL;
}

/* Messages that it has not done, but for those that are passed over. */
static unsigned undone(const struct worker *worker)
{
    unsigned count = 0;
    for (unsigned at = 0; at < worker->takings.count; at++) {
        count += !takings_at(&worker->takings, at)->passing && !guilt(worker, at);
    }
    return count;
}

/* What is to be given again stays with this member, for its next process. */
static void keep_messages(struct worker *worker)
{
    takings_rewind(&worker->takings);
    for (unsigned at = 0; at < worker->takings.count; at++) {
        const struct crash *crash = guilt(worker, at);
        if (crash) {
            pass_over(worker, at, PASSING_CRASHED, crash->times);
        }
    }
}

/*
 * Closing the member gives them to the others. The new one comes first, for a group may vanish with its last member;
 * where the channel has no entry left for it, they stay with this one.
 */
static void hand_over(struct worker *worker, int again)
{
    struct exec *exec = worker->exec;
    shmbus_subscriber *next = NULL;
    if (again && worker_join(exec, &next) != 0) {
        keep_messages(worker);
        return;
    }
    (void)shmbus_subscriber_close(worker->takings.subscriber);
    exec->with_workers -= worker->takings.count;
    exec->handed_over = 1;
    takings_forget(&worker->takings);
    worker->takings.subscriber = next;
    worker->watched = 0;
}

static void give_again(struct worker *worker, int again)
{
    struct exec *exec = worker->exec;
    exec->counts.again += again || exec->shared ? undone(worker) : 0;
    if (exec->shared) {
        hand_over(worker, again);
    } else {
        keep_messages(worker);
    }
}

/* ------------------------------------------------------------------------------------------ itself */

/* Another process? Those that get nowhere are started again ever later, and so many of them at most. */
static int comes_again(struct worker *worker)
{
    const struct exec_options *options = worker->exec->options;
    if (worker->exec->ending || options->restart == RESTART_NEVER ||
        (options->restart == RESTART_ON_FAILURE && was_clean(worker))) {
        return 0;
    }
    return ++worker->failures <= options->restarts;
}

static int64_t restart_delay(const struct worker *worker)
{
    int64_t delay = worker->exec->options->restart_delay;
    if (was_clean(worker) && worker->progress > 0) {
        return 0;
    }
    for (unsigned i = 1; i < worker->failures && delay < DELAY_MAX; i++) {
        delay *= 2;
    }
    return delay < DELAY_MAX ? delay : DELAY_MAX;
}

/* ------------------------------------------------------------------------------------------ saying */

struct said {
    char text[512];
    size_t used;
};

static __attribute__((format(printf, 2, 3))) void say(struct said *said, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int more = vsnprintf(said->text + said->used, sizeof said->text - said->used, format, arguments);
    va_end(arguments);
    said->used += more > 0 ? (size_t)more : 0;
    said->used = said->used < sizeof said->text ? said->used : sizeof said->text - 1;
}

static void say_what_follows(const struct worker *worker, struct said *said, int again, int64_t delay)
{
    const struct exec *exec = worker->exec;
    const unsigned left = undone(worker);
    if (left > 0) {
        say(said,
            again || exec->shared ? "; %u messages are given again" : "; %u messages were not given back",
            left);
    }
    if (frames_rest(&worker->out) > 0) {
        say(said, "; the %zu bytes of a frame it did not finish are dropped", frames_rest(&worker->out));
    }
    if (again && delay > 0) {
        say(said, "; it is started again in %.3g s", (double)delay / 1e9);
    } else if (again) {
        say(said, "; it is started again");
    } else if (worker->failures > exec->options->restarts) {
        say(said,
            "; it is not started again: that was end %u in a row without progress, and --restarts allows %u",
            worker->failures, exec->options->restarts);
    }
}

static void say_end(const struct worker *worker, int again, int64_t delay)
{
    struct said said = {.used = 0};
    char status[128];
    if (was_clean(worker) && undone(worker) == 0 && !worker->exec->options->verbose) {
        return; /* as it should */
    }
    child_status_text(worker->status, status, sizeof status);
    say(&said, "worker %u (pid %d) %s", worker->number, (int)worker->pid, status);
    say_what_follows(worker, &said, again, delay);
    note("%s", said.text);
}

void bury(struct worker *worker)
{
    struct exec *exec = worker->exec;
    blame_for_end(worker);
    const int again = comes_again(worker);
    const int64_t delay = again ? restart_delay(worker) : 0;
    say_end(worker, again, delay);
    exec->counts.dropped += frames_rest(&worker->out);
    exec->counts.restarts += again ? 1 : 0;
    if (!exec->ending) {
        give_again(worker, again);
    }
    child_forget(&worker->child);
    frames_reset(&worker->out);
    frames_reset(&worker->err);
    worker->state = again ? WORKER_RESTING : WORKER_ENDED;
    worker->due = exec->now + delay;
    exec->moved = exec->now;
}
