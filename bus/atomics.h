/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C11 atomics with the memory order in the function's name. The only file that includes <stdatomic.h>.
 *
 * concurrency   every function: any thread of any process, on the same word
 * killed        each is one access: it has happened or it has not
 *
 * A failing cas_release() looks at nothing: `expected` is a value, to be compared or thrown away.
 *
 * There is no plain `load` or `store`: whoever touches shared memory says which order it needs, and each
 * release/acquire pair carries a label that docs/memory-model.md lists.
 */
#ifndef SHMBUS_BUS_ATOMICS_H
#define SHMBUS_BUS_ATOMICS_H

#if !defined(__LP64__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "shmbus needs a 64-bit little-endian host: all processes share segments of such words"
#endif

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef _Atomic uint32_t atomic_u32;
typedef _Atomic uint64_t atomic_u64;

_Static_assert(sizeof(atomic_u32) == 4 && sizeof(atomic_u64) == 8, "atomics have the size of their value");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2, "atomics shared between processes");

#define SHMBUS_DEFINE_ATOMICS(bits)                                                                          \
    static inline uint##bits##_t load##bits##_relaxed(const atomic_u##bits *word)                            \
    {                                                                                                        \
        return atomic_load_explicit(word, memory_order_relaxed);                                             \
    }                                                                                                        \
    static inline uint##bits##_t load##bits##_acquire(const atomic_u##bits *word)                            \
    {                                                                                                        \
        return atomic_load_explicit(word, memory_order_acquire);                                             \
    }                                                                                                        \
    static inline void store##bits##_relaxed(atomic_u##bits *word, uint##bits##_t value)                     \
    {                                                                                                        \
        atomic_store_explicit(word, value, memory_order_relaxed);                                            \
    }                                                                                                        \
    static inline void store##bits##_release(atomic_u##bits *word, uint##bits##_t value)                     \
    {                                                                                                        \
        atomic_store_explicit(word, value, memory_order_release);                                            \
    }

#define SHMBUS_DEFINE_CHANGES(bits)                                                                          \
    static inline uint##bits##_t exchange##bits##_acq_rel(atomic_u##bits *word, uint##bits##_t value)        \
    {                                                                                                        \
        return atomic_exchange_explicit(word, value, memory_order_acq_rel);                                  \
    }                                                                                                        \
    static inline uint##bits##_t add##bits##_relaxed(atomic_u##bits *word, uint##bits##_t value)             \
    {                                                                                                        \
        return atomic_fetch_add_explicit(word, value, memory_order_relaxed);                                 \
    }                                                                                                        \
    static inline uint##bits##_t add##bits##_release(atomic_u##bits *word, uint##bits##_t value)             \
    {                                                                                                        \
        return atomic_fetch_add_explicit(word, value, memory_order_release);                                 \
    }                                                                                                        \
    static inline uint##bits##_t add##bits##_acq_rel(atomic_u##bits *word, uint##bits##_t value)             \
    {                                                                                                        \
        return atomic_fetch_add_explicit(word, value, memory_order_acq_rel);                                 \
    }                                                                                                        \
    static inline uint##bits##_t or ##bits##_relaxed(atomic_u##bits *word, uint##bits##_t value)             \
    {                                                                                                        \
        return atomic_fetch_or_explicit(word, value, memory_order_relaxed);                                  \
    }                                                                                                        \
    static inline uint##bits##_t or ##bits##_release(atomic_u##bits *word, uint##bits##_t value)             \
    {                                                                                                        \
        return atomic_fetch_or_explicit(word, value, memory_order_release);                                  \
    }                                                                                                        \
    static inline uint##bits##_t or ##bits##_acq_rel(atomic_u##bits *word, uint##bits##_t value)             \
    {                                                                                                        \
        return atomic_fetch_or_explicit(word, value, memory_order_acq_rel);                                  \
    }                                                                                                        \
    static inline uint##bits##_t and##bits##_relaxed(atomic_u##bits *word, uint##bits##_t value)             \
    {                                                                                                        \
        return atomic_fetch_and_explicit(word, value, memory_order_relaxed);                                 \
    }                                                                                                        \
    static inline uint##bits##_t and##bits##_release(atomic_u##bits *word, uint##bits##_t value)             \
    {                                                                                                        \
        return atomic_fetch_and_explicit(word, value, memory_order_release);                                 \
    }                                                                                                        \
    static inline bool cas##bits##_acquire(atomic_u##bits *word, uint##bits##_t *expected,                   \
                                           uint##bits##_t desired)                                           \
    {                                                                                                        \
        return atomic_compare_exchange_strong_explicit(word, expected, desired, memory_order_acquire,        \
                                                       memory_order_acquire);                                \
    }                                                                                                        \
    static inline bool cas##bits##_release(atomic_u##bits *word, uint##bits##_t *expected,                   \
                                           uint##bits##_t desired)                                           \
    {                                                                                                        \
        return atomic_compare_exchange_strong_explicit(word, expected, desired, memory_order_release,        \
                                                       memory_order_relaxed);                                \
    }                                                                                                        \
    static inline bool cas##bits##_acq_rel(atomic_u##bits *word, uint##bits##_t *expected,                   \
                                           uint##bits##_t desired)                                           \
    {                                                                                                        \
        return atomic_compare_exchange_strong_explicit(word, expected, desired, memory_order_acq_rel,        \
                                                       memory_order_acquire);                                \
    }

SHMBUS_DEFINE_ATOMICS(32)
SHMBUS_DEFINE_ATOMICS(64)
SHMBUS_DEFINE_CHANGES(32)
SHMBUS_DEFINE_CHANGES(64)
#undef SHMBUS_DEFINE_ATOMICS
#undef SHMBUS_DEFINE_CHANGES

static inline void fence_acquire(void)
{
    atomic_thread_fence(memory_order_acquire);
}

static inline void fence_release(void)
{
    atomic_thread_fence(memory_order_release);
}

static inline void fence_seq_cst(void)
{
    atomic_thread_fence(memory_order_seq_cst);
}

/* Orders the compiler only; the other side of an asymmetric barrier orders the CPU. */
static inline void fence_compiler(void)
{
    atomic_signal_fence(memory_order_seq_cst);
}

/* One step of a counter that only its owner writes: no locked instruction. */
static inline void count_relaxed(atomic_u64 *counter, uint64_t by)
{
    store64_relaxed(counter, load64_relaxed(counter) + by);
}

#ifdef SHMBUS_MODEL /* model.h: hints are nothing there */

static inline void cpu_relax(void) {}

static inline void prefetch_for_reading(const void *address)
{
    (void)address;
}

static inline void prefetch_for_writing(const void *address)
{
    (void)address;
}

#define likely(condition) (condition)
#define unlikely(condition) (condition)

#else

/* Tells the CPU that this is a spin loop, and lets some 10 to 40 ns pass: docs/decisions/0022. */
static inline void cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); /* "yield" does nothing on most cores */
#else
    fence_compiler();
#endif
}

/* Asks for the cache line of `address`: a hint, of any address, that never faults. */
static inline void prefetch_for_reading(const void *address)
{
    __builtin_prefetch(address, 0);
}

/* Asks for the cache line of `address` for writing: a hint, of any address, that never faults. */
static inline void prefetch_for_writing(const void *address)
{
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)address)); /* the builtin asks for reading */
#else
    __builtin_prefetch(address, 1);
#endif
}

#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

#endif

#endif
