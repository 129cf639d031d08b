/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "participant.h"

#include "error.h"
#include "os_barrier.h"
#include "os_clock.h"
#include "os_futex.h"
#include "os_lock.h"
#include "os_process.h"

#include <string.h>

/* Tried once, so that the tools can tell. */
void participant_prepare(struct participant *self)
{
    self->pid_namespace = os_process_namespace();
    self->registered = !self->fenced && os_barrier_register();
    self->flags =
        (self->registered ? PARTICIPANT_REGISTERED : 0) | (os_barrier_global() ? 0 : PARTICIPANT_TIMED);
}

static void fill(struct participant *self, uint32_t index, const char *name)
{
    struct shm_participant *entry = &self->table[index];
    const uint64_t generation = load64_relaxed(&entry->state) >> 32;
    self->index = index;
    self->owner = (generation << 32) | (index + 1);
    store32_relaxed(&entry->pid, os_process_id());
    store32_relaxed(&entry->flags, self->flags);
    entry->attached_ns = os_clock_realtime();
    entry->pid_namespace = self->pid_namespace;
    os_process_host(entry->host, sizeof entry->host);
    memset(entry->name, 0, sizeof entry->name);
    memcpy(entry->name, name, strnlen(name, sizeof entry->name - 1));
    store64_release(&entry->state, (generation << 32) | PARTICIPANT_ATTACHED); /* [rel:participant] */
}

/*
 * Makes an entry ours to lock: its last owner is dead for good, before our lock could be taken for his. Only holders
 * of the directory lock do that, so nobody comes between.
 */
static bool retire(const struct participant *self, uint32_t index)
{
    if (os_lock_is_owned(self->lock_fd, LOCK_PARTICIPANT(index))) {
        return false;
    }
    atomic_u64 *state = &self->table[index].state;
    const uint64_t generation = (load64_relaxed(state) >> 32) + 1;
    store64_release(state, (generation << 32) | PARTICIPANT_FREE); /* [rel:participant] */
    return true;
}

void participant_sweep(const struct participant *self)
{
    for (uint32_t i = 0; i < self->count; i++) {
        if (i != self->index && (uint32_t)load64_relaxed(&self->table[i].state) == PARTICIPANT_ATTACHED) {
            (void)retire(self, i);
        }
    }
}

int participant_attach(struct participant *self, const char *name)
{
    for (uint32_t i = 0; i < self->count; i++) {
        if (!retire(self, i)) {
            continue;
        }
        const int err = os_lock_try(self->lock_fd, LOCK_PARTICIPANT(i));
        if (err == 0) {
            fill(self, i, name);
            return 0;
        }
        if (err != -EAGAIN && err != -EACCES) {
            return error_set(err, "cannot lock the liveness byte of participant %u: %s", i,
                             strerrordesc_np(-err));
        }
    }
    return error_set(-EUSERS,
                     "all %u participant entries of the bus are taken by living processes; "
                     "create it with more participants",
                     self->count);
}

void participant_detach(struct participant *self)
{
    struct shm_participant *entry = &self->table[self->index];
    const uint64_t generation = self->owner >> 32;
    store64_release(&entry->state, (generation << 32) | PARTICIPANT_FREE); /* [rel:participant] */
    (void)os_lock_release(self->lock_fd, LOCK_PARTICIPANT(self->index));
}

bool participant_alive(const struct participant *self, uint64_t owner)
{
    const uint32_t index = participant_index(owner);
    if (index >= self->count) {
        return false;
    }
    const uint64_t state = load64_acquire(&self->table[index].state); /* [acq:participant] */
    if (state != ((owner >> 32 << 32) | PARTICIPANT_ATTACHED)) {
        return false;
    }
    if (owner == self->owner) {
        return true;
    }
    /* The lock may be that of the entry's next user, who has changed the state before he took it. */
    return os_lock_is_owned(self->lock_fd, LOCK_PARTICIPANT(index)) &&
           load64_acquire(&self->table[index].state) == state; /* [acq:participant] */
}

bool participant_barrier(const struct participant *self)
{
    if (likely(os_barrier_global())) { /* [asym:wait] with waiter_notify() of waiter.h */
        return true;
    }
    atomic_u32 *flags = &self->table[self->index].flags;
    store32_relaxed(flags, load32_relaxed(flags) | PARTICIPANT_TIMED);
    return false;
}

void participant_ring(const struct participant *self, uint32_t index)
{
    atomic_u32 *bell = &self->table[index].bell;
    (void)add32_release(bell, 1); /* [rel:bell] */
    os_futex_wake_all(bell);
}
