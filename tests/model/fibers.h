/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ThreadSanitizer is told of the coroutines: each is a thread, switching orders nothing, starting and joining do.
 * It knows fences only as compiler barriers: plain memory here hangs on none.
 */
#ifndef SHMBUS_TESTS_MODEL_FIBERS_H
#define SHMBUS_TESTS_MODEL_FIBERS_H

#ifdef MODEL_TSAN

#include <sanitizer/tsan_interface.h>

static inline void *fiber_current(void)
{
    return __tsan_get_current_fiber();
}

static inline void *fiber_create(void *token)
{
    __tsan_release(token);
    return __tsan_create_fiber(0);
}

static inline void fiber_begun(void *token)
{
    __tsan_acquire(token);
}

static inline void fiber_switch(void *fiber)
{
    __tsan_switch_to_fiber(fiber, __tsan_switch_to_fiber_no_sync);
}

static inline void fiber_ended(void *token)
{
    __tsan_release(token);
}

static inline void fiber_joined(void *token)
{
    __tsan_acquire(token);
}

static inline void fiber_destroy(void *fiber)
{
    __tsan_destroy_fiber(fiber);
}

#else

#define fiber_current() ((void *)0)
#define fiber_create(token) ((void)(token), (void *)0)
#define fiber_begun(token) ((void)(token))
#define fiber_switch(fiber) ((void)(fiber))
#define fiber_ended(token) ((void)(token))
#define fiber_joined(token) ((void)(token))
#define fiber_destroy(fiber) ((void)(fiber))

#endif

#endif
