/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking into a bus without taking part in it: the segment is mapped read-only, no participant slot is
 * taken, no byte changes. Works on a bus that nobody serves any more.
 *
 * A view is used by one thread at a time. Figures are read while others write them: each is right by
 * itself at some instant; together they are a snapshot only on a quiet bus. Errors are negative errno,
 * explained by shmbus_strerror().
 */
#ifndef SHMBUS_INSPECT_H
#define SHMBUS_INSPECT_H

#include <shmbus/shmbus.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct shmbus_view shmbus_view;

/* Calls `each` with the name of every bus on this host, in no order; stops when it returns non-0. */
int shmbus_list(int (*each)(void *context, const char *name), void *context);

/*
 * Maps the bus `name` read-only, whoever owns it. Errors as shmbus_open() with SHMBUS_OPEN_EXISTING. If the process
 * has opened a bus with `sigbus_guard` before, a segment that is truncated gives -EFAULT from the next call on.
 */
int shmbus_view_open(const char *name, shmbus_view **view);

/* Unmaps and frees. NULL is allowed. */
void shmbus_view_close(shmbus_view *view);

typedef struct shmbus_bus_info {
    char name[SHMBUS_NAME_MAX + 1];
    uint64_t size;     /* of the segment file, bytes */
    uint64_t resident; /* of it in memory, bytes */
    uint32_t mode;     /* permission bits */
    uint32_t uid;      /* whose it is: a view opens anybody's */
    uint32_t gid;
    uint32_t participants; /* attached and alive */
    uint32_t dead;         /* entries of processes that died and were not cleaned up yet */
    uint32_t participants_max;
    uint32_t channels;
    uint32_t channels_max;
    uint64_t fingerprint; /* of the layout */
} shmbus_bus_info;

int shmbus_view_bus(shmbus_view *view, shmbus_bus_info *info);

typedef struct shmbus_participant_info {
    char name[SHMBUS_NAME_MAX + 1];
    uint32_t index;
    uint32_t generation;
    uint32_t pid; /* as its own PID namespace numbers it: a label, never used to decide anything */
    int alive;
    int registered; /* its sends need no fence: the membarrier of sleepers reaches it */
    int timed;      /* it cannot call membarrier: its sleeps are short steps */
} shmbus_participant_info;

/*
 * The iterators below fill `info` with entry number `*cursor` or the next one in use, and set `*cursor`
 * past it. Start at 0. They return 1, 0 at the end, or a negative errno.
 */
int shmbus_view_participant(shmbus_view *view, uint32_t *cursor, shmbus_participant_info *info);

typedef struct shmbus_channel_info {
    char name[SHMBUS_NAME_MAX + 1];
    uint32_t index;
    shmbus_channel_options options;
    uint64_t size;      /* bytes of the segment it takes */
    uint64_t published; /* sequence that the next message will get */
    uint32_t publishers;
    uint32_t groups;
    uint32_t members;
} shmbus_channel_info;

int shmbus_view_channel(shmbus_view *view, uint32_t *cursor, shmbus_channel_info *info);

typedef struct shmbus_publisher_info {
    uint32_t index;       /* shmbus_message.publisher */
    uint32_t participant; /* index of its owner */
    int alive;
    shmbus_publisher_stats stats;
} shmbus_publisher_info;

/* `channel` is shmbus_channel_info.index. */
int shmbus_view_publisher(shmbus_view *view, uint32_t channel, uint32_t *cursor, shmbus_publisher_info *info);

typedef struct shmbus_group_info {
    char name[SHMBUS_NAME_MAX + 1];
    uint32_t index;
    int shared;
    int durable;
    uint32_t members;
    uint64_t joined;   /* sequence it started at */
    uint64_t position; /* sequence of its next message */
    uint64_t pending;  /* committed or claimed, not yet given back by the group */
    /* sums over its members, those that left included: */
    uint64_t messages;
    uint64_t bytes;
    uint64_t missed;
    uint64_t aborted;
    uint64_t redelivered;
} shmbus_group_info;

int shmbus_view_group(shmbus_view *view, uint32_t channel, uint32_t *cursor, shmbus_group_info *info);

typedef struct shmbus_member_info {
    uint32_t index;
    uint32_t group;       /* shmbus_group_info.index */
    uint32_t participant; /* index of its owner */
    int alive;
    uint32_t held; /* messages taken and not released */
    shmbus_subscriber_stats stats;
} shmbus_member_info;

int shmbus_view_member(shmbus_view *view, uint32_t channel, uint32_t *cursor, shmbus_member_info *info);

#ifdef __cplusplus
}
#endif

#endif
