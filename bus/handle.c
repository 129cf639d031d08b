/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#define HANDLE_WITH_FENCES
#include "handle.h"

#include "error.h"

#include <pthread.h>
#include <stdlib.h>

#define BUCKETS 64

atomic_u64 handle_epoch = 1; /* an empty line of the cache has 0 */
__thread struct handle_cache handle_cached[HANDLE_KINDS][HANDLE_CACHE];

static struct cds_lfht *table;
static pthread_once_t table_once = PTHREAD_ONCE_INIT;
static atomic_u64 last_number;
static atomic_u32 fork_generation;

static void make_table(void)
{
    table = cds_lfht_new_flavor(BUCKETS, BUCKETS, 0, 0, &urcu_bp_flavor, NULL);
}

static unsigned long hash_of(uintptr_t key)
{
    return (unsigned long)((key >> HANDLE_KEY_SHIFT) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

static int match(struct cds_lfht_node *node, const void *key)
{
    return caa_container_of(node, struct handle, node)->key == *(const uintptr_t *)key;
}

void *handle_publish(struct handle *handle, enum handle_kind kind)
{
    (void)pthread_once(&table_once, make_table);
    if (!table) {
        return NULL;
    }
    handle->key = (uintptr_t)((add64_relaxed(&last_number, 1) + 1) << HANDLE_KEY_SHIFT) | kind;
    handle->fork_generation = load32_relaxed(&fork_generation);
    cds_lfht_node_init(&handle->node);
    urcu_bp_read_lock();
    cds_lfht_add(table, hash_of(handle->key), &handle->node);
    urcu_bp_read_unlock();
    return (void *)handle->key; /* NOLINT(performance-no-int-to-ptr): a key, never dereferenced */
}

bool handle_is_foreign(const struct handle *handle)
{
    return handle->fork_generation != load32_relaxed(&fork_generation);
}

/* Inside a read-side section. */
static struct handle *look_up(uintptr_t key, enum handle_kind kind)
{
    if (!table || (key & (HANDLE_KINDS - 1)) != kind) {
        return NULL;
    }
    struct cds_lfht_iter iter;
    cds_lfht_lookup(table, hash_of(key), match, &key, &iter);
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&iter);
    if (!node) {
        return NULL;
    }
    struct handle *handle = caa_container_of(node, struct handle, node);
    return handle_is_foreign(handle) ? NULL : handle;
}

struct handle *handle_enter(const void *user_key, enum handle_kind kind)
{
    const uintptr_t key = (uintptr_t)user_key;
    urcu_bp_read_lock();
    /* The epoch before the look: a close in between makes the entry stale, not wrong. */
    const uint64_t epoch = load64_acquire(&handle_epoch); /* [acq:epoch] */
    struct handle *handle = look_up(key, kind);
    if (!handle) {
        urcu_bp_read_unlock();
        (void)handle_error(user_key, kind);
        return NULL;
    }
    if (urcu_bp_has_sys_membarrier) {
        *handle_cache_line(key, kind) = (struct handle_cache){.key = key, .epoch = epoch, .handle = handle};
    }
    return handle;
}

void handle_enter_section(void)
{
    urcu_bp_read_lock();
}

struct handle *handle_find(const void *key, enum handle_kind kind)
{
    return look_up((uintptr_t)key, kind);
}

void handle_leave(void)
{
    HANDLE_SECTION_ENDS();
    urcu_bp_read_unlock();
}

int handle_error(const void *key, enum handle_kind kind)
{
    static const char *const names[] = {"waitset", "bus", "publisher", "subscriber"};
    if (!key) {
        return error_set(-EBADF, "the %s handle is NULL", names[kind]);
    }
    return error_set(-EBADF, "%p is no open %s of this process: it was closed, or opened before a fork", key,
                     names[kind]);
}

int handle_pin(struct handle *handle)
{
    if (exchange32_acq_rel(&handle->pinned, 1) != 0) { /* [rel:pinned] [acq:pinned] */
        return error_set(-EBUSY, "the handle is in use by another call");
    }
    handle_leave();
    return 0;
}

static void free_handle(struct rcu_head *head)
{
    HANDLE_GRACE_PERIOD_OVER();
    free(caa_container_of(head, struct handle, rcu));
}

void handle_free(struct handle *handle)
{
    HANDLE_SECTION_ENDS(); /* this thread's use of it too */
    urcu_bp_call_rcu(&handle->rcu, free_handle);
}

bool handle_unpin(struct handle *handle)
{
    urcu_bp_read_lock();
    if (likely(!load32_relaxed(&handle->closing))) {
        /* Inside the section: a close that begins now waits for its end before it looks at the pin. */
        store32_release(&handle->pinned, 0); /* [rel:pinned] */
        return true;
    }
    handle_leave();
    if (exchange32_acq_rel(&handle->finishing, 1) != 0) { /* [rel:finishing] [acq:finishing] */
        handle->finish(handle);
    }
    return false;
}

static struct handle *take_out(const void *key, enum handle_kind kind)
{
    urcu_bp_read_lock();
    struct handle *handle = look_up((uintptr_t)key, kind);
    if (handle && cds_lfht_del(table, &handle->node) != 0) {
        handle = NULL; /* another thread closes it */
    }
    urcu_bp_read_unlock();
    return handle;
}

int handle_close(const void *key, enum handle_kind kind)
{
    struct handle *handle = take_out(key, kind);
    if (!handle) {
        return handle_error(key, kind);
    }
    store32_relaxed(&handle->closing, 1);
    (void)add64_release(&handle_epoch, 1); /* [rel:epoch] */
    handle->wake(handle);
    urcu_bp_synchronize_rcu();
    HANDLE_GRACE_PERIOD_OVER();
    const bool pinned = load32_relaxed(&handle->pinned) != 0;
    if (!pinned || exchange32_acq_rel(&handle->finishing, 1) != 0) { /* [rel:finishing] [acq:finishing] */
        handle->finish(handle);
    }
    return 0;
}

void handle_forked(void)
{
    (void)add32_relaxed(&fork_generation, 1);
    (void)add64_release(&handle_epoch, 1); /* [rel:epoch] */
}
