/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for the os_* files of bus/: one segment file, locks, futexes, time and memory of the simulated host.
 * Each call is a step of its own.
 */
#include "os.h"

#undef memcpy /* here the real one copies */

#include "error.h"
#include "layout.h"
#include "machine.h"
#include "os_access.h"
#include "os_barrier.h"
#include "os_clock.h"
#include "os_futex.h"
#include "os_guard.h"
#include "os_lock.h"
#include "os_process.h"
#include "os_segment.h"

#include <string.h>

#define FILES 512u
#define PARTICIPANT_LOCKS 32u
#define CHANNEL_LOCKS 2u
#define LOCKS (1 + PARTICIPANT_LOCKS + CHANNEL_LOCKS)
#define MEMORY_SIZE (16u << 20)

struct file {
    uint32_t index; /* of the process that opened it */
    uint32_t life;
    uint32_t thread;
    bool open;
    bool unnamed;      /* created, not published: what was written waits in `header` */
    uint64_t reserved; /* of an unnamed one */
    struct shm_header header;
};

/* One byte's lock. */
struct lock {
    int holder;             /* exclusively; 0: nobody */
    struct weak_clock last; /* what those who let go of it knew */
    uint64_t shared[FILES / 64];
};

unsigned char sim_memory[SIM_MEMORY_SIZE] __attribute__((aligned(4096)));
int64_t sim_sleep_max;
uint64_t sim_sampling;

static struct {
    struct file files[FILES];
    int last_file;
    struct lock locks[LOCKS];
    bool exists;
    uint64_t size;
    struct weak_clock published;
} host;

static struct {
    unsigned char bytes[MEMORY_SIZE] __attribute__((aligned(64)));
    size_t used;
} memory;

void os_reset(void)
{
    memset(sim_memory, 0, host.size);
    memset(host.files, 0, sizeof host.files[0] * (size_t)(host.last_file + 1));
    memset(host.locks, 0, sizeof host.locks);
    memset(&host.published, 0, sizeof host.published);
    host.last_file = 0;
    host.exists = false;
    host.size = 0;
    memory.used = 0;
}

void *sim_allocate(size_t size)
{
    if (size > MEMORY_SIZE - memory.used) {
        machine_violation("the simulation's private memory is too small");
    }
    void *address = memory.bytes + memory.used;
    memory.used += (size + 63) / 64 * 64;
    return memset(address, 0, size);
}

void sim_copy_shared(void *to, const void *from, size_t size)
{
    const void *shared = sim_is_shared(to) ? to : from;
    const size_t half = size > 8 ? size / 2 : 0;
    sim_step(shared);
    weak_reads(from, size);
    if (weak_observed) {
        weak_words(to, size);
    }
    weak_writes(to, size);
    memcpy(to, from, half);
    if (half > 0) {
        weak_wrote(to, half);
        sim_step((const unsigned char *)shared + half);
    }
    memcpy((unsigned char *)to + half, (const unsigned char *)from + half, size - half);
    weak_wrote(to, size);
}

int error_set(int err, const char *format, ...)
{
    (void)format;
    return err;
}

/* ------------------------------------------------------------------------------------------------ */
/* Locks                                                                                              */
/* ------------------------------------------------------------------------------------------------ */

static struct lock *lock_of(int64_t byte)
{
    const int64_t channel = byte - LOCK_CHANNEL(0);
    const int64_t participant = byte - LOCK_PARTICIPANT(0);
    if (channel >= 0) {
        return &host.locks[1 + PARTICIPANT_LOCKS + (uint64_t)channel];
    }
    return participant >= 0 ? &host.locks[1 + (uint64_t)participant] : &host.locks[0];
}

static bool is_shared_by_others(const struct lock *lock, int fd)
{
    for (int i = 0; i < (int)FILES / 64; i++) {
        const uint64_t own = i == fd / 64 ? UINT64_C(1) << fd % 64 : 0;
        if (lock->shared[i] & ~own) {
            return true;
        }
    }
    return false;
}

static bool is_held_by_others(const struct lock *lock, int fd)
{
    return (lock->holder != 0 && lock->holder != fd) || is_shared_by_others(lock, fd);
}

static void let_go(struct lock *lock, int fd)
{
    const uint64_t bit = UINT64_C(1) << fd % 64;
    if (lock->holder == fd || lock->shared[fd / 64] & bit) {
        weak_gives(&lock->last, host.files[fd].thread);
    }
    lock->shared[fd / 64] &= ~bit;
    if (lock->holder == fd) {
        lock->holder = 0;
    }
    machine_wake(lock);
}

int os_lock_try(int fd, int64_t byte)
{
    machine_point("lock");
    struct lock *lock = lock_of(byte);
    if (is_held_by_others(lock, fd)) {
        return -EAGAIN;
    }
    weak_takes(&lock->last);
    lock->holder = fd;
    return 0;
}

int os_lock_wait(int fd, int64_t byte)
{
    while (os_lock_try(fd, byte) != 0) {
        (void)machine_block(lock_of(byte), INT64_MAX);
    }
    return 0;
}

int os_lock_shared(int fd, int64_t byte)
{
    machine_point("lock shared");
    lock_of(byte)->shared[fd / 64] |= UINT64_C(1) << fd % 64;
    return 0;
}

int os_lock_release(int fd, int64_t byte)
{
    machine_point("unlock");
    let_go(lock_of(byte), fd);
    return 0;
}

bool os_lock_is_held(int fd, int64_t byte)
{
    machine_point("is it locked?");
    const struct lock *lock = lock_of(byte);
    if (is_held_by_others(lock, fd)) {
        return true;
    }
    weak_takes(&lock->last);
    return false;
}

bool os_lock_is_owned(int fd, int64_t byte)
{
    return os_lock_is_held(fd, byte); /* nobody only reads */
}

static void close_file(int fd)
{
    host.files[fd].open = false;
    for (uint32_t i = 0; i < LOCKS; i++) {
        let_go(&host.locks[i], fd);
    }
}

void os_process_gone(uint32_t index, uint32_t life)
{
    for (int fd = 1; fd <= host.last_file; fd++) {
        const struct file *file = &host.files[fd];
        if (file->open && file->index == index && file->life == life) {
            close_file(fd);
        }
    }
}

/* ------------------------------------------------------------------------------------------------ */
/* The segment's file                                                                                 */
/* ------------------------------------------------------------------------------------------------ */

static int open_file(void)
{
    if (host.last_file + 1 >= (int)FILES) {
        machine_violation("the simulation has too few file descriptors");
    }
    const struct machine_process *self = machine_self();
    const int fd = ++host.last_file;
    host.files[fd] =
        (struct file){.index = self->index, .life = self->life, .thread = self->thread, .open = true};
    return fd;
}

int os_segment_open(const char *name, bool writable)
{
    (void)name, (void)writable;
    machine_point("open");
    weak_takes(&host.published);
    return host.exists ? open_file() : -ENOENT;
}

int os_segment_create(void)
{
    machine_point("create");
    const int fd = open_file();
    host.files[fd].unnamed = true;
    return fd;
}

int os_segment_write(int fd, const void *data, size_t size)
{
    machine_point("write");
    memcpy(&host.files[fd].header, data, size);
    return 0;
}

int os_segment_publish(int fd, const char *name)
{
    (void)name;
    machine_point("publish");
    if (host.exists) {
        return -EEXIST;
    }
    memcpy(sim_memory, &host.files[fd].header, sizeof host.files[fd].header);
    weak_emptied(sim_memory, sizeof host.files[fd].header);
    weak_gives(&host.published, machine_self()->thread);
    host.files[fd].unnamed = false;
    host.size = host.files[fd].reserved;
    host.exists = true;
    return 0;
}

int os_segment_unlink(const char *name)
{
    (void)name;
    return -EBUSY; /* nobody removes the bus */
}

int os_segment_status(int fd, struct os_segment_status *status)
{
    (void)fd;
    machine_point("stat");
    *status = (struct os_segment_status){
        .size = host.size, .device = 1, .inode = 1, .mode = 0600, .links = 1, .resident = host.size};
    return 0;
}

int os_segment_reserve(int fd, uint64_t offset, uint64_t size)
{
    machine_point("reserve");
    if (offset + size > SIM_MEMORY_SIZE) {
        return -ENOSPC;
    }
    if (host.files[fd].unnamed) {
        host.files[fd].reserved = offset + size;
        return 0;
    }
    host.size = offset + size > host.size ? offset + size : host.size;
    return 0;
}

int os_segment_punch(int fd, uint64_t offset, uint64_t size)
{
    (void)fd;
    machine_point("punch");
    memset(sim_memory + offset, 0, size);
    weak_emptied(sim_memory + offset, size);
    return 0;
}

uint64_t os_segment_free(int fd)
{
    (void)fd;
    return SIM_MEMORY_SIZE - host.size;
}

int os_segment_map(int fd, uint64_t offset, uint64_t size, bool writable, void **address)
{
    (void)fd, (void)size, (void)writable;
    *address = sim_memory + offset;
    return 0;
}

void os_segment_unmap(void *address, uint64_t size)
{
    (void)address, (void)size;
}

void os_segment_close(int fd)
{
    machine_point("close");
    close_file(fd);
}

/* ------------------------------------------------------------------------------------------------ */
/* One user, and no damage                                                                            */
/* ------------------------------------------------------------------------------------------------ */

uint32_t os_access_user(void)
{
    return 0;
}

int os_access_group(const char *group, uint32_t *gid)
{
    (void)group, (void)gid;
    return -ENOENT;
}

int os_access_set_group(int fd, uint32_t gid)
{
    (void)fd, (void)gid;
    return 0;
}

int os_access_set_mode(int fd, uint32_t mode)
{
    (void)fd, (void)mode;
    return 0;
}

int os_access_set_acl(int fd, uint32_t mode, const char *acl)
{
    (void)fd, (void)mode, (void)acl;
    return 0;
}

int os_guard_install(void)
{
    return 0;
}

void os_guard_tell(const void *address, atomic_u32 *word)
{
    (void)address, (void)word;
}

bool os_guard_lost(const void *address)
{
    (void)address;
    return false;
}

/* ------------------------------------------------------------------------------------------------ */
/* Sleep, time, barriers                                                                              */
/* ------------------------------------------------------------------------------------------------ */

void os_futex_wait(atomic_u32 *word, uint32_t expected, int64_t deadline)
{
    sim_step(word);
    if (weak_latest(word, sizeof *word) == expected) {
        (void)machine_block(word, deadline);
    }
}

bool os_futex_wait_any(const struct os_futex_word *words, unsigned count, int64_t deadline)
{
    (void)words, (void)count, (void)deadline;
    return false;
}

void os_futex_wake_all(atomic_u32 *word)
{
    sim_step(word);
    machine_wake(word);
}

int64_t os_clock_monotonic(void)
{
    return machine_time();
}

uint64_t os_clock_realtime(void)
{
    return (uint64_t)machine_time();
}

uint64_t os_process_namespace(void)
{
    return 1;
}

void os_process_host(char *name, size_t size)
{
    memset(name, 0, size);
}

uint32_t os_process_id(void)
{
    return machine_self()->index + 1;
}

void os_yield(void)
{
    machine_relax();
}

void os_give_way(void)
{
    machine_relax();
}

bool os_barrier_register(void)
{
    return true;
}

bool os_barrier_global(void)
{
    machine_point("membarrier");
    weak_fence_all();
    return true;
}
