/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shmbus: a lock-free message bus in shared memory, for processes on one Linux host.
 *
 * A bus is one POSIX shared-memory segment (/dev/shm/shmbus.NAME). It holds named channels. A channel
 * is a ring that publishers write and groups of subscribers read: every group sees every message, the
 * members of one group share them out.
 *
 *     one group, one member      a queue
 *     N groups                   a broadcast
 *     one group, N members       a work queue
 *
 * Calling rules, for every function below:
 *
 *   results    0 or a count, or a negative errno. shmbus_strerror() explains the calling thread's last
 *              failure with the values and limits concerned. A call that fails has changed nothing
 *              (shmbus_next() has released the message before).
 *   handles    opaque; never dereferenced. NULL, closed and foreign handles give -EBADF, never a crash.
 *   threads    any thread may open, use and close handles at the same time as any other. One publisher or
 *              subscriber handle is *used* by one thread at a time; any thread may close it meanwhile. What
 *              was claimed or peeked through it must not be touched after that.
 *   deadlines  absolute CLOCK_MONOTONIC nanoseconds; see shmbus_deadline(). SHMBUS_NOWAIT tries once
 *              (-EAGAIN), SHMBUS_FOREVER waits. A deadline that passes gives -ETIMEDOUT.
 *   fork       a forked child has no attachment: inherited handles give -EBADF. Open again.
 *   killed     a process killed inside any call loses at most the message it had not committed; the
 *              kernel releases its liveness lock and the others carry on.
 *
 * Sizes are bytes. Sequences count a channel's messages from its first, over all publishers.
 */
#ifndef SHMBUS_H
#define SHMBUS_H

#if !defined(__LP64__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "shmbus needs a 64-bit little-endian host: all processes share segments of such words"
#endif

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SHMBUS_VERSION_MAJOR 0
#define SHMBUS_VERSION_MINOR 1
#define SHMBUS_VERSION_PATCH 0

/* Longest name of a bus, channel, group or participant, without its terminating 0. */
#define SHMBUS_NAME_MAX 47

/* Most messages that one claim batch holds. Batches of send and poll have no limit. */
#define SHMBUS_CLAIM_MAX 64

#define SHMBUS_NOWAIT INT64_C(0)
#define SHMBUS_FOREVER INT64_MAX

typedef struct shmbus_bus shmbus_bus;
typedef struct shmbus_publisher shmbus_publisher;
typedef struct shmbus_subscriber shmbus_subscriber;
typedef struct shmbus_waitset shmbus_waitset;

/* ------------------------------------------------------------------------------------------------ */
/* Errors and time                                                                                    */
/* ------------------------------------------------------------------------------------------------ */

/*
 * Explains `err`, a negative errno that a call of this library returned: what was wrong, with the
 * numbers, and what to change, if it was this thread's last failure; else the errno's plain text.
 * -EAGAIN and -ETIMEDOUT never carry details. The text lives until the thread's next failing call.
 */
const char *shmbus_strerror(int err);

/* The library's version, "MAJOR.MINOR.PATCH". Static storage. */
const char *shmbus_version(void);

/* CLOCK_MONOTONIC now, in nanoseconds. */
int64_t shmbus_now(void);

/* The deadline `timeout` nanoseconds from now (saturating; negative counts as 0). */
int64_t shmbus_deadline(int64_t timeout);

/* ------------------------------------------------------------------------------------------------ */
/* Bus                                                                                                */
/* ------------------------------------------------------------------------------------------------ */

enum shmbus_open_mode {
    SHMBUS_OPEN_OR_CREATE = 0,
    SHMBUS_OPEN_EXISTING = 1, /* -ENOENT when there is none */
    SHMBUS_CREATE_NEW = 2,    /* -EEXIST when there is one */
};

/* All fields may be 0, which chooses the default in brackets. */
typedef struct shmbus_bus_options {
    enum shmbus_open_mode open; /* [open or create] */
    uint32_t participants;      /* most processes attached at once, 1..4095 [128] */
    uint32_t channels;          /* most channels, 1..1024 [64] */
    uint32_t mode;              /* permission bits of a new segment, whatever the umask [0600] */
    const char *group;          /* name or number of the group that owns a new segment [the creator's] */
    const char *acl;            /* ACL entries of a new segment, beside `mode`: "u:alice:rw,g:ops:r" [none] */
    int any_owner;              /* 1: open a segment of another user too: who trusts that user [0: -EPERM] */
    const char *participant_name; /* shown by the tools [the program's name] */
    int fenced;       /* 1: each send has a fence of its own, and no other process's sleep interrupts
                                     the CPUs of this one: for isolated CPUs [0: sends cost no fence] */
    int sigbus_guard; /* 1: a segment that is truncated under our feet is an error, not a SIGBUS; see below [0] */
} shmbus_bus_options;

/*
 * Attaches this process to the bus `name` (1..SHMBUS_NAME_MAX bytes, no '/', no control characters, not
 * starting with '.'), by default creating it. `options` may be NULL.
 * Errors: -EINVAL, -ENAMETOOLONG, -ENOENT, -EEXIST, -EACCES, -EPERM (it belongs to another user; or its group may
 * not be given), -ENOSPC (/dev/shm is too small), -EPROTO (a segment of another layout), -EBADMSG (not a shmbus
 * segment, or damaged), -EUSERS (no participant slot left), -EOPNOTSUPP (/dev/shm is no tmpfs), -ENOMEM.
 * Killed here: the segment is there whole or not at all; the attachment is freed.
 *
 * `sigbus_guard`: who may write a segment's file may also truncate it, and an access to memory that is not there any
 * more is a SIGBUS. With this option the library installs a handler of SIGBUS, for the process and for good. All
 * that the process has mapped of such a segment becomes private memory of zeros, also the message it is reading
 * or writing; calls on that bus end and give -EFAULT. It covers what is mapped after it was installed. Any other
 * SIGBUS goes to the handler that was there before.
 */
int shmbus_open(const char *name, const shmbus_bus_options *options, shmbus_bus **bus);

/* Closes the attachment and every publisher and subscriber opened through it. The bus stays. */
int shmbus_close(shmbus_bus *bus);

/*
 * Removes the bus's name; its memory is freed when the last attached process leaves. Those attached
 * carry on with each other. Waits up to 0.1 s for whoever is just changing the bus's directory. -ENOENT when there is no
 * such bus.
 */
int shmbus_remove(const char *name);

/*
 * The same if nobody is attached, dead participants apart: -EBUSY otherwise. Who is just opening the bus either comes
 * before, and it stays, or makes a new one: nobody is left on a bus that others cannot find any more. (Who takes the name
 * away without this library, as rm does, or by a shmbus_remove() that has waited its 0.1 s in vain, may be followed by a
 * new bus of that name: that one is not looked at again.)
 */
int shmbus_remove_unused(const char *name);

/*
 * Puts right what dead participants left in the bus's channels, all of them, now, and frees their entries.
 * Whoever waits does so by itself; this is for those who do not wait, and for the impatient. Returns how many repairs that took, 0 when
 * there was nothing to repair, or a negative errno. Any thread, any number of processes at once. As opening does, it
 * waits for whoever is changing the directory; what waiting handles do by themselves waits for nobody. Killed
 * here: whoever looks next goes on with it.
 */
int shmbus_recover(shmbus_bus *bus);

/* ------------------------------------------------------------------------------------------------ */
/* Channels                                                                                           */
/* ------------------------------------------------------------------------------------------------ */

enum shmbus_producers {
    SHMBUS_SINGLE = 1, /* one publisher at a time: no locked instruction per message */
    SHMBUS_MULTI = 2,  /* any number up to `publishers` */
};

enum shmbus_overflow {
    SHMBUS_BLOCK = 1,     /* publishers wait for the slowest group: nothing is missed */
    SHMBUS_OVERWRITE = 2, /* publishers never wait for readers: slow ones are told how many they missed */
};

/*
 * A channel's shape, fixed when it is created. A 0 chooses the default in brackets when a channel is
 * created, and accepts whatever is there when one is opened.
 *
 * A message of up to `slot_size - 8` bytes lies in its slot: one cache-line transfer for 56 bytes. A
 * larger one lies in the arena, contiguous and 64-byte aligned.
 */
typedef struct shmbus_channel_options {
    enum shmbus_producers producers; /* [multi] */
    enum shmbus_overflow overflow;   /* [block] */
    uint32_t slots;                  /* messages the ring holds: a power of two, 1..2^24 [4096] */
    uint32_t slot_size;              /* 64, 128 or 256 [64] */
    uint64_t arena;                  /* bytes for larger messages: a power of two of 4 KiB..64 GiB
                                        [4 x largest, at least 512 KiB] */
    uint64_t largest;                /* largest message, up to arena / 2 and 4 GiB - 1 [arena / 4] */
    uint32_t publishers;             /* most publishers at once, 1..4095 [32; 1 when single] */
    uint32_t groups;                 /* most groups, 1..1024 [16] */
    uint32_t members;                /* most subscribers of all groups, 1..4095 [64] */
    uint32_t reserved;               /* 0 */
    uint64_t type;                   /* tag that all who open the channel must agree on; 0 any [0] */
    uint64_t first_sequence;         /* where sequences start, below 2^39; for tests [0] */
} shmbus_channel_options;

/*
 * Creates the channel `name`, reserving all its memory, or checks that the one there has the options
 * that are not 0. Names are as for a bus. `options` may be NULL.
 * Errors: -EBADF, -EINVAL, -ENAMETOOLONG, -EEXIST (there with other options: the text names the first
 * that differs), -ENOSPC, -EUSERS (the bus's table of channels is full).
 */
int shmbus_channel_create(shmbus_bus *bus, const char *name, const shmbus_channel_options *options);

/* Fills `options` with the channel's shape, every field set. -ENOENT when there is no such channel. */
int shmbus_channel_options_of(shmbus_bus *bus, const char *name, shmbus_channel_options *options);

/*
 * Removes the channel. Its publishers' calls give -EIDRM, its subscribers' too once they have read what was
 * left; sleepers wake. Its memory is given back when the last process using it has closed its handles.
 * -ENOENT when there is none.
 */
int shmbus_channel_remove(shmbus_bus *bus, const char *name);

/* ------------------------------------------------------------------------------------------------ */
/* How to wait                                                                                        */
/* ------------------------------------------------------------------------------------------------ */

/* How a handle waits. Whoever sleeps, sleeps on a futex and costs the others nothing; see docs/waiting.md. */
enum shmbus_wait {
    SHMBUS_WAIT_ADAPTIVE =
        0, /* spin for what a wake-up costs, if waits have been that short lately; then sleep */
    SHMBUS_WAIT_SPIN = 1,  /* never sleep: lowest latency, one whole CPU */
    SHMBUS_WAIT_BLOCK = 2, /* give the CPU away at once */
};

/*
 * Signals never end a wait by themselves. This does, from a signal handler or from any thread: every handle
 * that was opened `interruptible` returns -EINTR, once, from the wait it is in or else from its next one, so
 * an interrupt between two calls is not lost. A call that need not wait does not notice. Async-signal-safe.
 */
void shmbus_interrupt(void);

/* ------------------------------------------------------------------------------------------------ */
/* Publishing                                                                                         */
/* ------------------------------------------------------------------------------------------------ */

typedef struct shmbus_publisher_options {
    const shmbus_channel_options *channel; /* create the channel when there is none; else check it */
    enum shmbus_wait wait;
    int interruptible; /* shmbus_interrupt() ends a wait with -EINTR */
} shmbus_publisher_options;

/*
 * Opens a publisher on `channel`. With `options->channel` the channel is created when it is missing;
 * without, a missing channel gives -ENOENT.
 * Errors: those of shmbus_channel_create(), and -EBUSY (a `single` channel has a living publisher: the
 * text names it), -EUSERS (no publisher entry left).
 * Killed while open: its claims are undone by whoever is held up by them.
 */
int shmbus_publisher_open(shmbus_bus *bus, const char *channel, const shmbus_publisher_options *options,
                          shmbus_publisher **publisher);

/* Aborts what is claimed and closes. A call of another thread that waits on it returns -ECANCELED. */
int shmbus_publisher_close(shmbus_publisher *publisher);

/*
 * Copies a message of `size` bytes into the channel and commits it. `data` may be NULL when `size` is 0.
 * Returns 0, or -EMSGSIZE, -EAGAIN, -ETIMEDOUT, -EIDRM, -EBUSY (a claim is open), -ECANCELED, -EBADF.
 * Killed inside: the message is either whole or not there.
 */
int shmbus_send(shmbus_publisher *publisher, const void *data, size_t size, int64_t deadline);

/*
 * Sends `count` messages in order. Returns how many were sent, which is less than `count` only when the
 * deadline came, a message was too large, or an interrupt, a removal or a close ended the wait; or the error if
 * none was.
 */
int shmbus_send_batch(shmbus_publisher *publisher, const struct iovec *messages, unsigned count,
                      int64_t deadline);

/* Room for one message in the channel itself. */
typedef struct shmbus_claim {
    void *data;        /* where to write: 8-byte aligned, 64-byte aligned above the inline size */
    size_t size;       /* asked for; may be lowered before the commit */
    uint64_t sequence; /* which message this will be */
} shmbus_claim_t;

/*
 * Claims room for `claim->size` bytes, to be written in place. A publisher has one claim, or one batch of
 * claims, open at a time (-EBUSY). Others' messages behind an open claim are not read before it is
 * committed or aborted. Errors as shmbus_send().
 */
int shmbus_claim(shmbus_publisher *publisher, shmbus_claim_t *claim, int64_t deadline);

/* Makes the claimed message readable. -EINVAL when it is not an open claim, -EMSGSIZE when it grew. */
int shmbus_commit(shmbus_publisher *publisher, const shmbus_claim_t *claim);

/* Gives the claim up: readers pass over it, and count it as aborted. */
int shmbus_abort(shmbus_publisher *publisher, const shmbus_claim_t *claim);

/*
 * Claims up to `count` (at most SHMBUS_CLAIM_MAX) messages of the sizes in `claims[i].size` at once.
 * Returns how many there was room for, at least 1, or an error. Commit or abort each in any order.
 */
int shmbus_claim_batch(shmbus_publisher *publisher, shmbus_claim_t *claims, unsigned count, int64_t deadline);

/* Commits, or aborts, `count` claims with one look for sleepers. Returns 0, or an error and changes none. */
int shmbus_commit_batch(shmbus_publisher *publisher, const shmbus_claim_t *claims, unsigned count);
int shmbus_abort_batch(shmbus_publisher *publisher, const shmbus_claim_t *claims, unsigned count);

typedef struct shmbus_publisher_stats {
    uint64_t messages; /* committed */
    uint64_t bytes;
    uint64_t aborted;
    uint64_t blocked; /* times it found no room */
    uint64_t spins;   /* waits that ended without a sleep */
    uint64_t sleeps;
    uint64_t wakes; /* times it woke somebody */
} shmbus_publisher_stats;

int shmbus_publisher_stats_get(shmbus_publisher *publisher, shmbus_publisher_stats *stats);

/* ------------------------------------------------------------------------------------------------ */
/* Subscribing                                                                                        */
/* ------------------------------------------------------------------------------------------------ */

enum shmbus_from {
    SHMBUS_FROM_NOW = 0,    /* messages claimed after the join */
    SHMBUS_FROM_OLDEST = 1, /* the oldest that is certain to stay intact while it is read */
};

typedef struct shmbus_subscriber_options {
    const char *group;     /* [a group of its own, named by the library] */
    int shared;            /* 0: the group's only member (-EBUSY if it has one); 1: one of many */
    int durable;           /* the group outlives its members and keeps what they have not read */
    enum shmbus_from from; /* for a group that is new; else it goes on where it is */
    enum shmbus_wait wait;
    int interruptible;                     /* as for publishers */
    const shmbus_channel_options *channel; /* as for publishers */
} shmbus_subscriber_options;

typedef struct shmbus_message {
    const void *data;
    size_t size;
    uint64_t sequence;
    uint64_t missed;    /* on `overwrite` channels: messages lost to this group just before this one */
    uint32_t publisher; /* which of the channel's publishers sent it */
    uint32_t flags;     /* SHMBUS_REDELIVERED, and how often: SHMBUS_ATTEMPTS() */
} shmbus_message;

#define SHMBUS_REDELIVERED 1u /* another member had taken this message and died: it may have seen it */
#define SHMBUS_ATTEMPTS_SHIFT 16
#define SHMBUS_ATTEMPTS(flags) ((flags) >> SHMBUS_ATTEMPTS_SHIFT) /* members that died with this message */

/*
 * Joins a group of `channel`. Errors: those of shmbus_channel_create(), -ENOENT, -EBUSY (the group has a
 * member and is not shared, or was created otherwise), -EUSERS (no group or member entry left).
 * Killed while joined: an own group vanishes; what a shared group's member held goes to the others.
 */
int shmbus_subscriber_open(shmbus_bus *bus, const char *channel, const shmbus_subscriber_options *options,
                           shmbus_subscriber **subscriber);

/*
 * Leaves the group. What was peeked and not released goes to the other members, marked redelivered. A
 * group that is not durable vanishes with its last member.
 */
int shmbus_subscriber_close(shmbus_subscriber *subscriber);

/* Removes a group that has no living member (-EBUSY), durable or not. */
int shmbus_group_remove(shmbus_bus *bus, const char *channel, const char *group);

/*
 * Copies the next message into `buffer` and releases it. Returns its size, or -EMSGSIZE (it is larger
 * than `capacity`: it stays, and shmbus_peek() shows it), -EAGAIN, -ETIMEDOUT, -EIDRM, -EBADMSG, -ECANCELED.
 * `message` may be NULL; its `data` is `buffer`.
 */
int64_t shmbus_recv(shmbus_subscriber *subscriber, void *buffer, size_t capacity, shmbus_message *message,
                    int64_t deadline);

/*
 * Shows the next message where it lies. It stays valid, and taken, until shmbus_release() or the close.
 * Peeking again before that shows the same one. (On `overwrite` channels it is a checked private copy.)
 */
int shmbus_peek(shmbus_subscriber *subscriber, shmbus_message *message, int64_t deadline);

/* Gives back the message last peeked. -EINVAL when there is none. */
int shmbus_release(shmbus_subscriber *subscriber);

/* Releases the message last peeked, if any, and peeks the next: one call per message in a loop. */
int shmbus_next(shmbus_subscriber *subscriber, shmbus_message *message, int64_t deadline);

/*
 * Shows up to `count` messages at once, behind those that it has shown already. All stay valid, and taken, until they are
 * given back. Waits for the first only. Returns how many, or an error as shmbus_peek(), or -EBUSY: a message is peeked, or
 * no more can be held; in a shared group up to 64 are taken at once, and the next when all are given back; on `overwrite`
 * channels one; else what the channel has room for. While some are held the other receiving functions give -EBUSY.
 */
int shmbus_peek_batch(shmbus_subscriber *subscriber, shmbus_message *messages, unsigned count,
                      int64_t deadline);

/* Gives the first `count` of those back. -EINVAL when fewer are held. */
int shmbus_release_batch(shmbus_subscriber *subscriber, unsigned count);

/* Called for each message; `message->data` is valid until it returns. Non-0 stops the poll after it. */
typedef int (*shmbus_on_message)(void *context, const shmbus_message *message);

/*
 * Waits until `deadline` for one message, then hands over all that are there, up to `max`. Returns how
 * many. The callback may call anything, but this subscriber's other receiving functions (-EBUSY).
 * In a shared group up to 64 messages are taken at once; what a stopped poll leaves stays with this member,
 * for its next call, or for the others when it leaves.
 */
int shmbus_poll(shmbus_subscriber *subscriber, unsigned max, int64_t deadline, shmbus_on_message on_message,
                void *context);

/* For every group: published = messages + aborted + missed + pending, from where it joined. */
typedef struct shmbus_subscriber_stats {
    uint64_t messages; /* delivered to this member */
    uint64_t bytes;
    uint64_t missed;      /* lost to overwriting */
    uint64_t aborted;     /* passed over: given up by their publisher */
    uint64_t redelivered; /* of `messages`: taken over from a dead member */
    uint64_t spins;       /* waits that ended without a sleep */
    uint64_t sleeps;
    uint64_t
        largest_lag; /* most messages that were there and not yet read, at those whose latency was sampled */
    uint64_t position; /* sequence of the next message of the group */
} shmbus_subscriber_stats;

int shmbus_subscriber_stats_get(shmbus_subscriber *subscriber, shmbus_subscriber_stats *stats);

/* ------------------------------------------------------------------------------------------------ */
/* Waiting for many at once                                                                           */
/* ------------------------------------------------------------------------------------------------ */

/*
 * A waitset waits for any number of subscribers that shall receive and publishers that shall send, of one bus
 * or of several. It is level-triggered: what is ready is reported again until it has been used. Handles that
 * are closed leave it by themselves.
 *
 * Any thread may add, remove and wake at any time. One thread at a time waits; a handle in the set counts as
 * used by that thread while it is inside shmbus_waitset_wait().
 */
typedef struct shmbus_waitset_options {
    enum shmbus_wait wait;
    int interruptible; /* shmbus_interrupt() ends a wait with -EINTR */
} shmbus_waitset_options;

/* What has become ready. */
typedef struct shmbus_event {
    void *tag; /* as it was added */
    shmbus_subscriber
        *subscriber; /* a message is there, or was given up, or an error is to be told; else NULL */
    shmbus_publisher *publisher; /* room is there, or an error to be told; else NULL */
} shmbus_event;

/* Makes an empty set. `options` may be NULL. -EINVAL, -ENOMEM. */
int shmbus_waitset_open(const shmbus_waitset_options *options, shmbus_waitset **set);

/* Closes the set, and its fd; the handles in it stay open. A wait of another thread returns -ECANCELED. */
int shmbus_waitset_close(shmbus_waitset *set);

/*
 * Adds a subscriber: ready when there is a message that it has not peeked yet, and may hold. -EBADF, -EEXIST (it is in
 * the set), -ENOMEM.
 */
int shmbus_waitset_add_subscriber(shmbus_waitset *set, shmbus_subscriber *subscriber, void *tag);

/*
 * Adds a publisher: ready when a message of `size` bytes would find room. Meant for a publisher that found
 * none; remove it when it has sent, for one that has room is ready all the time. Errors as above, -EMSGSIZE.
 */
int shmbus_waitset_add_publisher(shmbus_waitset *set, shmbus_publisher *publisher, size_t size, void *tag);

/* Take a handle out of the set. -ENOENT when it is not in it, or not any more. */
int shmbus_waitset_remove_subscriber(shmbus_waitset *set, shmbus_subscriber *subscriber);
int shmbus_waitset_remove_publisher(shmbus_waitset *set, shmbus_publisher *publisher);

/*
 * Waits until something is ready; fills up to `max` events and returns how many, or 0 when nothing was and
 * shmbus_waitset_wake() ended the wait. Those behind the last one reported come first the next time, so that
 * none is starved. Errors: -EAGAIN (SHMBUS_NOWAIT), -ETIMEDOUT, -EINTR (with SHMBUS_NOWAIT too), -EBUSY (another thread waits on this
 * set), -ECANCELED, -EINVAL, -EBADF.
 * Killed inside: one needless wake-up for those who send to it.
 */
int shmbus_waitset_wait(shmbus_waitset *set, shmbus_event *events, unsigned max, int64_t deadline);

/* Ends the wait that another thread is in, or else the next one. */
int shmbus_waitset_wake(shmbus_waitset *set);

/*
 * A file descriptor for poll(), epoll, libuv or asyncio: readable when it is time to call
 * shmbus_waitset_wait() with SHMBUS_NOWAIT, until that has returned -EAGAIN. Only watch it: never read, write
 * or close it. It is the same for every call and belongs to the set. Nobody pays for it while it is readable.
 * It also becomes readable every 250 ms or so, for the look again that each sleep of this library ends with; every
 * 10 ms while a publisher in the set waits for room. Best called by the thread that will wait; a system call in
 * which that thread sleeps when the set is closed may end with EINTR.
 * -EMFILE, -ENFILE, -ENOMEM (also: no thread to be had, where the kernel lacks io_uring futexes).
 */
int shmbus_waitset_fd(shmbus_waitset *set);

#ifdef __cplusplus
}
#endif

#endif
