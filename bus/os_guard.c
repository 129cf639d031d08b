/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "os_guard.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One mapping. The plain fields are written before it is in use, and read by those who have it pinned. */
struct region {
    atomic_u32 state; /* REGION_*, and how many have it pinned */
    int fd;
    uintptr_t start;
    uint64_t size;
    atomic_u64 word; /* address of what os_guard_tell() was told, or 0 */
};

#define REGION_FREE 0u
#define REGION_TAKEN 1u /* is being filled */
#define REGION_USED 2u
#define REGION_LOST 4u /* with REGION_USED: it is private memory now */
#define REGION_PIN 8u

static struct region regions[GUARD_REGIONS];
static atomic_u32 installed;
static pthread_once_t install_once = PTHREAD_ONCE_INIT;
static int install_error;
static struct sigaction previous;

/* Keeps the region from being unmapped. False when it is not in use. */
static bool pin(struct region *region)
{
    uint32_t state = load32_acquire(&region->state); /* [acq:region] */
    while (state & REGION_USED) {
        if (cas32_acquire(&region->state, &state, state + REGION_PIN)) { /* [acq:region] */
            return true;
        }
    }
    return false;
}

/* The state it had. */
static uint32_t unpin(struct region *region)
{
    /* [rel:region-pin] [rel:region-word] [acq:region-lost] */
    return add32_acq_rel(&region->state, -REGION_PIN);
}

/* The region of the mapping that starts at `address`, pinned, or NULL. */
static struct region *pin_start(const void *address)
{
    if (load32_relaxed(&installed) == 0) {
        return NULL;
    }
    for (unsigned i = 0; i < GUARD_REGIONS; i++) {
        if (pin(&regions[i])) {
            if (regions[i].start == (uintptr_t)address) {
                return &regions[i];
            }
            (void)unpin(&regions[i]);
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------------------------------------ */
/* The handler: async-signal-safe                                                                     */
/* ------------------------------------------------------------------------------------------------ */

/* The descriptor whose segment is mapped at `address`, or -1. */
static int find_fd(uintptr_t address)
{
    int fd = -1;
    for (unsigned i = 0; i < GUARD_REGIONS && fd < 0; i++) {
        if (pin(&regions[i])) {
            fd = address - regions[i].start < regions[i].size ? regions[i].fd : -1;
            (void)unpin(&regions[i]);
        }
    }
    return fd;
}

/*
 * Memory that nobody shares in the region's place. By a bare system call: ThreadSanitizer takes mmap() for a write
 * to all of it, and calls what others do there meanwhile a race.
 */
static bool replace(struct region *region)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
    if (syscall(SYS_mmap, region->start, region->size, PROT_READ | PROT_WRITE, flags, -1, 0) !=
        (long)region->start) {
        return false;
    }
    (void)or32_acq_rel(&region->state, REGION_LOST); /* [rel:region-lost] [acq:region-word] */
    const uint64_t word = load64_relaxed(&region->word);
    if (word != 0) {
        store32_relaxed((atomic_u32 *)(uintptr_t)word, 1); /* NOLINT(performance-no-int-to-ptr) */
    }
    return true;
}

/* All mappings of one segment at once: no half of it is used while the other is lost. */
static bool replace_segment(uintptr_t address)
{
    const int fd = find_fd(address);
    bool replaced = fd >= 0;
    for (unsigned i = 0; i < GUARD_REGIONS && replaced; i++) {
        if (pin(&regions[i])) {
            replaced = regions[i].fd != fd || replace(&regions[i]);
            (void)unpin(&regions[i]);
        }
    }
    return replaced;
}

/* What happens without any handler: the process ends. A fault is repeated on return; what was sent is not. */
static void end_process(const siginfo_t *info)
{
    const struct sigaction none = {.sa_handler = SIG_DFL};
    (void)sigaction(SIGBUS, &none, NULL);
    if (info->si_code <= 0) {
        (void)raise(SIGBUS);
    }
}

/* As if we were not there. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    if (previous.sa_handler == SIG_DFL) {
        end_process(info);
    } else if (previous.sa_handler == SIG_IGN) {
        if (info->si_code > 0) { /* faults cannot be ignored */
            end_process(info);
        }
    } else {
        (void)pthread_sigmask(SIG_BLOCK, &previous.sa_mask, NULL); /* until we return */
        if (previous.sa_flags & SA_SIGINFO) {
            previous.sa_sigaction(number, info, context);
        } else {
            previous.sa_handler(number);
        }
    }
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
    const int before = errno;
    if (info->si_code != BUS_ADRERR || !replace_segment((uintptr_t)info->si_addr)) {
        pass_on(number, info, context);
    }
    errno = before;
}

/* ------------------------------------------------------------------------------------------------ */
/* The table                                                                                          */
/* ------------------------------------------------------------------------------------------------ */

static void install(void)
{
    struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    (void)sigemptyset(&action.sa_mask);
    /* First what was there: the handler may run before the second call returns. */
    if (sigaction(SIGBUS, NULL, &previous) != 0 || sigaction(SIGBUS, &action, NULL) != 0) {
        install_error = -errno;
        return;
    }
    store32_relaxed(&installed, 1);
}

int os_guard_install(void)
{
    (void)pthread_once(&install_once, install);
    return install_error;
}

static void use(struct region *region, const void *address, uint64_t size, int fd)
{
    region->start = (uintptr_t)address;
    region->size = size;
    region->fd = fd;
    store64_relaxed(&region->word, 0);
    store32_release(&region->state, REGION_USED); /* [rel:region] */
}

int os_guard_watch(const void *address, uint64_t size, int fd)
{
    if (load32_relaxed(&installed) == 0) {
        return 0;
    }
    for (unsigned i = 0; i < GUARD_REGIONS; i++) {
        uint32_t state = REGION_FREE;
        if (load32_relaxed(&regions[i].state) == REGION_FREE &&
            cas32_acquire(&regions[i].state, &state, REGION_TAKEN)) { /* [acq:region-free] */
            use(&regions[i], address, size, fd);
            return 0;
        }
    }
    return -ENOMEM;
}

void os_guard_unwatch(const void *address)
{
    struct region *region = pin_start(address);
    if (!region) {
        return;
    }
    uint32_t state = unpin(region) & (REGION_USED | REGION_LOST);
    /* A handler that has it pinned is on its way out. [acq:region-pin] [rel:region-free] */
    while (!cas32_acq_rel(&region->state, &state, REGION_FREE)) {
        state &= REGION_USED | REGION_LOST;
        (void)sched_yield();
    }
}

void os_guard_tell(const void *address, atomic_u32 *word)
{
    struct region *region = pin_start(address);
    if (!region) {
        return;
    }
    store64_relaxed(&region->word, (uintptr_t)word);
    if (unpin(region) & REGION_LOST) {
        store32_relaxed(word, 1);
    }
}

bool os_guard_lost(const void *address)
{
    struct region *region = pin_start(address);
    return region && (unpin(region) & REGION_LOST) != 0;
}
