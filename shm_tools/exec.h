/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all workers of an `exec` share: what was asked for, the bus, the channels it sends to, and what it counts.
 *
 * concurrency   one thread
 * killed        see the library: nothing is held that the bus does not take back
 */
#ifndef SHMBUS_TOOLS_EXEC_H
#define SHMBUS_TOOLS_EXEC_H

#include <shmbus/shmbus.h>
#include <stdint.h>

#include "exec_crashes.h"
#include "exec_outlet.h"

enum exec_restart {
    RESTART_NEVER,
    RESTART_ON_FAILURE,
    RESTART_ALWAYS,
};

/* Of messages that are to be lines. */
enum exec_newlines {
    NEWLINES_PASS_OVER,
    NEWLINES_BLANK,
};

struct exec_options {
    const char *bus;
    int any_owner;
    const char *in;
    const char *out;         /* or NULL */
    const char *err;         /* or NULL */
    const char *dead_letter; /* or NULL */
    int frame;               /* enum framing */
    int newlines;            /* enum exec_newlines */
    const char *group;
    char own_group[SHMBUS_NAME_MAX + 1]; /* what `group` is when it was not said */
    int from;                            /* enum shmbus_from */
    int shared;
    int durable;
    int no_answers;
    uint32_t workers;
    uint32_t window; /* 0: not said */
    uint32_t attempts;
    int restart; /* enum exec_restart */
    int64_t restart_delay;
    uint32_t restarts;
    int64_t grace;
    uint64_t count;  /* 0: not said */
    int64_t timeout; /* negative: not said */
    int verbose;
    const char *const *command; /* ends with NULL */
};

struct exec_counts {
    uint64_t done;    /* messages given back: answered, read or passed over */
    uint64_t bytes;   /* of them */
    uint64_t again;   /* given again after a worker's end */
    uint64_t passed;  /* messages passed over */
    uint64_t answers; /* sent */
    uint64_t extra;   /* of them, to nothing */
    uint64_t large;   /* frames that were too large to send */
    uint64_t lines;   /* of standard error, sent */
    uint64_t missed;  /* overwritten before they were read */
    uint64_t dropped; /* bytes of frames that their worker did not finish */
    uint64_t restarts;
};

struct exec {
    const struct exec_options *options;
    shmbus_bus *bus;
    shmbus_waitset *set;
    struct outlet outlets[3];
    unsigned outlet_count;
    struct outlet
        *out; /* NULL: not asked for; the same for the same channel, of which one publisher is enough */
    struct outlet *err;
    struct outlet *dead_letter;
    uint64_t largest; /* message that may come */
    int shared;       /* the group is: what a worker leaves goes to the others */
    int answers;      /* each message has one */
    struct crashes crashes;
    struct exec_counts counts;
    uint64_t with_workers; /* messages that are taken and not done */
    int64_t now;           /* of this round of the loop */
    int64_t moved;         /* when something moved last */
    int handed_over;       /* messages went from one worker to the others, who do not know yet */
    int ending;            /* nothing more is taken */
    int failed;            /* the exit code of a failure that has been said; else 0 */
};

#endif
