/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `tap` and `record` share: follow channels until it is enough, choose messages, count, and say so.
 *
 * concurrency   one thread
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_FOLLOWING_H
#define SHMBUS_TOOLS_FOLLOWING_H

#include "options.h"
#include "output.h"
#include "tapping.h"

/* Which messages are shown. */
struct wanted {
    uint64_t min_size;
    uint64_t max_size;
    uint32_t publisher; /* UINT32_MAX: any */
    uint64_t type;      /* of the channel; 0: any */
    int aborted;
};
#define WANTED_ALL                                                                                           \
    {                                                                                                        \
        .max_size = UINT64_MAX, .publisher = UINT32_MAX                                                      \
    }
extern const struct option_spec wanted_specs[];
#define WANTED_SECTION(wanted)                                                                               \
    {                                                                                                        \
        "Which messages:", wanted_specs, (wanted)                                                            \
    }

int is_wanted(const struct wanted *wanted, const struct message *message);

struct following_options {
    int from; /* index in the choice now|oldest */
    int wait;
    uint64_t count;
    int64_t timeout;  /* nanoseconds without a message; negative: none */
    int64_t duration; /* nanoseconds in all; negative: none */
    uint64_t snap;
    int verbose;
};
#define FOLLOWING_DEFAULTS                                                                                   \
    {                                                                                                        \
        .timeout = -1, .duration = -1, .snap = UINT64_MAX                                                    \
    }
extern const struct option_spec following_specs[];
#define FOLLOWING_SECTION(options)                                                                           \
    {                                                                                                        \
        "How long:", following_specs, (options)                                                              \
    }

/* The end, and a good one: also that nobody reads any more. */
#define FOLLOWING_END OUTPUT_ENDED

/* What is done with what comes. Each returns EXIT_OK, FOLLOWING_END, or an exit code whose reason has been said. */
struct follower {
    void *context;
    int (*found)(void *context, const struct tapping_channel *channel); /* NULL: nothing to do */
    int (*message)(void *context, const struct message *message);
    int (*idle)(void *context); /* nothing is there now: write out what is buffered */
};

/* Follows `names`. Returns an exit code. */
int follow(const struct looking *looking, const char *const *names, unsigned count,
           const struct following_options *options, const struct wanted *wanted,
           const struct follower *follower);

#endif
