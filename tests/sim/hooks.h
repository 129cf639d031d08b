/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Included before everything else when a source of bus/ is compiled for the simulation: its atomics, handles,
 * copies and memory become simulated ones. Nothing in bus/ knows of it.
 *
 * concurrency   as atomics.h
 * killed        memory of a killed process is taken back at the end of the schedule
 */
#ifndef SHMBUS_TESTS_SIM_HOOKS_H
#define SHMBUS_TESTS_SIM_HOOKS_H

#include <stdlib.h>
#include <string.h>

#include "atomics.h"
#include "handle.h"

/* The bound of sleeps: SLEEP_MAX_NS. */
extern int64_t sim_sleep_max;

/* From one sampled message to the next: LATENCY_INTERVAL_NS. Those that are sampled take the long way. */
extern uint64_t sim_sampling;

/* A copy to or from the segment, torn: a step before each of its halves. */
void sim_copy_shared(void *to, const void *from, size_t size);

static inline void sim_copy(void *to, const void *from, size_t size)
{
    if (sim_is_shared(to) || sim_is_shared(from)) {
        sim_copy_shared(to, from, size);
    } else {
        __builtin_memcpy(to, from, size);
    }
}

#undef memcpy
#define memcpy sim_copy
#define __builtin_memcpy sim_copy

/* Zeroed private memory until the end of the schedule; NULL when a process takes too much. */
void *sim_allocate(size_t size);

#define malloc(size) sim_allocate(size)
#define calloc(count, size) sim_allocate((count) * (size))
#define free(memory) ((void)(memory))

#endif
