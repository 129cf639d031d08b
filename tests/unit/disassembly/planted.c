/* SPDX-License-Identifier: Apache-2.0 */
/* Functions for selftest.py: each but the first two breaks the rules in the way that its name says. */
#include <stdatomic.h>

#define PLANT __attribute__((noinline, used))

_Atomic unsigned long word;
unsigned long plain[64];
int (*callback)(void);

PLANT int slow(void)
{
    return (int)atomic_fetch_add(&word, 1);
}

PLANT int stranger(void)
{
    return (int)atomic_fetch_sub(&word, 2);
}

/* Loads, stores and a loop; the slow path by a tail call and by a call. */
PLANT int clean(int n)
{
    if (n < 0) {
        return slow();
    }
    for (int i = 0; i < n; i++) {
        plain[i & 63] ^= atomic_load_explicit(&word, memory_order_acquire) + plain[(i + 7) & 63];
    }
    atomic_store_explicit(&word, plain[3], memory_order_release);
    return n == 77 ? slow() + 1 : 0;
}

PLANT int exchanges(int n)
{
    return n > 0 ? (int)atomic_exchange(&word, 5) : 0;
}

PLANT int adds(int n)
{
    return n > 0 ? (int)atomic_fetch_add(&word, 5) : 0;
}

PLANT int compares(int n)
{
    unsigned long expected = 7;
    return n > 0 && atomic_compare_exchange_strong(&word, &expected, 5);
}

PLANT int fences(int n)
{
    plain[0] = 1;
    if (n > 0) {
        atomic_thread_fence(memory_order_seq_cst);
    }
    return (int)atomic_load_explicit(&word, memory_order_relaxed);
}

PLANT int enters_the_kernel(int n)
{
    if (n > 0) {
#if defined(__x86_64__)
        long result = 39;
        __asm__ volatile("syscall" : "+a"(result) : : "rcx", "r11", "memory");
        return (int)result;
#else
        __asm__ volatile("svc #0" ::: "memory");
#endif
    }
    return 0;
}

PLANT int calls_a_stranger(int n)
{
    return n > 0 ? stranger() + 1 : 0;
}

PLANT int jumps_to_a_stranger(int n)
{
    return n > 0 ? stranger() : 0;
}

PLANT int calls_a_pointer(int n)
{
    return n > 0 ? callback() + 1 : 0;
}

PLANT int jumps_to_a_pointer(int n)
{
    return n > 0 ? callback() : 0;
}

PLANT int is_all_slow(int n)
{
    return slow() + n;
}
