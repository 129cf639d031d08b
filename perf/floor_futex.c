/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/floors.h"
#include "perf/loops.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Word and message, side by side in as few cache lines as hold both. */
struct mailbox {
    alignas(APART) atomic_u32 word; /* one more than the number of the message in it, its low half */
    alignas(8) char payload[];
};

struct futex_link {
    struct mailbox *out;
    struct mailbox *in;
    struct bench_role *role;
};

static size_t mailbox_bytes(const struct bench_shape *shape)
{
    return (sizeof(struct mailbox) + shape->size + APART - 1) / APART * APART;
}

/* Shared between processes, no time-out. */
static long futex_call(atomic_u32 *word, int operation, uint32_t value)
{
    return syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
}

static inline void futex_send(void *link, size_t size, uint64_t number)
{
    struct futex_link *own = link;
    payload_write(own->out->payload, size, number);
    store32_release(&own->out->word, (uint32_t)number + 1);
    if (futex_call(&own->out->word, FUTEX_WAKE, INT_MAX) > 0)
        own->role->result->wakes++;
}

static inline bool futex_take(void *link, struct sink *sink, size_t size)
{
    const struct futex_link *own = link;
    uint32_t seen;
    while ((seen = load32_acquire(&own->in->word)) != (uint32_t)sink->next + 1)
        if (futex_call(&own->in->word, FUTEX_WAIT, seen) == 0)
            own->role->result->sleeps++;
    return sink_take(sink, own->in->payload, size);
}

int futex_prepare(struct bench_run *run, int variant)
{
    (void)variant;
    return memory_prepare(run, 2 * mailbox_bytes(&run->shape));
}

static void futex_round_trip(struct bench_role *role, struct futex_link *link)
{
    if (role->index == 0)
        LOOP_BY_SIZE(role->run->shape.size, loop_ask, role, link, futex_send, futex_take);
    else
        LOOP_BY_SIZE(role->run->shape.size, loop_answer, role, link, futex_send, futex_take);
}

void futex_body(struct bench_role *role, int variant)
{
    const struct bench_shape *shape = &role->run->shape;
    char *memory = role->run->memory;
    struct mailbox *first = (struct mailbox *)(void *)memory;
    struct mailbox *second = (struct mailbox *)(void *)(memory + mailbox_bytes(shape));
    struct futex_link link = {.out = first, .in = second, .role = role};
    (void)variant;
    if (role->index != 0) {
        link.out = second;
        link.in = first;
    }
    role_ready(role);
    if (shape->kind == ROUND_TRIP)
        futex_round_trip(role, &link);
    else if (role->index == 0)
        loop_wake(role, &link, futex_send, shape->size, 1);
    else
        loop_woken(role, &link, futex_take, shape->size);
}
