/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* sem_clockwait */
#include "control.h"

#include <string.h>
#include <sys/mman.h>
#include <time.h>

control *control_create(uint64_t capacity, int64_t deadline)
{
    control *shared =
        mmap(NULL, sizeof *shared + capacity, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return NULL;
    shared->capacity = capacity;
    shared->deadline = deadline;
    shared->readers_deadline = deadline + 2 * INT64_C(1000000000);
    sem_init(&shared->done, 1, 0);
    for (int i = 0; i < DEMO_READERS; i++)
        sem_init(&shared->readers[i].go, 1, 0);
    return shared;
}

void control_destroy(control *shared)
{
    munmap(shared, sizeof *shared + shared->capacity);
}

void control_reset(control *shared, uint64_t messages)
{
    shared->messages = messages;
    memset(shared->seen, 0, shared->capacity);
    for (int i = 0; i < DEMO_READERS; i++)
        memset(&shared->readers[i].result, 0, sizeof shared->readers[i].result);
}

int control_wait(sem_t *semaphore, int64_t deadline)
{
    const struct timespec until = {.tv_sec = deadline / 1000000000, .tv_nsec = deadline % 1000000000};
    return sem_clockwait(semaphore, CLOCK_MONOTONIC, &until);
}

void control_step(control *shared, int reader)
{
    __atomic_add_fetch(&shared->readers[reader].steps, 1, __ATOMIC_RELEASE);
    sem_post(&shared->done);
}

int control_steps(const control *shared, int reader)
{
    return __atomic_load_n(&shared->readers[reader].steps, __ATOMIC_ACQUIRE);
}
