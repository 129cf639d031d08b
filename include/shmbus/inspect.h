/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking into a bus without taking part in it: the segment is mapped read-only, no participant slot is
 * taken, no byte changes. (What is read of a channel while it is being removed may take memory again, until another
 * channel is made or the bus goes.) Works on a bus that nobody serves any more, on one that is stuck, and on a copy of
 * its file.
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

/*
 * The same for a copy of a segment's file, such as `cp /dev/shm/shmbus.NAME copy` makes, wherever it lies. Who was
 * alive when it was copied is not in it: all `alive` are SHMBUS_UNKNOWN. Copied while others wrote, it may show a
 * message or a counter that is half a step ahead of another.
 */
int shmbus_view_open_file(const char *path, shmbus_view **view);

/*
 * From now on, what this process maps of segments is guarded as by `sigbus_guard` of shmbus_open(), views too: one that
 * is truncated while it is looked at is an error and no SIGBUS; and so is a channel that is removed while it is looked at,
 * when /dev/shm is full: reading its memory takes that again. It installs a handler of that signal, for good.
 */
int shmbus_view_guard(void);

/* Unmaps and frees. NULL is allowed. */
void shmbus_view_close(shmbus_view *view);

/* What `alive` may be, besides 0 and 1. */
#define SHMBUS_UNKNOWN (-1)

typedef struct shmbus_bus_info {
    char name[SHMBUS_NAME_MAX + 1]; /* as it was created */
    int copy;                       /* 1: the view is of a copied file */
    uint64_t size;                  /* of the segment file, bytes */
    uint64_t resident;              /* of it in memory, bytes */
    uint32_t mode;                  /* permission bits */
    uint32_t uid;                   /* whose it is: a view opens anybody's */
    uint32_t gid;
    uint64_t created_ns;   /* CLOCK_REALTIME */
    uint32_t participants; /* attached and alive; of a copy: attached */
    uint32_t dead;         /* entries of processes that died and were not cleaned up yet */
    uint32_t participants_max;
    uint32_t channels;
    uint32_t channels_max;
    uint32_t removed; /* channels that were removed and whose memory somebody still holds */
    uint64_t unused;  /* bytes of the file that belong to no channel that anybody uses */
    uint64_t leaked;  /* of them in memory: of removed channels, until the next one is created; 0 of a copy */
    uint64_t fingerprint;       /* of the layout */
    int changing;               /* 1: somebody holds the directory lock at this moment */
    uint32_t changer_pid;       /* who took it last, as its own PID namespace numbers it; 0: nobody yet */
    uint64_t changer_namespace; /* that namespace, as shmbus_participant_info.pid_namespace */
} shmbus_bus_info;

int shmbus_view_bus(shmbus_view *view, shmbus_bus_info *info);

#define SHMBUS_HOST_SIZE 40

typedef struct shmbus_participant_info {
    char name[SHMBUS_NAME_MAX + 1];
    uint32_t index;
    uint32_t generation;
    uint32_t pid;           /* as its own PID namespace numbers it: a label, never used to decide anything */
    uint64_t pid_namespace; /* inode of that namespace, as in /proc/PID/ns/pid; 0: it could not see it */
    char host[SHMBUS_HOST_SIZE]; /* its host name: a container's, if it is in one that has its own */
    uint64_t attached_ns;        /* CLOCK_REALTIME */
    int alive;                   /* 1, 0, SHMBUS_UNKNOWN */
    int registered;              /* its sends need no fence: the membarrier of sleepers reaches it */
    int timed;                   /* it cannot call membarrier: its sleeps are short steps */
} shmbus_participant_info;

/*
 * The iterators below fill `info` with entry number `*cursor` or the next one in use, and set `*cursor`
 * past it. Start at 0. They return 1, 0 at the end, or a negative errno.
 */
int shmbus_view_participant(shmbus_view *view, uint32_t *cursor, shmbus_participant_info *info);

typedef struct shmbus_channel_info {
    char name[SHMBUS_NAME_MAX + 1];
    uint32_t index;
    uint32_t generation; /* another one when a channel was removed and one was made in its place */
    shmbus_channel_options options;
    uint64_t size;         /* bytes of the segment it takes */
    uint64_t published;    /* sequence that the next message will get */
    uint64_t oldest;       /* sequence of the oldest message that is certain to be whole */
    uint64_t pending;      /* messages that the group furthest behind has not given back; 0 without groups */
    int readers_asleep;    /* somebody sleeps for a message */
    int publishers_asleep; /* somebody sleeps for room */
    uint32_t publishers;
    uint32_t groups; /* that have begun: each sees every message sent from now on */
    uint32_t members;
} shmbus_channel_info;

int shmbus_view_channel(shmbus_view *view, uint32_t *cursor, shmbus_channel_info *info);

typedef struct shmbus_publisher_info {
    uint32_t index;       /* shmbus_message.publisher */
    uint32_t participant; /* index of its owner */
    int alive;            /* 1, 0, SHMBUS_UNKNOWN */
    int fenced;           /* a fence follows each of its messages at the moment: see docs/waiting.md */
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
    /* The message at `position`, which holds up whoever waits for room: */
    int64_t
        oldest_ns;  /* when it was sent, CLOCK_MONOTONIC, or a little later; 0: not known, or pending is 0 */
    int unfinished; /* 1: it is claimed and not committed; the group waits for its publisher */
    uint32_t waits_for;   /* that publisher's index; UINT32_MAX: nobody alive names it, or not unfinished */
    uint32_t interrupted; /* times that it was taken by a member that died */
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
    uint32_t participant; /* index of its owner; UINT32_MAX: it has left, and others will take what it held */
    int alive;            /* 1, 0, SHMBUS_UNKNOWN */
    uint32_t held;        /* messages taken and not released */
    uint64_t held_first;  /* sequence of the first of them */
    shmbus_subscriber_stats stats;
} shmbus_member_info;

int shmbus_view_member(shmbus_view *view, uint32_t channel, uint32_t *cursor, shmbus_member_info *info);

/* ------------------------------------------------------------------------------------------------ */
/* Latency                                                                                            */
/* ------------------------------------------------------------------------------------------------ */

/*
 * How long messages took from their commit until a member saw them, sampled: about a thousand a second per publisher,
 * and at least one in 4,096. Of messages that fill their slot to the last 8 bytes (49 to 56 bytes in slots of 64)
 * none is sampled: there is no room for the time. A message that is delivered again is sampled again, its stay with the
 * member that died included. Times are CLOCK_MONOTONIC's: between two time namespaces they are off by as much as those are.
 *
 * Bucket 0 to 3 are 16 ns wide each; from 64 ns on each power of two is cut into four. The last has no upper end.
 */
#define SHMBUS_LATENCY_BUCKETS 124

typedef struct shmbus_latency {
    uint64_t samples; /* sum of the buckets */
    uint64_t sum_ns;
    uint64_t largest_ns;
    uint64_t buckets[SHMBUS_LATENCY_BUCKETS];
} shmbus_latency;

/* Of member `member` (shmbus_member_info.index), since it joined. 0 or a negative errno. */
int shmbus_view_latency(shmbus_view *view, uint32_t channel, uint32_t member, shmbus_latency *latency);

/* The first nanosecond that is above bucket `index`; UINT64_MAX for the last. */
uint64_t shmbus_latency_bound(unsigned index);

/*
 * The nanoseconds that `share` (0 to 1) of the samples did not exceed, by straight line within a bucket; 0 without
 * samples.
 */
uint64_t shmbus_latency_quantile(const shmbus_latency *latency, double share);

/* ------------------------------------------------------------------------------------------------ */
/* Messages                                                                                           */
/* ------------------------------------------------------------------------------------------------ */

typedef struct shmbus_sighting {
    uint64_t sequence;
    uint64_t size;       /* of the message; more than was copied if the buffer is smaller */
    uint64_t missed;     /* messages just before this one that were gone, or about to be overwritten */
    int64_t sent_ns;     /* CLOCK_MONOTONIC, if its latency is sampled; else 0 */
    uint32_t generation; /* of the channel: shmbus_channel_info.generation */
    uint32_t publisher;  /* index in the channel; 0xfff: it was finished for one whom nobody knows any more */
    int aborted;         /* given up by its publisher: readers pass over it; size is 0 */
} shmbus_sighting;

/*
 * Copies message number `*sequence`, or the oldest that is certain to be whole if that is gone, and sets `*sequence`
 * behind it. Nobody knows of it and nobody waits for it: what is overwritten before it was seen is counted as missed.
 * `buffer` may be NULL if `capacity` is 0.
 *
 * 1, 0 when that message is not there yet (`missed` of the next one will count what went in between), or a negative
 * errno: -ENOENT when the channel is gone, -EBADMSG when it is damaged. When another channel has its place, the message is
 * one of that: `generation` tells.
 */
int shmbus_view_message(shmbus_view *view, uint32_t channel, uint64_t *sequence, void *buffer,
                        size_t capacity, shmbus_sighting *sighting);

/* ------------------------------------------------------------------------------------------------ */
/* Every byte                                                                                         */
/* ------------------------------------------------------------------------------------------------ */

/* One field of a structure of the segment, as docs/segment-format.md names it. */
typedef struct shmbus_field {
    const char *structure; /* "shm_header", "shm_publisher", ... or "slot" */
    uint64_t index;        /* of the structure in its table */
    const char *channel;   /* NULL outside channels */
    const char *name;      /* "tail", "owner", ...; of a slot "stamp.lap" and so on */
    uint64_t offset;       /* from the start of the file */
    uint32_t size;         /* bytes */
    uint64_t value;        /* of a word */
    const char *text;      /* of a name, at most SHMBUS_NAME_MAX bytes, whatever they are; else NULL */
} shmbus_field;

/*
 * Calls `each` with every field of the segment, in the order of the file: the header, the tables, each channel's
 * head, tables and used slots. The strings last until it returns. Stops when it returns non-0, and returns that.
 */
int shmbus_view_fields(shmbus_view *view, int (*each)(void *context, const shmbus_field *field),
                       void *context);

#ifdef __cplusplus
}
#endif

#endif
