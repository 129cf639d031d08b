/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/floors.h"
#include "perf/loops.h"

struct line {
    alignas(64) atomic_u64 word; /* one more than the number of the message in it */
    char payload[LINE_PAYLOAD_MAX];
};

_Static_assert(sizeof(struct line) == 64, "word and payload are one cache line");

struct line_link {
    struct line *out;
    struct line *in;
};

static inline void word_send(void *link, size_t size, uint64_t number)
{
    (void)size;
    store64_release(&((struct line_link *)link)->out->word, number + 1);
}

static inline bool word_take(void *link, struct sink *sink, size_t size)
{
    const struct line *in = ((struct line_link *)link)->in;
    uint64_t word;
    (void)size;
    while (((word = load64_acquire(&in->word)) & ~PAYLOAD_LAST) != sink->next + 1)
        ;
    sink->next++;
    return (word & PAYLOAD_LAST) != 0;
}

static inline void line_send(void *link, size_t size, uint64_t number)
{
    struct line *out = ((struct line_link *)link)->out;
    payload_write(out->payload, size, number);
    store64_release(&out->word, (number & ~PAYLOAD_LAST) + 1);
}

static inline bool line_take(void *link, struct sink *sink, size_t size)
{
    const struct line *in = ((struct line_link *)link)->in;
    while (load64_acquire(&in->word) != sink->next + 1)
        ;
    return sink_take(sink, in->payload, size);
}

int line_prepare(struct bench_run *run, int variant)
{
    (void)variant;
    return memory_prepare(run, 2 * (size_t)APART);
}

void line_body(struct bench_role *role, int variant)
{
    char *memory = role->run->memory;
    struct line *lines[2] = {(struct line *)(void *)memory, (struct line *)(void *)(memory + APART)};
    struct line_link link = {lines[role->index], lines[1 - role->index]};
    role_ready(role);
    if (variant == LINE_WORD) {
        if (role->index == 0)
            loop_ask(role, &link, word_send, word_take, 0);
        else
            loop_answer(role, &link, word_send, word_take, 0);
    } else {
        if (role->index == 0)
            loop_ask(role, &link, line_send, line_take, LINE_PAYLOAD_MAX);
        else
            loop_answer(role, &link, line_send, line_take, LINE_PAYLOAD_MAX);
    }
}
