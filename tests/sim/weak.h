/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory as C11 allows it to be, not as any one CPU has it: a load may find an older value than the last one
 * written, unless something that the reader has synchronised with says that it is older. So a missing acquire,
 * release or fence does harm here that x86-64 hides, and ARM64 may hide for years.
 *
 * After the operational "view" semantics of release and acquire (Kang et al., "A promising semantics for
 * relaxed-memory concurrency", POPL 2017; Dang et al., "RustBelt meets relaxed memory", POPL 2020), told by vector clocks.
 * Each word keeps its last stores. A store that a process has synchronised with, or one that was read by an
 * access that it has synchronised with, hides all before it. A full fence makes known what all earlier full
 * fences knew.
 *
 * What C11 allows and this does not: stores to one word in another order than they were executed in; a failing
 * compare-and-swap that sees an old value; values older than WEAK_HISTORY stores. Loads that see later stores
 * ("out of thin air") are excluded, as RC11 does. Relaxed payload words of overwrite channels are words like
 * any other. Plain copies are checked for data races instead: each must have synchronised with the last one.
 *
 * concurrency   one thread: the processes are coroutines (machine.h)
 * killed        a killed process's stores stay as they are: known to who synchronises with its end
 */
#ifndef SHMBUS_TESTS_SIM_WEAK_H
#define SHMBUS_TESTS_SIM_WEAK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEAK_THREADS 12u

/* What a memory order is made of. */
enum weak_order {
    WEAK_RELAXED = 0,
    WEAK_ACQUIRE = 1,
    WEAK_RELEASE = 2,
    WEAK_ACQ_REL = 3,
    WEAK_SEQ_CST = 7
};

enum weak_change {
    WEAK_EXCHANGE,
    WEAK_ADD,
    WEAK_OR,
    WEAK_AND
};

static inline uint64_t weak_changed(uint64_t before, enum weak_change change, uint64_t value)
{
    switch (change) {
    case WEAK_ADD:
        return before + value;
    case WEAK_OR:
        return before | value;
    case WEAK_AND:
        return before & value;
    default:
        return value;
    }
}

/* How much of each thread's past is known somewhere. */
struct weak_clock {
    uint32_t after[WEAK_THREADS]; /* synchronised with: plain accesses do not race */
    uint32_t seen[WEAK_THREADS];  /* that, and what full fences add: no load finds anything older */
};

/* Off: every load finds the last value. Else one load in `stale` that may find an older one does. */
void weak_reset(uint64_t seed, uint32_t stale);
extern bool weak_on;

/* The next load is one whose order was taken away: it finds an older value whenever it may. */
extern bool weak_eager;

/* From here on every load finds the last value, and nothing races. */
void weak_calm(void);

/* Accesses of the running process, of words of `size` bytes, 4 or 8. */
uint64_t weak_load(const void *word, size_t size, enum weak_order order);
void weak_store(void *word, size_t size, uint64_t value, enum weak_order order);
uint64_t weak_change(void *word, size_t size, enum weak_change change, uint64_t value, enum weak_order order);
bool weak_swap(void *word, size_t size, uint64_t expected, uint64_t desired, enum weak_order order);
void weak_fence(enum weak_order order);

/* What the kernel finds there for the running process. */
uint64_t weak_latest(const void *word, size_t size);

/* The running process lets others go first. */
void weak_relax(void);

/* Plain accesses: a race with another process's is a violation. Call weak_wrote() after the bytes have changed. */
void weak_reads(const void *from, size_t size);
void weak_writes(const void *to, size_t size);
void weak_wrote(const void *to, size_t size);

/* These bytes are about to be written plainly, and are read as words of 8 bytes: in which order, they shall remember. */
void weak_words(const void *at, size_t size);

/* Somebody reads all that is written plainly as words, and without having synchronised: weak_words() of each copy. */
extern bool weak_observed;

/* The kernel has emptied these bytes, for everybody. */
void weak_emptied(const void *at, size_t size);

/* What is written before a lock is let go is known to who takes it, or finds it free. */
void weak_gives(struct weak_clock *clock, uint32_t thread);
void weak_takes(const struct weak_clock *clock);

/* Every process passes a full fence: membarrier. */
void weak_fence_all(void);

/* The running process has been told, by other means than the segment, of all that has happened. */
void weak_told(void);

/* An access of the library that has a number: see orders.py. It is counted, and may be made weaker by one. */
enum weak_order weak_order_at(unsigned site, enum weak_order order);

#endif
