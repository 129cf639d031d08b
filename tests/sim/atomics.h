/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for bus/atomics.h, whose guard it takes: the same functions, each of them one step of a simulated
 * process (machine.h) when it touches the simulated segment. So the scheduler may switch, and kill, before each.
 * What a process has in private memory is not interleaved.
 *
 * concurrency   one thread: the processes are coroutines
 * killed        before the access, or after it
 *
 * The simulation is sequentially consistent: it shows no reordering. Fences are no steps.
 */
#ifndef SHMBUS_BUS_ATOMICS_H
#define SHMBUS_BUS_ATOMICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* One read-modify-write: what it leaves is `after`, made of `before` and `value`. */
#define SIM_DEFINE_CHANGE(bits, name, after)                                                                 \
    static inline uint##bits##_t name(atomic_u##bits *word, uint##bits##_t value)                            \
    {                                                                                                        \
        sim_step(word);                                                                                      \
        const uint##bits##_t before = *word;                                                                 \
        *word = (after);                                                                                     \
        return before;                                                                                       \
    }

#define SIM_DEFINE_ATOMICS(bits)                                                                             \
    static inline uint##bits##_t load##bits##_relaxed(const atomic_u##bits *word)                            \
    {                                                                                                        \
        sim_step(word);                                                                                      \
        return __atomic_load_n(word, __ATOMIC_RELAXED);                                                      \
    }                                                                                                        \
    static inline uint##bits##_t load##bits##_acquire(const atomic_u##bits *word)                            \
    {                                                                                                        \
        return load##bits##_relaxed(word);                                                                   \
    }                                                                                                        \
    static inline void store##bits##_relaxed(atomic_u##bits *word, uint##bits##_t value)                     \
    {                                                                                                        \
        sim_step(word);                                                                                      \
        __atomic_store_n(word, value, __ATOMIC_RELAXED);                                                     \
    }                                                                                                        \
    static inline void store##bits##_release(atomic_u##bits *word, uint##bits##_t value)                     \
    {                                                                                                        \
        store##bits##_relaxed(word, value);                                                                  \
    }                                                                                                        \
    static inline bool cas##bits##_acq_rel(atomic_u##bits *word, uint##bits##_t *expected,                   \
                                           uint##bits##_t desired)                                           \
    {                                                                                                        \
        sim_before_cas();                                                                                    \
        sim_step(word);                                                                                      \
        const uint##bits##_t before = *word;                                                                 \
        const bool equal = before == *expected;                                                              \
        *word = equal ? desired : before;                                                                    \
        *expected = before;                                                                                  \
        sim_after_cas(equal);                                                                                \
        return equal;                                                                                        \
    }                                                                                                        \
    SIM_DEFINE_CHANGE(bits, exchange##bits##_acq_rel, value)                                                 \
    SIM_DEFINE_CHANGE(bits, add##bits##_acq_rel, before + value)                                             \
    SIM_DEFINE_CHANGE(bits, add##bits##_relaxed, before + value)                                             \
    SIM_DEFINE_CHANGE(bits, or ##bits##_acq_rel, before | value)                                             \
    SIM_DEFINE_CHANGE(bits, and##bits##_acq_rel, before &value)

SIM_DEFINE_ATOMICS(32)
SIM_DEFINE_ATOMICS(64)
#undef SIM_DEFINE_ATOMICS
#undef SIM_DEFINE_CHANGE

static inline void fence_compiler(void)
{
    __asm__ volatile("" ::: "memory");
}

static inline void fence_acquire(void)
{
    fence_compiler();
}

static inline void fence_release(void)
{
    fence_compiler();
}

static inline void fence_seq_cst(void)
{
    fence_compiler();
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
