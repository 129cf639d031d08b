/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "story.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct story *story_open(void)
{
    void *at = mmap(NULL, sizeof(struct story), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

void story_reset(struct story *story)
{
    memset(story, 0, sizeof *story);
    (void)sem_init(&story->survivor, 1, 0);
    (void)sem_init(&story->victim, 1, 0);
    (void)sem_init(&story->awake, 1, 0);
}

_Noreturn void story_fail(struct story *story, const char *format, ...)
{
    if (!story->failed) {
        story->failed = 1;
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(story->failure, sizeof story->failure, format, arguments);
        va_end(arguments);
    }
    (void)sem_post(&story->survivor);
    (void)sem_post(&story->victim);
    _exit(1);
}

void story_wait(struct story *story, sem_t *turn)
{
    while (sem_wait(turn) != 0 && errno == EINTR) {
    }
    if (story->failed) {
        _exit(1);
    }
}
