/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two halves of a subscriber worker share: subscriber_work.c joins, reads and leaves,
 * subscriber_check.c judges each message.
 *
 * concurrency   one thread
 * killed        a message is noted before it is given back: it is seen by nobody, or by one who noted it
 */
#ifndef SHMBUS_TESTS_STRESS_SUBSCRIBER_WORK_H
#define SHMBUS_TESTS_STRESS_SUBSCRIBER_WORK_H

#include "worker.h"

struct subscriber_state {
    struct worker *worker;
    const struct plan_group *group;
    struct group_ledger *own;
    shmbus_subscriber *subscriber;
    unsigned char *buffer;
    bool shared;
    bool sees_all;
    bool overwrite;
    bool kills; /* readers die in this round */
    /* since it joined */
    uint64_t newest; /* sequence behind what anybody had read when it asked to join */
    bool any;        /* it has read a message */
    uint64_t next;   /* sequence behind the last one */
    uint64_t messages;
    uint64_t bytes;
    uint64_t missed;
    uint64_t marked;
    uint64_t aborted; /* as its counters said when last asked */
};

/* Judges a message that was received and writes it down. */
void subscriber_check(struct subscriber_state *state, const shmbus_message *message);

/* Do the handle's own counters say what happened? When it has given everything back. */
void subscriber_check_counters(struct subscriber_state *state);

#endif
