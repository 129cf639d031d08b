/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for bus/handle.h, whose guard it takes: a key is the handle's address. Handles are private to a
 * process, and a simulated process has one thread: there is no read-side section and no grace period to simulate.
 *
 * concurrency   none
 * killed        process-local
 */
#ifndef SHMBUS_BUS_HANDLE_H
#define SHMBUS_BUS_HANDLE_H

#include "atomics.h"

#define caa_container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

enum handle_kind {
    HANDLE_WAITSET = 0,
    HANDLE_BUS = 1,
    HANDLE_PUBLISHER = 2,
    HANDLE_SUBSCRIBER = 3,
};

struct handle {
    uintptr_t key;
    atomic_u32 closing;
    atomic_u32 pinned;
    void (*wake)(struct handle *handle);
    void (*finish)(struct handle *handle);
};

struct handle_section {
    struct handle *handle;
};

static atomic_u64 handle_epoch __attribute__((unused));

static inline void *handle_publish(struct handle *handle, enum handle_kind kind)
{
    (void)kind;
    handle->key = (uintptr_t)handle;
    return handle;
}

static inline struct handle *handle_enter(const void *key, enum handle_kind kind)
{
    (void)kind;
    return (struct handle *)(uintptr_t)key; /* NOLINT(performance-no-int-to-ptr) */
}

static inline struct handle *handle_enter_any(const void *key, enum handle_kind kind)
{
    return handle_enter(key, kind);
}

static inline bool handle_enter_cached(const void *key, enum handle_kind kind, struct handle_section *section)
{
    section->handle = handle_enter(key, kind);
    return true;
}

static inline void handle_leave(void) {}

static inline void handle_leave_cached(struct handle_section section)
{
    (void)section;
}

static inline int handle_pin(struct handle *handle)
{
    handle->pinned = 1;
    return 0;
}

static inline bool handle_unpin(struct handle *handle)
{
    handle->pinned = 0;
    return true;
}

static inline bool handle_is_pinned(const struct handle *handle)
{
    return handle->pinned != 0;
}

static inline bool handle_is_foreign(const struct handle *handle)
{
    (void)handle;
    return false;
}

static inline void handle_free(struct handle *handle)
{
    (void)handle;
}

static inline int handle_close(const void *key, enum handle_kind kind)
{
    struct handle *handle = handle_enter(key, kind);
    handle->closing = 1;
    handle->wake(handle);
    handle->finish(handle);
    return 0;
}

/* No simulated process forks. */
static inline void handle_forked(void) {}

#define urcu_bp_before_fork() ((void)0)
#define urcu_bp_after_fork_parent() ((void)0)
#define urcu_bp_after_fork_child() ((void)0)
#define urcu_bp_call_rcu_before_fork() ((void)0)
#define urcu_bp_call_rcu_after_fork_parent() ((void)0)
#define urcu_bp_call_rcu_after_fork_child() ((void)0)

#endif
