/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/io_uring.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "doctor.h"
#include "report.h"

/* Newer than Debian 12's headers. */
#define OP_FUTEX_WAITV 53
#define PROBED 64

static int has_membarrier(void)
{
    const long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    return commands > 0 && (commands & MEMBARRIER_CMD_GLOBAL_EXPEDITED);
}

/* With nothing to wait for it is refused as invalid, where it is there. */
static int has_futex_waitv(void)
{
    return syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0) == -1 && errno == EINVAL;
}

static int has_uring_futex(void)
{
    struct io_uring_params params = {0};
    const int ring = (int)syscall(SYS_io_uring_setup, 1, &params);
    if (ring < 0) {
        return 0;
    }
    const size_t size = sizeof(struct io_uring_probe) + PROBED * sizeof(struct io_uring_probe_op);
    struct io_uring_probe *probe = calloc(1, size);
    const int known =
        probe && syscall(SYS_io_uring_register, ring, IORING_REGISTER_PROBE, probe, PROBED) == 0 &&
        probe->ops_len > OP_FUTEX_WAITV && (probe->ops[OP_FUTEX_WAITV].flags & IO_URING_OP_SUPPORTED);
    free(probe);
    (void)close(ring);
    return known;
}

static void lacks(struct findings *findings, const char *kind, const char *what, const char *meaning)
{
    struct finding *finding = finding_add(findings, SEVERITY_HINT, kind, NULL);
    finding_set(&finding->what, "this process cannot use %s: the kernel is too old, or seccomp forbids it",
                what);
    finding_set(&finding->meaning, "%s", meaning);
}

void doctor_kernel(struct findings *findings)
{
    if (!has_membarrier()) {
        lacks(findings, "no-membarrier", "membarrier (Linux 4.16)",
              "Each message costs a fence, and who waits wakes up every millisecond.");
    }
    if (!has_futex_waitv()) {
        lacks(findings, "no-futex-waitv", "futex_waitv (Linux 5.16)",
              "Waitsets that span several buses, and interruptible waits, sleep in steps of a millisecond.");
    }
    if (!has_uring_futex()) {
        lacks(findings, "no-uring-futex", "the futexes of io_uring (Linux 6.7)",
              "shmbus_waitset_fd() takes a thread for each set.");
    }
}
