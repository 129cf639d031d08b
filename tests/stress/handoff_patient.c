/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linked in front of the library (--wrap), this takes the bounds off its sleeps: who is not woken sleeps for good.
 * All bounds, also the few milliseconds of who may be held up by the dead, for nobody dies here; only a sleeper
 * that cannot call membarrier would need them.
 */
#include "os_futex.h"
#include "os_uring.h"

#define PATIENCE_NS INT64_C(3600000000000)

void __real_os_futex_wait(atomic_u32 *word, uint32_t expected, int64_t deadline);
void __wrap_os_futex_wait(atomic_u32 *word, uint32_t expected, int64_t deadline);
bool __real_os_futex_wait_any(const struct os_futex_word *words, unsigned count, int64_t deadline);
bool __wrap_os_futex_wait_any(const struct os_futex_word *words, unsigned count, int64_t deadline);
bool __real_os_uring_wait_any(struct os_uring *uring, const struct os_futex_word *words, unsigned count,
                              int64_t deadline);
bool __wrap_os_uring_wait_any(struct os_uring *uring, const struct os_futex_word *words, unsigned count,
                              int64_t deadline);

static int64_t patient(int64_t deadline)
{
    return deadline > INT64_MAX - PATIENCE_NS ? INT64_MAX : deadline + PATIENCE_NS;
}

void __wrap_os_futex_wait(atomic_u32 *word, uint32_t expected, int64_t deadline)
{
    __real_os_futex_wait(word, expected, patient(deadline));
}

bool __wrap_os_futex_wait_any(const struct os_futex_word *words, unsigned count, int64_t deadline)
{
    return __real_os_futex_wait_any(words, count, patient(deadline));
}

bool __wrap_os_uring_wait_any(struct os_uring *uring, const struct os_futex_word *words, unsigned count,
                              int64_t deadline)
{
    return __real_os_uring_wait_any(uring, words, count, patient(deadline));
}
