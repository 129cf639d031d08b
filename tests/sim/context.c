/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include <stdint.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN
#endif
#endif

#ifdef WITH_ASAN
void __sanitizer_start_switch_fiber(void **fake_stack, const void *stack, size_t size);
void __sanitizer_finish_switch_fiber(void *fake_stack, const void **stack, size_t *size);
void __asan_unpoison_memory_region(void const volatile *address, size_t size);

static void announce(struct context *from, const struct context *to, bool for_good)
{
    __sanitizer_start_switch_fiber(for_good ? NULL : &from->fake_stack, to->stack, to->stack_size);
}

static void arrived(void *fake_stack, struct context *left)
{
    const void *stack;
    size_t size;
    __sanitizer_finish_switch_fiber(fake_stack, &stack, &size);
    if (left && !left->stack_size) {            /* the thread's own stack, seen for the first time */
        left->stack = (void *)(uintptr_t)stack; /* NOLINT(performance-no-int-to-ptr) */
        left->stack_size = size;
    }
}

static void clean(void *stack, size_t size)
{
    __asan_unpoison_memory_region(stack, size);
}
#else
static void announce(struct context *from, const struct context *to, bool for_good)
{
    (void)from, (void)to, (void)for_good;
}

static void arrived(void *fake_stack, struct context *left)
{
    (void)fake_stack, (void)left;
}

static void clean(void *stack, size_t size)
{
    (void)stack, (void)size;
}
#endif

/* Saves what a call must preserve on the stack that is left, and takes the same from the other. */
void context_swap(void **save, void *load);

#if defined(__x86_64__)
#define SAVED_WORDS 6
__asm__(".text\n"
        ".globl context_swap\n"
        ".type context_swap, @function\n"
        "context_swap:\n"
        "    push %rbp\n"
        "    push %rbx\n"
        "    push %r12\n"
        "    push %r13\n"
        "    push %r14\n"
        "    push %r15\n"
        "    mov %rsp, (%rdi)\n"
        "    mov %rsi, %rsp\n"
        "    pop %r15\n"
        "    pop %r14\n"
        "    pop %r13\n"
        "    pop %r12\n"
        "    pop %rbx\n"
        "    pop %rbp\n"
        "    ret\n"
        ".size context_swap, . - context_swap\n");
#elif defined(__aarch64__)
#define SAVED_WORDS 20 /* x19 to x30, d8 to d15; x30 is the twelfth */
__asm__(".text\n"
        ".globl context_swap\n"
        ".type context_swap, %function\n"
        "context_swap:\n"
        "    sub sp, sp, #160\n"
        "    stp x19, x20, [sp]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    ret\n"
        ".size context_swap, . - context_swap\n");
#else
#error "context_swap() is written for x86-64 and aarch64"
#endif

void context_start(struct context *context, void *stack, size_t stack_size, void (*start)(void))
{
    clean(stack, stack_size);
    uintptr_t *top = (uintptr_t *)(void *)((char *)stack + stack_size);
#if defined(__x86_64__)
    /* Behind the saved words the address that `ret` takes; above it the one that `start` would return to. */
    uintptr_t *frame = top - SAVED_WORDS - 2;
    memset(frame, 0, (size_t)(top - frame) * sizeof *frame);
    frame[SAVED_WORDS] = (uintptr_t)start;
#else
    uintptr_t *frame = top - SAVED_WORDS;
    memset(frame, 0, (size_t)(top - frame) * sizeof *frame);
    frame[11] = (uintptr_t)start;
#endif
    *context = (struct context){.stack_pointer = frame, .stack = stack, .stack_size = stack_size};
}

void context_switch(struct context *from, struct context *to, bool for_good)
{
    announce(from, to, for_good);
    context_swap(&from->stack_pointer, to->stack_pointer);
    arrived(from->fake_stack, NULL);
}

void context_entered(struct context *from)
{
    arrived(NULL, from);
}
