/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loops that every contestant runs: answer and ask, produce and consume, wake and be woken. A contestant
 * brings `send` and `take`; both are inlined, so that all are measured with the same code around them.
 *
 * concurrency   a sink belongs to one role
 * killed        see bench.h
 */
#ifndef SHMBUS_PERF_LOOPS_H
#define SHMBUS_PERF_LOOPS_H

#include "perf/bench.h"
#include "perf/payload.h"
#include "perf/timing.h"

#include <inttypes.h>

#define LOOP static inline __attribute__((always_inline)) void

/* Wake-ups: between the last reader's taking a message and its sleep, with much to spare. */
#define FALL_ASLEEP_NS 200000

/* Checks what arrives, and takes the time of its first and last message. */
struct sink {
    struct bench_role *role;
    uint64_t next; /* number expected, or how many arrived when there are several senders */
    uint64_t mark; /* the clock starts here */
    uint64_t started;
    unsigned senders;
    unsigned running; /* senders whose last message has not come */
    uint64_t expected[ROLES_MAX];
};

typedef void (*send_function)(void *link, size_t size, uint64_t number);
/* Waits for a message or more and gives them to the sink. True after the last one of all. */
typedef bool (*take_function)(void *link, struct sink *sink, size_t size);

/* Out of the way: the message is the last one, or wrong. */
static __attribute__((noinline, cold, unused)) bool sink_odd(struct sink *sink, const void *data, size_t size,
                                                             uint64_t number)
{
    if (payload_differs(data, size, number | PAYLOAD_LAST) == 0) {
        sink->running--;
        return true;
    }
    const payload_word *words = data;
    size_t wrong = 0;
    while (wrong + 1 < size / 8 && words[wrong] == number + wrong)
        wrong++;
    role_fail(sink->role, "message %" PRIu64 " of %zu bytes: its word %zu is %" PRIu64 ", not %" PRIu64,
              number, size, wrong, words[wrong], number + wrong);
}

static inline void sink_clock(struct sink *sink)
{
    if (unlikely(sink->next == sink->mark))
        sink->started = clock_ticks();
    sink->next++;
}

/* Takes a message of the only sender. True when it is the last. */
static inline bool sink_take(struct sink *sink, const void *data, size_t size)
{
    bool last = false;
    if (unlikely(payload_differs(data, size, sink->next) != 0))
        last = sink_odd(sink, data, size, sink->next);
    sink_clock(sink);
    return last;
}

/* Takes a message of one of several senders: each sender's are in order. True when it is the last of all. */
static inline bool sink_take_any(struct sink *sink, const void *data, size_t size)
{
    const payload_word *words = data;
    uint64_t sender = (words[0] & ~PAYLOAD_LAST) >> PAYLOAD_SENDER_SHIFT;
    if (unlikely(sender >= sink->senders))
        role_fail(sink->role, "message of sender %" PRIu64 ", but there are %u", sender, sink->senders);
    uint64_t number = sender << PAYLOAD_SENDER_SHIFT | sink->expected[sender];
    if (unlikely(payload_differs(data, size, number) != 0))
        sink_odd(sink, data, size, number);
    sink->expected[sender]++;
    sink_clock(sink);
    store64_relaxed(&sink->role->result->progress, sink->next);
    return sink->running == 0;
}

static inline void sink_init(struct sink *sink, struct bench_role *role)
{
    const struct bench_shape *shape = &role->run->shape;
    *sink = (struct sink){.role = role, .senders = shape->senders, .running = shape->senders};
    /* Two laps: every page is mapped and every branch has been seen. */
    sink->mark = 2 * (uint64_t)shape->slots;
}

static inline uint64_t run_ticks(const struct bench_run *run, double seconds)
{
    return (uint64_t)(seconds * 1e9 * run->ticks_per_ns);
}

LOOP loop_produce(struct bench_role *role, void *link, send_function send, size_t size)
{
    const struct bench_shape *shape = &role->run->shape;
    uint64_t base = shape->senders > 1 ? (uint64_t)role->index << PAYLOAD_SENDER_SHIFT : 0;
    uint64_t least = 4 * (uint64_t)shape->slots;
    uint64_t clock_mask = size < 4096 ? 63 : 0;
    uint64_t end = clock_ticks() + run_ticks(role->run, shape->seconds * 1.2);
    for (uint64_t number = 0;; number++) {
        if (unlikely((number & clock_mask) == 0) && clock_ticks() >= end && number >= least) {
            send(link, size, base | number | PAYLOAD_LAST);
            role->result->messages = number + 1;
            return;
        }
        send(link, size, base | number);
    }
}

LOOP loop_consume(struct bench_role *role, void *link, take_function take, size_t size)
{
    struct sink sink;
    sink_init(&sink, role);
    while (!take(link, &sink, size))
        ;
    role->result->ended = clock_ticks();
    role->result->started = sink.started;
    role->result->messages = sink.next - 1 - sink.mark;
}

/* CPU time since `from`, for `trips` round trips. */
static inline void loop_account(struct bench_role *role, int64_t from, uint64_t trips)
{
    role->result->cpu_ns = clock_cpu_ns() - from;
    role->result->trips = trips;
}

LOOP loop_answer(struct bench_role *role, void *link, send_function send, take_function take, size_t size)
{
    struct sink sink;
    sink_init(&sink, role);
    uint64_t number = 0;
    for (; !take(link, &sink, size); number++)
        send(link, size, number);
    loop_account(role, role->cpu_from, number);
}

/* The same for an answer that takes its time. */
LOOP loop_answer_late(struct bench_role *role, void *link, send_function send, take_function take,
                      size_t size)
{
    struct sink sink;
    sink_init(&sink, role);
    uint64_t number = 0;
    for (; !take(link, &sink, size); number++) {
        clock_pass(role->run->shape.reply_ns, role->run->shape.reply_rests);
        send(link, size, number);
    }
    loop_account(role, role->cpu_from, number);
}

/* One counter reading per round trip: the end of one is the start of the next. */
LOOP loop_ask(struct bench_role *role, void *link, send_function send, take_function take, size_t size)
{
    struct bench_run *run = role->run;
    struct sink sink;
    sink_init(&sink, role);
    uint64_t warm = clock_ticks() + run_ticks(run, run->shape.seconds * 0.2);
    uint64_t number = 0;
    for (; number < run->shape.slots || clock_ticks() < warm; number++) {
        send(link, size, number);
        take(link, &sink, size);
    }
    unsigned count = 0;
    int64_t cpu_from = clock_cpu_ns();
    uint64_t started = clock_ticks();
    uint64_t end = started + run_ticks(run, run->shape.seconds);
    for (uint64_t last = started; count < SAMPLES_MAX && last < end; number++) {
        send(link, size, number);
        take(link, &sink, size);
        uint64_t now = clock_ticks();
        run->samples[count++] = (uint32_t)(now - last < UINT32_MAX ? now - last : UINT32_MAX);
        last = now;
    }
    loop_account(role, cpu_from, count);
    send(link, size, number | PAYLOAD_LAST);
    role->result->samples = count;
}

/* Returns when all readers have taken `number` messages and had the time to fall asleep. */
static inline void loop_await_sleep(const struct bench_role *role, uint64_t number)
{
    const struct bench_shape *shape = &role->run->shape;
    unsigned spins = 0;
    for (unsigned i = 0; i < shape->readers; i++)
        while (load64_acquire(&role->run->results[shape->senders + i].progress) < number)
            spin_once(&spins, role->run->yield_after);
    clock_pass(FALL_ASLEEP_NS, false);
}

/* Sends `per_call` messages, the last of which wakes who sleeps, and takes the time of that. */
LOOP loop_wake(struct bench_role *role, void *link, send_function send, size_t size, unsigned per_call)
{
    struct bench_run *run = role->run;
    uint64_t end = clock_ticks() + run_ticks(run, run->shape.seconds);
    uint64_t number = 0;
    unsigned count = 0;
    while (count < SAMPLES_MAX && clock_ticks() < end) {
        loop_await_sleep(role, number);
        uint64_t from = clock_ticks();
        for (unsigned i = 0; i < per_call; i++)
            send(link, size, number++);
        run->samples[count++] = (uint32_t)(clock_ticks() - from);
    }
    loop_await_sleep(role, number);
    role->result->samples = count;
    role->result->messages = number + 1;
    send(link, size, number | PAYLOAD_LAST);
}

LOOP loop_woken(struct bench_role *role, void *link, take_function take, size_t size)
{
    struct sink sink;
    sink_init(&sink, role);
    while (!take(link, &sink, size))
        store64_release(&role->result->progress, sink.next);
}

/* Gives the small sizes code of their own, where a loop over 7 words would cost more than the transfer. */
#define LOOP_BY_SIZE(size, loop, ...)                                                                        \
    do {                                                                                                     \
        switch (size) {                                                                                      \
        case 8:                                                                                              \
            loop(__VA_ARGS__, 8);                                                                            \
            break;                                                                                           \
        case 56:                                                                                             \
            loop(__VA_ARGS__, 56);                                                                           \
            break;                                                                                           \
        case 64:                                                                                             \
            loop(__VA_ARGS__, 64);                                                                           \
            break;                                                                                           \
        default:                                                                                             \
            loop(__VA_ARGS__, size);                                                                         \
        }                                                                                                    \
    } while (0)

#endif
