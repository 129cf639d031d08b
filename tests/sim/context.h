/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Coroutines: a stack each, switched by a few instructions. (swapcontext() makes two system calls per switch.)
 *
 * concurrency   one thread
 * killed        a coroutine that is left for good is never resumed; its stack is used again
 */
#ifndef SHMBUS_TESTS_SIM_CONTEXT_H
#define SHMBUS_TESTS_SIM_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

struct context {
    void *stack_pointer;
    void *stack; /* NULL: the thread's own */
    size_t stack_size;
    void *fake_stack; /* AddressSanitizer's */
};

/* Lets `context` begin in `start`, which never returns, with this stack. */
void context_start(struct context *context, void *stack, size_t stack_size, void (*start)(void));

/* Leaves `from` for `to`; `for_good`: nobody will come back to `from`. */
void context_switch(struct context *from, struct context *to, bool for_good);

/* The first thing in a coroutine: it was switched to from `from`. */
void context_entered(struct context *from);

#endif
