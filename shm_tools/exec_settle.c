/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "exec_worker.h"
#include "report.h"

#define PASSED_SAID 20u /* then they are only counted */

void settle(struct worker *worker, unsigned count)
{
    struct exec *exec = worker->exec;
    if (count == 0) {
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        const shmbus_message *message = &takings_at(&worker->takings, i)->message;
        exec->counts.bytes += message->size;
        crashes_remove(&exec->crashes, message->sequence);
    }
    exec->counts.done += count;
    exec->with_workers -= count;
    worker->progress += count;
    worker->failures = 0;
    worker->moved = exec->moved = exec->now;
    const int err = takings_settle(&worker->takings, count);
    if (err != 0 && !exec->failed) {
        exec->failed = fail_call(err, "cannot give messages of channel \"%s\" back", exec->options->in);
    }
}

static int send_dead_letter(struct exec *exec, const shmbus_message *message)
{
    const struct iovec letter = {.iov_base = (void *)message->data, .iov_len = message->size};
    if (message->size > exec->dead_letter->largest) {
        note("message %" PRIu64
             " (%zu bytes) is too large for the dead letters: the largest message of channel "
             "\"%s\" is %" PRIu64 " bytes",
             message->sequence, message->size, exec->dead_letter->channel, exec->dead_letter->largest);
        return 1;
    }
    const int sent = outlet_send(exec->dead_letter, &letter, 1);
    if (sent < 0) {
        exec->failed = EXIT_FAILED;
    }
    return sent > 0;
}

int settle_passed(struct worker *worker)
{
    struct exec *exec = worker->exec;
    struct takings *takings = &worker->takings;
    (void)takings_unwritten(takings); /* those that are next need not be written */
    while (takings->written > 0 && takings_at(takings, 0)->passing) {
        if (exec->dead_letter && !send_dead_letter(exec, &takings_at(takings, 0)->message)) {
            return 0;
        }
        exec->counts.passed++;
        settle(worker, 1);
    }
    return 1;
}

void settle_read(struct worker *worker)
{
    struct takings *takings = &worker->takings;
    const int64_t unread = child_unread(&worker->child);
    while (unread >= 0 && settle_passed(worker)) {
        const unsigned read = takings_read(takings, (uint64_t)unread);
        unsigned count = 0;
        while (count < read && !takings_at(takings, count)->passing) {
            count++;
        }
        if (count == 0) {
            return;
        }
        settle(worker, count);
    }
}

static void say_passed(const struct worker *worker, const shmbus_message *message, enum passing passing,
                       uint64_t size)
{
    const struct exec *exec = worker->exec;
    const char *in = exec->options->in;
    switch (passing) {
    case PASSING_CRASHED:
        note("message %" PRIu64
             " (%zu bytes) of channel \"%s\" is passed over: workers have ended with it %" PRIu64
             " times, the most that --attempts allows",
             message->sequence, message->size, in, size);
        break;
    case PASSING_NEWLINE:
        note(
            "message %" PRIu64
            " (%zu bytes) of channel \"%s\" is passed over: it contains a newline and would be "
            "several lines to the worker; --frame length and content-length can carry it, --newlines blank changes it",
            message->sequence, message->size, in);
        break;
    default:
        note("message %" PRIu64 " (%zu bytes) of channel \"%s\" is passed over: its answer has %" PRIu64
             " bytes; the largest message of channel \"%s\" is %" PRIu64
             " bytes: create that channel with a larger --largest",
             message->sequence, message->size, in, size, exec->out->channel, exec->out->largest);
    }
}

void pass_over(struct worker *worker, unsigned at, enum passing passing, uint64_t size)
{
    struct taking *taking = takings_at(&worker->takings, at);
    static unsigned said;
    taking->passing = passing;
    if (said++ < PASSED_SAID) {
        say_passed(worker, &taking->message, passing, size);
        if (said == PASSED_SAID) {
            note("further messages that are passed over are only counted");
        }
    }
}
