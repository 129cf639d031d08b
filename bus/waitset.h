/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of publishers and subscribers, of any number of buses, that one thread waits for.
 *
 *   call                           who                         may overlap with
 *   waitset_init, waitset_destroy  its only user               nothing
 *   waitset_wait                   one thread at a time        everything below
 *   others                         any thread                  everything
 *
 * Its members are handles that anybody may close. Everything here happens under the set's mutex and inside a
 * read-side section, where handles that were looked up stay valid until one is closed (see handle.h); then all
 * are looked up again, and those that are gone leave the set. Only sleeps are outside.
 *
 * It sleeps on one futex for each bus: the bell of this process's attachment, whatever number of its channels the
 * set waits for (waiter.h).
 *
 * killed        see waiter.h
 */
#ifndef SHMBUS_BUS_WAITSET_H
#define SHMBUS_BUS_WAITSET_H

#include "handle.h"
#include "notifier.h"
#include "wait.h"

struct waitset_member {
    struct wait_source source;
    struct handle *handle;
    const void *key;
    enum handle_kind kind;
    void *tag;
};

struct waitset {
    pthread_mutex_t mutex;
    uint64_t epoch; /* in which the members' handles were looked up */
    struct waitset_member *members;
    unsigned count;
    unsigned capacity;
    unsigned next;                   /* which member is looked at first */
    const struct participant **self; /* this process on each bus that has a member */
    struct waiter_ticket *tickets;   /* for the bell of each; for `event` if there is no bus */
    unsigned buses;
    atomic_u32 event;
    bool woken; /* by waitset_wake() */
    bool has_fd;
    struct notifier notifier;
    const atomic_u32 *closing;
    struct wait_style style;
    struct wait_memory memory;
    atomic_u64 sleeps;
    atomic_u64 spins;
};

/* -ENOMEM. */
int waitset_init(struct waitset *set, struct wait_style style, const atomic_u32 *closing);

void waitset_destroy(struct waitset *set);

/*
 * Adds the publisher or subscriber `key`, of which it takes source, handle, key, kind and tag. Called inside a
 * section. -EEXIST, -ENOMEM.
 */
int waitset_add(struct waitset *set, const struct waitset_member *member);

/* Inside a section. -ENOENT. */
int waitset_remove(struct waitset *set, const void *key, enum handle_kind kind);

/* Ends the wait in progress, or the next one. Inside a section or not. */
void waitset_wake(struct waitset *set);

/* As waitset_wake(), but for `closing` to be looked at. */
void waitset_ring(struct waitset *set);

/* As shmbus_waitset_wait(). Outside of sections. */
int waitset_wait(struct waitset *set, shmbus_event *events, unsigned max, int64_t deadline);

/* As shmbus_waitset_fd(). */
int waitset_fd(struct waitset *set);

#endif
