/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>

#include "exec_worker.h"
#include "report.h"

/* So often each move is tried before the others get their turn. */
#define ROUNDS 16u

static void mark_moved(struct worker *worker)
{
    worker->moved = worker->exec->moved = worker->exec->now;
}

/* ------------------------------------------------------------------------------- bus to standard input */

uint64_t room_to_take(const struct worker *worker)
{
    const struct exec *exec = worker->exec;
    const uint64_t count = exec->options->count;
    const uint64_t taken = exec->counts.done + exec->with_workers;
    if (exec->ending || worker->state != WORKER_RUNNING || worker->asked != ASKED_NOT ||
        worker->child.in < 0) {
        return 0;
    }
    return count == 0 ? UINT32_MAX : count > taken ? count - taken : 0;
}

/* Looks at the one that was just taken: will the worker be given it, and how? */
static void judge(struct worker *worker, unsigned at)
{
    struct exec *exec = worker->exec;
    struct taking *taking = takings_at(&worker->takings, at);
    const shmbus_message *message = &taking->message;
    const struct crash *crash = crashes_find(&exec->crashes, message->sequence);
    exec->counts.missed += message->missed;
    taking->alone = crash != NULL;
    if (crash && crash->guilty) {
        pass_over(worker, at, PASSING_CRASHED, crash->times);
    } else if (!frame_carries((enum framing)exec->options->frame, message->data, message->size)) {
        taking->flat = exec->options->newlines == NEWLINES_BLANK;
        if (!taking->flat) {
            pass_over(worker, at, PASSING_NEWLINE, 0);
        }
    }
}

static void take(struct worker *worker)
{
    struct exec *exec = worker->exec;
    struct takings *takings = &worker->takings;
    const uint64_t room = room_to_take(worker);
    const unsigned before = takings->count;
    if (room == 0 || !takings_want(takings) || takings->dry) {
        return;
    }
    const int got = takings_more(takings, room < UINT32_MAX ? (unsigned)room : UINT32_MAX);
    if (got < 0) {
        exec->failed = fail_call(got, "cannot receive from channel \"%s\"", exec->options->in);
    }
    exec->with_workers += takings->count - before;
    for (unsigned at = before; at < takings->count; at++) {
        judge(worker, at);
        mark_moved(worker);
    }
}

/* Without answers what it has read is done; else that comes with the answer. */
static void feed(struct worker *worker)
{
    while (worker->can_write && worker->child.in >= 0 && takings_unwritten(&worker->takings)) {
        const int64_t bytes =
            takings_write(&worker->takings, (enum framing)worker->exec->options->frame, worker->child.in);
        if (bytes == -EAGAIN) {
            worker->can_write = 0;
        } else if (bytes < 0 && bytes != -EINTR) {
            child_end_input(
                &worker->child); /* it reads no more: it is about to end, or answers what it has */
        } else if (bytes > 0) {
            mark_moved(worker);
            worker->look_pause = 0;
        }
    }
}

void move_in(struct worker *worker)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        const uint64_t stream = worker->takings.stream;
        take(worker);
        feed(worker);
        (void)settle_passed(worker);
        if (!worker->exec->answers && worker->takings.count > 0) {
            settle_read(worker);
        }
        if (worker->takings.stream == stream) {
            break;
        }
    }
    if (worker->asked == ASKED_EOF && worker->takings.offset == 0) {
        child_end_input(&worker->child);
    }
}

/* ------------------------------------------------------------------------------ standard output to bus */

/* Reads once. A short read has left nothing behind. Returns whether there may be something to cut. */
static int read_more(struct frames *frames, int *pipe, int *can_read)
{
    if (!*can_read || *pipe < 0) {
        return 0;
    }
    const int64_t got = frames_fill(frames, *pipe);
    if (got == -EAGAIN || got == -EINTR) {
        *can_read = got == -EINTR;
        return 0;
    }
    if (got <= 0) {
        frames->ended = 1;
        child_close(pipe);
        return 0;
    }
    *can_read = frames->filled;
    return 1;
}

/* How many of the oldest messages wait for nothing but their answers? */
static unsigned answerable(struct worker *worker)
{
    unsigned count = 0;
    while (count < worker->takings.written && !takings_at(&worker->takings, count)->passing) {
        count++;
    }
    return worker->exec->answers ? count : 0;
}

static void pass_large(struct worker *worker, const struct iovec *frame)
{
    struct exec *exec = worker->exec;
    exec->counts.large++;
    if (answerable(worker) > 0) {
        pass_over(worker, 0, PASSING_ANSWER, frame->iov_len);
    } else {
        note(
            "a frame of worker %u (pid %d) is passed over: it has %zu bytes; the largest message of channel \"%s\" is "
            "%" PRIu64 " bytes: create that channel with a larger --largest",
            worker->number, (int)worker->pid, frame->iov_len, exec->out->channel, exec->out->largest);
    }
    frames_use(&worker->out, 1);
}

/* Nobody takes what the worker writes any more: it shall know. */
static void give_up_sending(int sent, int *pipe)
{
    if (sent < 0) {
        child_close(pipe);
    }
}

/* Sends frames until one is too large, or there is no room. Returns whether any was used. */
static int send_answers(struct worker *worker)
{
    struct exec *exec = worker->exec;
    const struct iovec *found = worker->out.found + worker->out.first;
    const unsigned count = worker->out.count - worker->out.first;
    const unsigned owed = answerable(worker);
    const unsigned most = owed > 0 && owed < count ? owed : count;
    unsigned run = 0;
    while (run < most && found[run].iov_base) {
        run++;
    }
    if (run == 0) {
        pass_large(worker, found);
        return 1;
    }
    const int sent = outlet_send(exec->out, found, run);
    if (sent <= 0) {
        exec->failed = sent < 0 ? EXIT_FAILED : exec->failed;
        give_up_sending(sent, &worker->child.out);
        return 0;
    }
    exec->counts.answers += (unsigned)sent;
    frames_use(&worker->out, (unsigned)sent);
    mark_moved(worker);
    if (owed > 0) {
        settle(worker, (unsigned)sent);
    } else if (exec->answers) {
        exec->counts.extra += (unsigned)sent;
    }
    return 1;
}

/* What is no frame cannot be read on from: there is no telling where the next one begins. */
static void break_off(struct worker *worker)
{
    if (!worker->broken && worker->state == WORKER_RUNNING) {
        note("worker %u (pid %d) wrote what is no frame: %s", worker->number, (int)worker->pid,
             worker->out.broken);
        worker->broken = 1;
        worker->asked = ASKED_TERM;
        worker->due = shmbus_deadline(worker->exec->options->grace);
        child_end_input(&worker->child);
        child_signal(&worker->child, SIGTERM);
    }
    child_close(&worker->child.out);
}

void move_answers(struct worker *worker)
{
    for (unsigned round = 0; round < ROUNDS && settle_passed(worker); round++) {
        if (frames_cut(&worker->out) > 0) {
            if (!send_answers(worker)) {
                return;
            }
        } else if (worker->out.broken) {
            break_off(worker);
            return;
        } else if (!read_more(&worker->out, &worker->child.out, &worker->can_read)) {
            return;
        }
    }
}

/* ------------------------------------------------------------------------------- standard error to bus */

void move_errors(struct worker *worker)
{
    struct exec *exec = worker->exec;
    struct frames *frames = &worker->err;
    for (unsigned round = 0; round < ROUNDS && exec->err; round++) {
        const unsigned count = frames_cut(frames);
        if (count == 0 && frames->ended && frames_rest(frames) > 0) {
            frames_take_rest(frames);
        } else if (count == 0 && !read_more(frames, &worker->child.err, &worker->can_read_err)) {
            return;
        } else if (count > 0) {
            const int sent = outlet_send(exec->err, frames->found + frames->first, count);
            if (sent <= 0) {
                exec->failed = sent < 0 ? EXIT_FAILED : exec->failed;
                give_up_sending(sent, &worker->child.err);
                return;
            }
            exec->counts.lines += (unsigned)sent;
            frames_use(frames, (unsigned)sent);
        }
    }
}
