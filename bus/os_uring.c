/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "os_uring.h"

#include <liburing.h>
#include <linux/futex.h>
#include <stdlib.h>

#define ENTRIES 8u
#define OP_FUTEX_WAITV 53 /* IORING_OP_FUTEX_WAITV: newer than Debian 12's headers */
#define WAIT UINT64_C(1)  /* user data of the wait, and of the timeout that is linked to it */
#define TIMEOUT UINT64_C(2)

struct os_uring {
    struct io_uring ring;
    uint64_t owner; /* the kernel serves no other thread */
    bool waiting;
    bool broken; /* refused once: what it was given may never be taken back */
};

/* Threads are told apart by a number of their own: the system's are used again. */
static uint64_t thread_number(void)
{
    static atomic_u64 last;
    static __thread uint64_t own;
    if (own == 0) {
        own = add64_relaxed(&last, 1) + 1;
    }
    return own;
}

bool os_uring_is_mine(const struct os_uring *uring)
{
    return uring->owner == thread_number();
}

static bool can_wait(struct io_uring *ring)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    const bool can = probe && io_uring_opcode_supported(probe, OP_FUTEX_WAITV);
    if (probe) {
        io_uring_free_probe(probe);
    }
    return can;
}

/* Deferred: the end of a wait signals the eventfd and does not interrupt the thread's system calls. */
static bool open_ring(struct io_uring *ring)
{
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                              IORING_SETUP_TASKRUN_FLAG};
    return io_uring_queue_init_params(ENTRIES, ring, &params) == 0;
}

struct os_uring *os_uring_open(int event_fd)
{
    struct os_uring *uring = calloc(1, sizeof *uring);
    if (!uring) {
        return NULL;
    }
    uring->owner = thread_number();
    if (!open_ring(&uring->ring)) {
        free(uring);
        return NULL;
    }
    if (!can_wait(&uring->ring) || io_uring_register_eventfd(&uring->ring, event_fd) != 0) {
        os_uring_close(uring);
        return NULL;
    }
    return uring;
}

void os_uring_close(struct os_uring *uring)
{
    io_uring_queue_exit(&uring->ring);
    free(uring);
}

static void prepare_wait(struct io_uring_sqe *sqe, const struct futex_waitv *waiters, unsigned count)
{
    io_uring_prep_rw(OP_FUTEX_WAITV, sqe, 0, waiters, count, 0);
    io_uring_sqe_set_data64(sqe, WAIT);
    io_uring_sqe_set_flags(sqe, IOSQE_IO_LINK);
}

bool os_uring_wait_any(struct os_uring *uring, const struct os_futex_word *words, unsigned count,
                       int64_t deadline)
{
    if (uring->broken || !os_uring_is_mine(uring)) {
        return false;
    }
    struct futex_waitv waiters[OS_FUTEX_WORDS];
    os_futex_vector(words, count, waiters);
    struct __kernel_timespec until = {.tv_sec = deadline / 1000000000, .tv_nsec = deadline % 1000000000};
    struct io_uring_sqe *wait = io_uring_get_sqe(&uring->ring); /* there is one: all were submitted */
    struct io_uring_sqe *timeout = io_uring_get_sqe(&uring->ring);
    prepare_wait(wait, waiters, count);
    io_uring_prep_link_timeout(timeout, &until, IORING_TIMEOUT_ABS);
    io_uring_sqe_set_data64(timeout, TIMEOUT);
    uring->waiting = io_uring_submit(&uring->ring) == 2; /* then the kernel has copied what it needs */
    uring->broken = !uring->waiting;
    return uring->waiting;
}

bool os_uring_is_done(struct os_uring *uring)
{
    if (uring->broken || !os_uring_is_mine(uring)) {
        return true; /* it can tell its owner only */
    }
    struct io_uring_cqe *cqe;
    while (io_uring_peek_cqe(&uring->ring, &cqe) == 0) {
        if (io_uring_cqe_get_data64(cqe) == WAIT) {
            uring->waiting = false;
        }
        io_uring_cqe_seen(&uring->ring, cqe);
    }
    return !uring->waiting;
}
