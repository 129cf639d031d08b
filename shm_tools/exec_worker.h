/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker of an `exec`: a member of the group, and a process after another that does its work.
 *
 *     RESTING --start--> RUNNING --its end--> GONE --its output is sent--> RESTING, or ENDED
 *
 * concurrency   one thread
 * killed        its process ends, and its messages go to the others of the group
 */
#ifndef SHMBUS_TOOLS_EXEC_WORKER_H
#define SHMBUS_TOOLS_EXEC_WORKER_H

#include <poll.h>

#include "exec.h"
#include "exec_child.h"
#include "exec_frames.h"
#include "exec_takings.h"

enum worker_state {
    WORKER_RESTING, /* is started at `due` */
    WORKER_RUNNING,
    WORKER_GONE, /* its output is not sent yet */
    WORKER_ENDED,
};

/* How it was asked to end. */
enum worker_asked {
    ASKED_NOT,
    ASKED_EOF, /* by the end of its input */
    ASKED_TERM,
    ASKED_KILL,
};

struct worker {
    struct exec *exec;
    unsigned number; /* from 1 */
    enum worker_state state;
    enum worker_asked asked;
    int64_t due; /* resting: when it is started; asked: when it is asked more firmly */
    struct child child;
    pid_t pid; /* also when it is gone */
    struct takings takings;
    struct frames out;
    struct frames err;
    int watched;   /* its subscriber is in the waitset */
    int dead;      /* `child.watch` says so */
    int broken;    /* it wrote what is no frame */
    int can_write; /* as far as we know */
    int can_read;
    int can_read_err;
    int status;         /* of its last process */
    unsigned failures;  /* ends in a row without progress */
    uint64_t progress;  /* messages done by this process */
    int64_t moved;      /* when something moved last */
    int complained;     /* that nothing moves */
    int64_t look_pause; /* until the next look at what it has read */
    int64_t look_due;
};

/* What poll() is told of a worker. */
#define WORKER_POLLS 4

/* EXIT_OK, or an exit code whose reason has been said; worker_end() is due in either case. */
int worker_begin(struct worker *worker, struct exec *exec, unsigned number);
void worker_end(struct worker *worker);

/* Does what can be done without waiting. */
void worker_work(struct worker *worker);

/* Ends its input, when what it has been given in part is whole; it has --grace to end, and again after SIGTERM. */
void worker_ask(struct worker *worker);

/* Is there something to do that need not be waited for? */
int worker_busy(struct worker *worker);

/* What it waits for. */
void worker_polls(struct worker *worker, struct pollfd polls[WORKER_POLLS]);
void worker_polled(struct worker *worker, const struct pollfd polls[WORKER_POLLS]);

/* When it wants to be called again, whatever comes. */
int64_t worker_due(const struct worker *worker);

/* ---------------------------------------------------------------------------- what it is made of */

/* exec_settle.c: messages that are done with. */

/* Those that are passed over and are the oldest. 0: one of them waits for room for dead letters. */
int settle_passed(struct worker *worker);

/* The oldest `count`, which are answered. */
void settle(struct worker *worker, unsigned count);

/* Those that the worker has read. */
void settle_read(struct worker *worker);

/* Marks the oldest but `at` as to be passed over, and says why. */
void pass_over(struct worker *worker, unsigned at, enum passing passing, uint64_t size);

/* exec_moves.c: what is moved between the bus and the process. */

/* How many more messages may be taken? */
uint64_t room_to_take(const struct worker *worker);

void move_in(struct worker *worker);
void move_answers(struct worker *worker);
void move_errors(struct worker *worker);

/* exec_bury.c: says how its process ended, and what becomes of its messages and of itself. */
void bury(struct worker *worker);

/* exec_worker.c: makes it a member of the group. 0 or a negative errno. */
int worker_join(struct exec *exec, shmbus_subscriber **subscriber);
int cannot_join(const struct exec *exec, int err);

#endif
