/* SPDX-License-Identifier: Apache-2.0 */
#include "exec_crashes.h"

#include <stdlib.h>
#include <string.h>

#include "report.h"

void crashes_free(struct crashes *crashes)
{
    free(crashes->all);
    *crashes = (struct crashes){0};
}

struct crash *crashes_find(const struct crashes *crashes, uint64_t sequence)
{
    for (size_t i = 0; i < crashes->count; i++) {
        if (crashes->all[i].sequence == sequence) {
            return &crashes->all[i];
        }
    }
    return NULL;
}

static void forget(struct crashes *crashes, struct crash *crash)
{
    const size_t behind = crashes->count - (size_t)(crash - crashes->all) - 1;
    memmove(crash, crash + 1, behind * sizeof *crash);
    crashes->count--;
}

struct crash *crashes_suspect(struct crashes *crashes, uint64_t sequence)
{
    struct crash *crash = crashes_find(crashes, sequence);
    if (!crash) {
        if (crashes->count == CRASHES_MAX) {
            forget(crashes, crashes->all);
        }
        crashes->all = need_more_memory(crashes->all, (crashes->count + 1) * sizeof *crashes->all);
        crash = &crashes->all[crashes->count++];
        *crash = (struct crash){.sequence = sequence};
    }
    return crash;
}

void crashes_remove(struct crashes *crashes, uint64_t sequence)
{
    struct crash *crash = crashes->count > 0 ? crashes_find(crashes, sequence) : NULL;
    if (crash) {
        forget(crashes, crash);
    }
}
