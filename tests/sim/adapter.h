/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that the simulation knows about the inside of the library: change this file when bus/ changes.
 *
 * concurrency   one thread; none of it but adapter_glance(), adapter_time_of() and adapter_next() is a step of a process
 * killed        nothing is changed
 */
#ifndef SHMBUS_TESTS_SIM_ADAPTER_H
#define SHMBUS_TESTS_SIM_ADAPTER_H

#include <shmbus/shmbus.h>

#include <stdbool.h>

/* Forgets what the library keeps in private memory from one schedule to the next. */
void adapter_reset(void);

/* The group that a subscriber is in, and where it stands. */
struct adapter_group {
    uint32_t index;
    uint32_t life; /* how many had this index, with it */
    uint64_t joined;
    uint64_t next; /* sequence of this member's next message */
    bool shared;
    bool durable;
};

struct adapter_group adapter_group_of(shmbus_subscriber *subscriber);

/* The sequence of the last message that this publisher sent. */
uint64_t adapter_last_sent(shmbus_publisher *publisher);

/* Is there a message that the subscriber could take? */
bool adapter_ready(shmbus_subscriber *subscriber);

/* What an observer sees of one message. */
struct adapter_sight {
    size_t size;
    bool aborted;
};

/* ring_glance.h: message `sequence` of the channel, and from where on to look for one. -ENOENT: no channel. */
int adapter_glance(uint64_t sequence, void *buffer, size_t capacity, struct adapter_sight *sight);
int64_t adapter_time_of(uint64_t sequence);
uint64_t adapter_next(uint64_t sequence);

/* What is left in the channel when nobody uses it. */
struct adapter_audit {
    uint32_t publishers; /* entries in use */
    uint32_t members;
    uint32_t orphans;
    uint32_t groups;
    uint64_t tail;
    struct {
        char name[SHMBUS_NAME_MAX + 1];
        bool shared;
        bool durable;
    } group[8];
};

void adapter_audit(struct adapter_audit *audit);

/* Names the word at `address`, as "member[1].held = 3". */
void adapter_name(const void *address, char *name, size_t size);

#endif
