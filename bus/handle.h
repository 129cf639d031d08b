/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles: keys that users hold, looked up in a lock-free hash table (liburcu's rculfhash) on each call. A
 * closed, foreign or garbage handle is not found; it is never dereferenced.
 *
 *   call                        who                                   may overlap with
 *   handle_enter .. leave       any thread                            everything, handle_close() of it too
 *   handle_pin .. handle_unpin  the one thread that uses the handle   handle_close() of it
 *   handle_close                any thread                            everything
 *
 * A call runs between enter and leave, inside an RCU read-side section, which a close waits for. A call
 * that has to wait pins the handle and leaves the section; then whoever of the two, the close and the call,
 * is done last finishes the handle. Objects are freed through call_rcu().
 *
 * The last handles that a thread used are kept in a thread-local cache, valid while `handle_epoch` has not
 * moved: each close moves it before its grace period, so a stale entry is never followed.
 *
 * killed        process-local: nothing is shared.
 */
#ifndef SHMBUS_BUS_HANDLE_H
#define SHMBUS_BUS_HANDLE_H

/*
 * The inline read side without its fallback for kernels that lack membarrier: handle_enter_cached() enters
 * with it, and finds nothing in the cache where that fallback is needed (see handle_enter()).
 */
#define _LGPL_SOURCE
#ifndef HANDLE_WITH_FENCES
#define CONFIG_RCU_FORCE_SYS_MEMBARRIER
#endif
#include <urcu/urcu-bp.h>

#include <urcu/rculfhash.h>

#include "atomics.h"

enum handle_kind {
    HANDLE_WAITSET = 0,
    HANDLE_BUS = 1,
    HANDLE_PUBLISHER = 2,
    HANDLE_SUBSCRIBER = 3,
};

struct handle {
    struct cds_lfht_node node;
    struct rcu_head rcu;
    uintptr_t key; /* {number, 0:3, handle_kind:2} */
    uint32_t fork_generation;
    atomic_u32 closing;                    /* 1 once a close has begun */
    atomic_u32 pinned;                     /* 1: its user is outside the read-side section */
    atomic_u32 finishing;                  /* which of close and user is the second */
    void (*wake)(struct handle *handle);   /* makes a sleeping user look at `closing` */
    void (*finish)(struct handle *handle); /* lets go of all it has; ends in handle_free() */
};

/* Reached directly, not through the table of what other libraries may replace. */
#define HANDLE_HIDDEN __attribute__((visibility("hidden")))

extern atomic_u64 handle_epoch HANDLE_HIDDEN;

/*
 * Debian's liburcu is not built for ThreadSanitizer, which then cannot see that a grace period waits for the
 * sections before it: told here, in that build only.
 */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HANDLE_TELL_TSAN
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(HANDLE_TELL_TSAN)
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define HANDLE_SECTION_ENDS() __tsan_release(&handle_epoch)
#define HANDLE_GRACE_PERIOD_OVER() __tsan_acquire(&handle_epoch)
#else
#define HANDLE_SECTION_ENDS() ((void)0)
#define HANDLE_GRACE_PERIOD_OVER() ((void)0)
#endif

struct handle_cache {
    uintptr_t key;
    uint64_t epoch;
    struct handle *handle;
    uint64_t reserved;
};

#define HANDLE_KEY_SHIFT 5
_Static_assert(sizeof(struct handle_cache) == 1 << HANDLE_KEY_SHIFT,
               "a key's bits are an offset into the cache");

#define HANDLE_CACHE 4u /* handles of a kind that a thread finds without the table */
#define HANDLE_KINDS 4u

extern __thread struct handle_cache handle_cached[HANDLE_KINDS][HANDLE_CACHE] HANDLE_HIDDEN;

/* Where the handle of `key` is, if it is in the cache: a key's number starts at the size of an entry. */
static inline struct handle_cache *handle_cache_line(uintptr_t key, enum handle_kind kind)
{
    const uintptr_t offset = key & ((HANDLE_CACHE - 1) << HANDLE_KEY_SHIFT);
    return (struct handle_cache *)(void *)((char *)handle_cached[kind] + offset);
}

/* Enters `handle` into the table; returns its key, or NULL when there is no memory. */
void *handle_publish(struct handle *handle, enum handle_kind kind);

/*
 * Enters a read-side section with the handle of `key` and remembers it in the cache; or returns NULL (-EBADF
 * is set) outside of one.
 */
struct handle *handle_enter(const void *key, enum handle_kind kind);

/* Ends the section. */
void handle_leave(void);

/*
 * Sections for many handles, which need not be on their way into a call: those that were found stay valid while
 * `handle_epoch`, loaded first, has not moved. handle_leave() ends them.
 */
void handle_enter_section(void);

/* Inside a section: the handle, or NULL. */
struct handle *handle_find(const void *key, enum handle_kind kind);

_Static_assert(offsetof(struct urcu_bp_reader, ctr) == 0, "a reader's entry starts with its counter");

/* A read-side section that was entered inline. */
struct handle_section {
    struct handle *handle;
    unsigned long *reader; /* the thread's word in liburcu */
};

/*
 * The same pair inline, for handles in the cache only. False, and no section, when it is not there, or when the
 * thread is inside a section already. This is urcu_bp_read_lock() and urcu_bp_read_unlock() for that case, with
 * the thread's word looked up once; handle_leave() may end the section as well.
 */
static inline bool handle_enter_cached(const void *user_key, enum handle_kind kind,
                                       struct handle_section *section)
{
    const uintptr_t key = (uintptr_t)user_key;
    const struct handle_cache *cached = handle_cache_line(key, kind);
    /* Its `ctr`, which comes first; liburcu aligns the entries less than their type says. */
    unsigned long *reader = (unsigned long *)(void *)URCU_TLS(urcu_bp_reader);
    if (unlikely(cached->key != key || !reader || *reader & URCU_BP_GP_CTR_NEST_MASK)) {
        return false; /* the thread's first call registers it: not here, where that call costs saved registers */
    }
    _CMM_STORE_SHARED(*reader, _CMM_LOAD_SHARED(urcu_bp_gp.ctr));
    cmm_barrier(); /* the closer's membarrier orders the CPU */
    if (unlikely(cached->epoch != load64_relaxed(&handle_epoch))) {
        cmm_barrier();
        _CMM_STORE_SHARED(*reader, 0);
        return false;
    }
    *section = (struct handle_section){.handle = cached->handle, .reader = reader};
    return true;
}

static inline void handle_leave_cached(struct handle_section section)
{
    HANDLE_SECTION_ENDS();
    cmm_barrier();
    _CMM_STORE_SHARED(*section.reader, 0);
    cmm_barrier();
}

/* Either way in, for calls that go on whichever it was and end in handle_leave(). */
static inline struct handle *handle_enter_any(const void *key, enum handle_kind kind)
{
    struct handle_section section;
    return likely(handle_enter_cached(key, kind, &section)) ? section.handle : handle_enter(key, kind);
}

/* Leaves the section but keeps the handle: for waits and callbacks. -EBUSY (still inside) if it is pinned. */
int handle_pin(struct handle *handle);

/*
 * Ends a pin: true inside a read-side section again; false outside, if the handle was closed meanwhile (it is
 * finished here when its closer is done, and must not be touched).
 */
bool handle_unpin(struct handle *handle);

/* Frees the object that starts with `handle`, from malloc, when no reader can have it any more. */
void handle_free(struct handle *handle);

/* Is the handle pinned by a call in progress (a poll's callback)? */
static inline bool handle_is_pinned(const struct handle *handle)
{
    return load32_relaxed(&handle->pinned) != 0;
}

/* Takes the handle out of the table and finishes it, now or when its user is done. -EBADF if it is not there. */
int handle_close(const void *key, enum handle_kind kind);

/* -EBADF, explained, for a key that is not in the table. */
int handle_error(const void *key, enum handle_kind kind);

/* Was it opened by a process that this one was forked from? */
bool handle_is_foreign(const struct handle *handle);

/* In a forked child: all handles of before are foreign. */
void handle_forked(void);

#endif
