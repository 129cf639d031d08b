/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for bus/atomics.h, whose guard it takes: the same functions, each of them one step of a simulated
 * process (machine.h) when it touches the simulated segment. So the scheduler may switch, and kill, before each.
 * What a process has in private memory is not interleaved.
 *
 * concurrency   one thread: the processes are coroutines
 * killed        before the access, or after it
 *
 * Fences are no steps. Which value a load finds is the last one written, or one that weak.h allows.
 */
#ifndef SHMBUS_BUS_ATOMICS_H
#define SHMBUS_BUS_ATOMICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weak.h"

#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

typedef uint32_t atomic_u32;
typedef uint64_t atomic_u64;

#define SIM_MEMORY_SIZE 65536u

/* The segment of all simulated processes, and how many steps the running one has left. */
extern unsigned char sim_memory[SIM_MEMORY_SIZE];
extern int64_t sim_budget;

/* The running process has used its steps up: others run, perhaps for ever. */
void sim_pause(const void *address);

/* Around each compare-and-swap: where races are decided others run more often, and kills are planned. */
void sim_before_cas(void);
void sim_after_cas(bool swapped);

static inline bool sim_is_shared(const void *address)
{
    return (uintptr_t)address - (uintptr_t)sim_memory < SIM_MEMORY_SIZE;
}

static inline void sim_step(const void *address)
{
    if (sim_is_shared(address) && unlikely(--sim_budget <= 0)) {
        sim_pause(address);
    }
}

/* Does the access go by weak.h? Else memory is what was last written to it. */
static inline bool sim_is_weak(const void *address)
{
    return unlikely(weak_on) && sim_is_shared(address);
}

/* Accesses that have a number are named NAME_at(number, ...): orders.py. */
#define load32_acquire_at(site, word) sim_load32(word, weak_order_at(site, WEAK_ACQUIRE))
#define load64_acquire_at(site, word) sim_load64(word, weak_order_at(site, WEAK_ACQUIRE))
#define store32_release_at(site, word, value) sim_store32(word, value, weak_order_at(site, WEAK_RELEASE))
#define store64_release_at(site, word, value) sim_store64(word, value, weak_order_at(site, WEAK_RELEASE))
#define cas32_acquire_at(site, word, expected, desired)                                                      \
    sim_cas32(word, expected, desired, weak_order_at(site, WEAK_ACQUIRE))
#define cas32_release_at(site, word, expected, desired)                                                      \
    sim_cas32(word, expected, desired, weak_order_at(site, WEAK_RELEASE))
#define cas32_acq_rel_at(site, word, expected, desired)                                                      \
    sim_cas32(word, expected, desired, weak_order_at(site, WEAK_ACQ_REL))
#define cas64_acquire_at(site, word, expected, desired)                                                      \
    sim_cas64(word, expected, desired, weak_order_at(site, WEAK_ACQUIRE))
#define cas64_release_at(site, word, expected, desired)                                                      \
    sim_cas64(word, expected, desired, weak_order_at(site, WEAK_RELEASE))
#define cas64_acq_rel_at(site, word, expected, desired)                                                      \
    sim_cas64(word, expected, desired, weak_order_at(site, WEAK_ACQ_REL))
#define exchange32_acq_rel_at(site, word, value)                                                             \
    sim_change32(word, WEAK_EXCHANGE, value, weak_order_at(site, WEAK_ACQ_REL))
#define exchange64_acq_rel_at(site, word, value)                                                             \
    sim_change64(word, WEAK_EXCHANGE, value, weak_order_at(site, WEAK_ACQ_REL))
#define add32_release_at(site, word, value)                                                                  \
    sim_change32(word, WEAK_ADD, value, weak_order_at(site, WEAK_RELEASE))
#define add32_acq_rel_at(site, word, value)                                                                  \
    sim_change32(word, WEAK_ADD, value, weak_order_at(site, WEAK_ACQ_REL))
#define add64_release_at(site, word, value)                                                                  \
    sim_change64(word, WEAK_ADD, value, weak_order_at(site, WEAK_RELEASE))
#define add64_acq_rel_at(site, word, value)                                                                  \
    sim_change64(word, WEAK_ADD, value, weak_order_at(site, WEAK_ACQ_REL))
#define or32_release_at(site, word, value)                                                                   \
    sim_change32(word, WEAK_OR, value, weak_order_at(site, WEAK_RELEASE))
#define or32_acq_rel_at(site, word, value)                                                                   \
    sim_change32(word, WEAK_OR, value, weak_order_at(site, WEAK_ACQ_REL))
#define or64_release_at(site, word, value)                                                                   \
    sim_change64(word, WEAK_OR, value, weak_order_at(site, WEAK_RELEASE))
#define or64_acq_rel_at(site, word, value)                                                                   \
    sim_change64(word, WEAK_OR, value, weak_order_at(site, WEAK_ACQ_REL))
#define and32_release_at(site, word, value)                                                                  \
    sim_change32(word, WEAK_AND, value, weak_order_at(site, WEAK_RELEASE))
#define and64_release_at(site, word, value)                                                                  \
    sim_change64(word, WEAK_AND, value, weak_order_at(site, WEAK_RELEASE))
#define fence_acquire_at(site) weak_fence(weak_order_at(site, WEAK_ACQUIRE))
#define fence_release_at(site) weak_fence(weak_order_at(site, WEAK_RELEASE))
#define fence_seq_cst_at(site) weak_fence(weak_order_at(site, WEAK_SEQ_CST))
#define os_barrier_global_at(site) (weak_order_at(site, WEAK_SEQ_CST) != WEAK_SEQ_CST || os_barrier_global())

#define load32_relaxed(word) sim_load32(word, WEAK_RELAXED)
#define load64_relaxed(word) sim_load64(word, WEAK_RELAXED)
#define store32_relaxed(word, value) sim_store32(word, value, WEAK_RELAXED)
#define store64_relaxed(word, value) sim_store64(word, value, WEAK_RELAXED)
#define add32_relaxed(word, value) sim_change32(word, WEAK_ADD, value, WEAK_RELAXED)
#define add64_relaxed(word, value) sim_change64(word, WEAK_ADD, value, WEAK_RELAXED)
#define or32_relaxed(word, value) sim_change32(word, WEAK_OR, value, WEAK_RELAXED)
#define or64_relaxed(word, value) sim_change64(word, WEAK_OR, value, WEAK_RELAXED)
#define and32_relaxed(word, value) sim_change32(word, WEAK_AND, value, WEAK_RELAXED)
#define and64_relaxed(word, value) sim_change64(word, WEAK_AND, value, WEAK_RELAXED)
#define load32_acquire(word) sim_load32(word, WEAK_ACQUIRE)
#define load64_acquire(word) sim_load64(word, WEAK_ACQUIRE)
#define store32_release(word, value) sim_store32(word, value, WEAK_RELEASE)
#define store64_release(word, value) sim_store64(word, value, WEAK_RELEASE)
#define cas32_acquire(word, expected, desired) sim_cas32(word, expected, desired, WEAK_ACQUIRE)
#define cas32_release(word, expected, desired) sim_cas32(word, expected, desired, WEAK_RELEASE)
#define cas32_acq_rel(word, expected, desired) sim_cas32(word, expected, desired, WEAK_ACQ_REL)
#define cas64_acquire(word, expected, desired) sim_cas64(word, expected, desired, WEAK_ACQUIRE)
#define cas64_release(word, expected, desired) sim_cas64(word, expected, desired, WEAK_RELEASE)
#define cas64_acq_rel(word, expected, desired) sim_cas64(word, expected, desired, WEAK_ACQ_REL)
#define exchange32_acq_rel(word, value) sim_change32(word, WEAK_EXCHANGE, value, WEAK_ACQ_REL)
#define exchange64_acq_rel(word, value) sim_change64(word, WEAK_EXCHANGE, value, WEAK_ACQ_REL)
#define add32_release(word, value) sim_change32(word, WEAK_ADD, value, WEAK_RELEASE)
#define add32_acq_rel(word, value) sim_change32(word, WEAK_ADD, value, WEAK_ACQ_REL)
#define add64_release(word, value) sim_change64(word, WEAK_ADD, value, WEAK_RELEASE)
#define add64_acq_rel(word, value) sim_change64(word, WEAK_ADD, value, WEAK_ACQ_REL)
#define or32_release(word, value) sim_change32(word, WEAK_OR, value, WEAK_RELEASE)
#define or32_acq_rel(word, value) sim_change32(word, WEAK_OR, value, WEAK_ACQ_REL)
#define or64_release(word, value) sim_change64(word, WEAK_OR, value, WEAK_RELEASE)
#define or64_acq_rel(word, value) sim_change64(word, WEAK_OR, value, WEAK_ACQ_REL)
#define and32_release(word, value) sim_change32(word, WEAK_AND, value, WEAK_RELEASE)
#define and64_release(word, value) sim_change64(word, WEAK_AND, value, WEAK_RELEASE)

#define SIM_DEFINE_ACCESSES(bits)                                                                            \
    static inline uint##bits##_t sim_load##bits(const atomic_u##bits *word, enum weak_order order)           \
    {                                                                                                        \
        sim_step(word);                                                                                      \
        return sim_is_weak(word) ? (uint##bits##_t)weak_load(word, sizeof *word, order)                      \
                                 : __atomic_load_n(word, __ATOMIC_RELAXED);                                  \
    }                                                                                                        \
    static inline void sim_store##bits(atomic_u##bits *word, uint##bits##_t value, enum weak_order order)    \
    {                                                                                                        \
        sim_step(word);                                                                                      \
        if (sim_is_weak(word)) {                                                                             \
            weak_store(word, sizeof *word, value, order);                                                    \
        } else {                                                                                             \
            __atomic_store_n(word, value, __ATOMIC_RELAXED);                                                 \
        }                                                                                                    \
    }                                                                                                        \
    static inline uint##bits##_t sim_change##bits(atomic_u##bits *word, enum weak_change change,             \
                                                  uint##bits##_t value, enum weak_order order)               \
    {                                                                                                        \
        sim_step(word);                                                                                      \
        const uint##bits##_t before = *word;                                                                 \
        if (sim_is_weak(word)) {                                                                             \
            (void)weak_change(word, sizeof *word, change, value, order);                                     \
        } else {                                                                                             \
            *word = (uint##bits##_t)weak_changed(before, change, value);                                     \
        }                                                                                                    \
        return before;                                                                                       \
    }                                                                                                        \
    static inline bool sim_cas##bits(atomic_u##bits *word, uint##bits##_t *expected, uint##bits##_t desired, \
                                     enum weak_order order)                                                  \
    {                                                                                                        \
        sim_before_cas();                                                                                    \
        sim_step(word);                                                                                      \
        const uint##bits##_t before = *word;                                                                 \
        const bool equal = before == *expected;                                                              \
        if (sim_is_weak(word)) {                                                                             \
            (void)weak_swap(word, sizeof *word, *expected, desired, order);                                  \
        } else {                                                                                             \
            *word = equal ? desired : before;                                                                \
        }                                                                                                    \
        *expected = before;                                                                                  \
        sim_after_cas(equal);                                                                                \
        return equal;                                                                                        \
    }

SIM_DEFINE_ACCESSES(32)
SIM_DEFINE_ACCESSES(64)
#undef SIM_DEFINE_ACCESSES

static inline void fence_compiler(void)
{
    __asm__ volatile("" ::: "memory");
}

static inline void fence_acquire(void)
{
    weak_fence(WEAK_ACQUIRE);
}

static inline void fence_release(void)
{
    weak_fence(WEAK_RELEASE);
}

static inline void fence_seq_cst(void)
{
    weak_fence(WEAK_SEQ_CST);
}

static inline void count_relaxed(atomic_u64 *counter, uint64_t by)
{
    store64_relaxed(counter, load64_relaxed(counter) + by);
}

/* The process spins: others first. */
void cpu_relax(void);

static inline void prefetch_for_reading(const void *address)
{
    (void)address;
}

static inline void prefetch_for_writing(const void *address)
{
    (void)address;
}

#endif
