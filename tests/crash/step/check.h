/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold after a death. The checking process is a survivor with its handles, or one that comes later
 * and finds all others dead; it ends with story_fail() at the first thing that is wrong, or by its alarm.
 *
 *   1 delivery    everybody gets on; each message of the story arrives as the facts say
 *   2 repair      there is nothing left to repair
 *   3 counters    published = messages + aborted + missed + pending
 *   4 room        every slot and every line of the arena can be used
 *   5 entries     every publisher, group, member, participant and channel entry can be used
 *
 * concurrency   one checking process at a time
 * killed        nothing
 */
#ifndef SHMBUS_TESTS_CRASH_STEP_CHECK_H
#define SHMBUS_TESTS_CRASH_STEP_CHECK_H

#include "actor.h"

struct check {
    struct actor *actor;
    bool present; /* the checker was there all the time, with its handles */
    bool
        unknown; /* the bus, the channel or the group may have gone: what is left of the story may be missing */
    bool lossy; /* overwrite */
    uint32_t seen[STORY_MESSAGES];
    uint32_t marked[STORY_MESSAGES];
    uint32_t sent; /* of FROM_CHECK */
    uint32_t got;
    uint64_t behind; /* sequence behind the last message; 0 before the first */
};

void check_run(struct check *check);

/* Sends a message of `size` bytes; 0 or an error. */
int check_send(struct check *check, size_t size, int64_t deadline);

/* Receives one message of either kind and gives it back. False: there was none until `deadline`. */
bool check_receive(struct check *check, int64_t deadline);

/* Receives until everything that check_send() has sent has arrived. */
void check_catch_up(struct check *check);

_Noreturn void check_fail(const struct check *check, const char *text, uint64_t is, uint64_t must_be);

/* Closes the publisher and the subscriber. */
void check_close(struct check *check);

void check_room(struct check *check);
void check_entries(struct check *check);
void check_counters(struct check *check);

#endif
