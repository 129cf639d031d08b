/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages that a worker has been given and that the bus has not got back, oldest first. They lie where they lie
 * in the ring of the channel: nothing is copied before it is written to the worker's pipe, but for one whose newlines
 * are to be blanks.
 *
 *     [ settled | written ........ | partly written | not written ]
 *       given back ^oldest           `offset` bytes
 *
 * concurrency   one thread
 * killed        what was not settled goes to the others of the group, or to the next run if it is durable
 */
#ifndef SHMBUS_TOOLS_EXEC_TAKINGS_H
#define SHMBUS_TOOLS_EXEC_TAKINGS_H

#include <shmbus/shmbus.h>
#include <stddef.h>
#include <stdint.h>

#include "exec_frames.h"

/* Why a message is passed over instead of being written. */
enum passing {
    PASSING_NOT,
    PASSING_CRASHED, /* workers, too often */
    PASSING_NEWLINE, /* cannot be written as a line */
    PASSING_ANSWER,  /* its answer is too large */
};

struct taking {
    shmbus_message message;
    enum passing passing;
    int flat;     /* is written with blanks for its newlines */
    int alone;    /* crashed a worker: written when nothing else is with the worker */
    uint64_t end; /* bytes written in all, when it was */
};

struct takings {
    shmbus_subscriber *subscriber; /* NULL: none */
    struct taking *ring;
    unsigned window; /* most at once */
    unsigned first;
    unsigned count;
    unsigned written; /* of `count`; those that are passed over count as soon as they are reached */
    size_t offset;    /* bytes of the next one's frame that are written */
    uint64_t stream;  /* bytes written in all */
    uint64_t settled; /* of them, those of messages that were settled */
    char *flat;       /* the message that is being written, if it is written so */
    int dry;          /* nothing was there when we looked last */
    int full;         /* the bus shows no more before some are given back */
};

void takings_begin(struct takings *takings, unsigned window);
void takings_free(struct takings *takings);

/* The oldest but `at`. */
struct taking *takings_at(const struct takings *takings, unsigned at);

/* Might there be more to take? */
int takings_want(const struct takings *takings);

/* Takes up to `most` more, without waiting. Returns how many, or an error of shmbus_peek() that is not -EAGAIN. */
int takings_more(struct takings *takings, unsigned most);

/* Gives the oldest `count` back: they are done with. 0 or a negative errno. */
int takings_settle(struct takings *takings, unsigned count);

/* Writes what the pipe takes. Returns how many bytes, or a negative errno; -EAGAIN when it took none. */
int64_t takings_write(struct takings *takings, enum framing framing, int pipe);

/* Would takings_write() have something to write? */
int takings_unwritten(struct takings *takings);

/* How many the worker has read, when `unread` bytes are left in its pipe: whole, or at least in part. */
unsigned takings_read(const struct takings *takings, uint64_t unread);
unsigned takings_touched(const struct takings *takings, uint64_t unread);

/* Leaves to the bus what the worker has not been given even in part. Returns how many. */
unsigned takings_trim(struct takings *takings);

/* A new process has got none of them. */
void takings_rewind(struct takings *takings);

/* Forgets them: they are not ours any more. */
void takings_forget(struct takings *takings);

#endif
