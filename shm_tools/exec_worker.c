/* SPDX-License-Identifier: Apache-2.0 */
#include "exec_worker.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "report.h"

/* A worker that owes all it may and does not move for so long may be one that does not answer. */
#define STALL INT64_C(10000000000)

/* What a worker has read shows only to those who look: soon after it was given something, then ever more rarely. */
#define LOOK_FIRST INT64_C(1000000)
#define LOOK_LAST INT64_C(250000000)

#define ERROR_LINE_MAX ((uint64_t)64 << 10)

/* ------------------------------------------------------------------------------- beginning and ending */

int worker_join(struct exec *exec, shmbus_subscriber **subscriber)
{
    const shmbus_channel_options usual = {0};
    const shmbus_subscriber_options options = {
        .group = exec->options->group,
        .shared = exec->shared,
        .durable = exec->options->durable,
        .from = exec->options->from == 1 ? SHMBUS_FROM_OLDEST : SHMBUS_FROM_NOW,
        .channel = &usual,
    };
    return shmbus_subscriber_open(exec->bus, exec->options->in, &options, subscriber);
}

int cannot_join(const struct exec *exec, int err)
{
    (void)fail_call(err, "cannot join group \"%s\" of channel \"%s\"", exec->options->group,
                    exec->options->in);
    if (err == -EBUSY) {
        note(
            "--group makes another one, which sees every message too; --shared on both sides shares them out");
    }
    return EXIT_FAILED;
}

int worker_begin(struct worker *worker, struct exec *exec, unsigned number)
{
    *worker = (struct worker){.exec = exec, .number = number, .state = WORKER_RESTING};
    worker->child = (struct child){.watch = -1, .in = -1, .out = -1, .err = -1, .left = -1};
    takings_begin(&worker->takings, exec->options->window);
    frames_begin(&worker->out, (enum framing)exec->options->frame, exec->out ? exec->out->largest : 0);
    frames_begin(&worker->err, FRAMING_LINES,
                 exec->err && exec->err->largest < ERROR_LINE_MAX ? exec->err->largest : ERROR_LINE_MAX);
    worker->err.split = 1;
    const int err = worker_join(exec, &worker->takings.subscriber);
    return err == 0 ? EXIT_OK : cannot_join(exec, err);
}

void worker_end(struct worker *worker)
{
    child_forget(&worker->child);
    takings_free(&worker->takings);
    frames_free(&worker->out);
    frames_free(&worker->err);
}

/* ----------------------------------------------------------------------------------------- process */

static int start_status(int err)
{
    return err == -ENOENT ? 127 : 126; /* as shells have it */
}

static void start(struct worker *worker)
{
    struct exec *exec = worker->exec;
    const char *const *command = exec->options->command;
    const int err =
        child_start(&worker->child, command, (exec->out ? CHILD_OUT : 0u) | (exec->err ? CHILD_ERR : 0u));
    if (err != 0) {
        (void)fail("cannot run \"%s\": %s", command[0], strerror(-err));
        exec->failed = start_status(err);
        worker->state = WORKER_ENDED;
        return;
    }
    worker->pid = worker->child.pid;
    worker->state = WORKER_RUNNING;
    worker->asked = ASKED_NOT;
    worker->dead = worker->broken = worker->complained = 0;
    worker->can_write = 1;
    worker->can_read = worker->can_read_err = 0;
    worker->progress = 0;
    worker->look_pause = worker->look_due = 0;
    worker->moved = exec->moved = exec->now;
}

void worker_ask(struct worker *worker)
{
    if (worker->state == WORKER_RESTING) {
        worker->state = WORKER_ENDED;
    }
    if ((worker->state == WORKER_RUNNING || worker->state == WORKER_GONE) && worker->asked == ASKED_NOT) {
        worker->exec->with_workers -= takings_trim(&worker->takings);
        worker->asked = ASKED_EOF;
        worker->due = shmbus_deadline(worker->exec->options->grace);
    }
}

/* It was asked to end, and has not. */
static void ask_firmly(struct worker *worker)
{
    const struct exec *exec = worker->exec;
    const int number = worker->asked == ASKED_EOF ? SIGTERM : SIGKILL;
    note("worker %u (pid %d) has not ended %.3g s after %s: it gets %s", worker->number, (int)worker->pid,
         (double)exec->options->grace / 1e9,
         worker->asked == ASKED_EOF ? "it was to have the end of its input" : "SIGTERM",
         number == SIGTERM ? "SIGTERM" : "SIGKILL");
    child_end_input(&worker->child);
    child_signal(&worker->child, number);
    worker->asked = number == SIGTERM ? ASKED_TERM : ASKED_KILL;
    worker->due = shmbus_deadline(exec->options->grace);
}

/* Its process has ended: what lies in its pipes is still to be had. */
static void reap(struct worker *worker)
{
    worker->status = child_reap(&worker->child);
    worker->state = WORKER_GONE;
    worker->can_read = worker->can_read_err = 1;
    if (!worker->exec->answers) {
        settle_read(worker);
    }
}

/* Is all sent that came through this pipe? A process that the worker left behind may hold it open for ever. */
static int is_drained(const struct frames *frames, const struct outlet *outlet, int pipe, int can_read)
{
    return !outlet || outlet->failed || (frames->first == frames->count && (pipe < 0 || !can_read));
}

static int is_silent(const struct worker *worker)
{
    const struct exec *exec = worker->exec;
    return is_drained(&worker->out, exec->out, worker->child.out, worker->can_read) &&
           is_drained(&worker->err, exec->err, worker->child.err, worker->can_read_err);
}

/* The last line of who ended well may lack its newline. */
static int has_last_line(const struct worker *worker)
{
    return worker->exec->out && worker->status == 0 && worker->out.framing == FRAMING_LINES &&
           frames_rest(&worker->out) > 0;
}

/* At the end nobody waits for room for ever: the messages are given to others, and answered again. */
static void give_up_gone(struct worker *worker)
{
    struct exec *exec = worker->exec;
    const unsigned left = worker->out.count - worker->out.first;
    exec->failed = fail(
        "output of worker %u (pid %d) could not be sent: there was no room for %.3g s, and %u frames and "
        "%zu bytes are dropped",
        worker->number, (int)worker->pid, (double)exec->options->grace / 1e9, left,
        worker->out.end - worker->out.start);
    bury(worker);
}

static void finish_gone(struct worker *worker)
{
    if (is_silent(worker)) {
        worker->err.ended = 1;
        move_errors(worker); /* a last line */
        if (has_last_line(worker)) {
            frames_take_rest(&worker->out);
            move_answers(worker);
        }
    }
    if (is_silent(worker)) {
        bury(worker);
    } else if (worker->exec->ending && worker->exec->now >= worker->due) {
        give_up_gone(worker);
    }
}

/* ------------------------------------------------------------------------------------------ waiting */

static int is_stalled(const struct worker *worker)
{
    const struct takings *takings = &worker->takings;
    return worker->exec->answers && !worker->complained && worker->state == WORKER_RUNNING &&
           !takings_want(takings) && takings->written > 0 && worker->out.first == worker->out.count;
}

static void complain(struct worker *worker)
{
    note(
        "worker %u (pid %d) owes %u answers, the most that --window allows, and nothing has moved for %.3g s: a "
        "program that does not answer each message with one frame needs --no-answers, one that keeps its output back "
        "must flush it (stdbuf -oL)",
        worker->number, (int)worker->pid, worker->takings.count, (double)STALL / 1e9);
    worker->complained = 1;
}

static int looks(const struct worker *worker)
{
    return !worker->exec->answers && worker->state == WORKER_RUNNING && worker->takings.written > 0;
}

static void look_later(struct worker *worker)
{
    const int64_t pause = worker->look_pause > 0 ? worker->look_pause * 2 : LOOK_FIRST;
    worker->look_pause = pause < LOOK_LAST ? pause : LOOK_LAST;
    worker->look_due = worker->exec->now + worker->look_pause;
}

/* Something follows if it has not ended by then. */
static int has_limit(const struct worker *worker)
{
    return (worker->state == WORKER_RUNNING && worker->asked != ASKED_NOT && worker->asked != ASKED_KILL) ||
           (worker->state == WORKER_GONE && worker->exec->ending);
}

int64_t worker_due(const struct worker *worker)
{
    int64_t due = worker->state == WORKER_RESTING || has_limit(worker) ? worker->due : SHMBUS_FOREVER;
    if (looks(worker) && worker->look_due < due) {
        due = worker->look_due;
    }
    if (is_stalled(worker) && worker->moved + STALL < due) {
        due = worker->moved + STALL;
    }
    return due;
}

static void keep_time(struct worker *worker)
{
    const int64_t now = worker->exec->now;
    if (worker->state == WORKER_RESTING && now >= worker->due) {
        start(worker);
    }
    if (worker->state == WORKER_RUNNING && has_limit(worker) && now >= worker->due) {
        ask_firmly(worker);
    }
    if (is_stalled(worker) && now - worker->moved >= STALL) {
        complain(worker);
    }
    if (looks(worker) && now >= worker->look_due) {
        look_later(worker);
    }
}

void worker_work(struct worker *worker)
{
    keep_time(worker);
    move_errors(worker);
    if (worker->exec->out) {
        move_answers(worker);
    }
    if (worker->state == WORKER_RUNNING) {
        move_in(worker);
    }
    if (worker->state == WORKER_RUNNING && worker->dead) {
        reap(worker);
    }
    if (worker->state == WORKER_GONE) {
        finish_gone(worker);
    }
    if (worker->state == WORKER_RESTING) {
        (void)settle_passed(worker); /* its last process crashed with it once too often */
    }
}

/* -------------------------------------------------------------------------------------------- polls */

/* It waits for messages that are not there. */
static int waits_for_messages(const struct worker *worker)
{
    return room_to_take(worker) > 0 && takings_want(&worker->takings);
}

/* It has frames to send, and there is room; or it may read, and has none. */
static int may_send(const struct frames *frames, const struct outlet *outlet, int pipe, int can_read)
{
    return outlet && !outlet->failed &&
           (frames->first < frames->count ? !outlet->full : pipe >= 0 && can_read);
}

static int is_blocked_by_dead_letter(struct worker *worker)
{
    return worker->takings.written > 0 && takings_at(&worker->takings, 0)->passing;
}

int worker_busy(struct worker *worker)
{
    const struct exec *exec = worker->exec;
    if (worker->state == WORKER_RESTING || worker->state == WORKER_ENDED) {
        return 0;
    }
    if (worker->state == WORKER_RUNNING &&
        ((waits_for_messages(worker) && !worker->takings.dry) ||
         (worker->can_write && worker->child.in >= 0 && takings_unwritten(&worker->takings)))) {
        return 1;
    }
    if (may_send(&worker->err, exec->err, worker->child.err, worker->can_read_err)) {
        return 1;
    }
    if (is_blocked_by_dead_letter(worker)) {
        return exec->dead_letter && !exec->dead_letter->full && !exec->dead_letter->failed;
    }
    return may_send(&worker->out, exec->out, worker->child.out, worker->can_read);
}

static void watch_messages(struct worker *worker)
{
    struct exec *exec = worker->exec;
    const int want = waits_for_messages(worker) && worker->takings.dry;
    int err = 0;
    if (want && !worker->watched) {
        err = shmbus_waitset_add_subscriber(exec->set, worker->takings.subscriber, worker);
    } else if (!want && worker->watched) {
        (void)shmbus_waitset_remove_subscriber(exec->set, worker->takings.subscriber);
    }
    worker->watched = want && err == 0;
    if (err != 0) {
        exec->failed = fail_call(err, "cannot wait for channel \"%s\"", exec->options->in);
    }
}

static struct pollfd poll_for(int fd, int want, short events)
{
    return (struct pollfd){.fd = want ? fd : -1, .events = events};
}

void worker_polls(struct worker *worker, struct pollfd polls[WORKER_POLLS])
{
    const int unwritten = worker->state == WORKER_RUNNING && takings_unwritten(&worker->takings);
    watch_messages(worker);
    polls[0] = poll_for(worker->child.in, unwritten && !worker->can_write, POLLOUT);
    polls[1] =
        poll_for(worker->child.out, !worker->can_read && worker->out.first == worker->out.count, POLLIN);
    polls[2] =
        poll_for(worker->child.err, !worker->can_read_err && worker->err.first == worker->err.count, POLLIN);
    polls[3] = poll_for(worker->child.watch, !worker->dead, POLLIN);
}

void worker_polled(struct worker *worker, const struct pollfd polls[WORKER_POLLS])
{
    worker->can_write |= polls[0].revents != 0;
    worker->can_read |= polls[1].revents != 0;
    worker->can_read_err |= polls[2].revents != 0;
    worker->dead |= polls[3].revents != 0;
}
