/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "ledger.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

struct layout {
    size_t record;
    size_t name;
    size_t index;
    size_t seen[PLAN_GROUPS];
    size_t numbers[PLAN_PUBLISHERS];
    size_t total;
};

/* Records of a round: every message, as many aborted claims, and what the workers that die leave behind. */
static uint64_t capacity_of(const struct plan *plan)
{
    return UINT64_C(2) * plan->publishers * plan->messages + 65536;
}

static size_t take(size_t *total, size_t size)
{
    const size_t at = *total;
    *total += (size + 63) / 64 * 64;
    return at;
}

static struct layout layout_of(const struct plan *plan)
{
    struct layout layout = {.total = 0};
    const size_t capacity = capacity_of(plan);
    (void)take(&layout.total, sizeof(struct ledger));
    layout.record = take(&layout.total, capacity * sizeof(uint64_t));
    layout.name = take(&layout.total, capacity * sizeof(uint64_t));
    layout.index = take(&layout.total, capacity * sizeof(uint16_t));
    for (unsigned i = 0; i < PLAN_GROUPS; i++) {
        layout.seen[i] =
            take(&layout.total, plan_sees_all(&plan->groups[i]) ? capacity * sizeof(uint16_t) : 0);
    }
    for (unsigned i = 0; i < plan->publishers; i++) {
        layout.numbers[i] = take(&layout.total, plan->messages);
    }
    return layout;
}

struct ledger *ledger_open(const struct plan *plan, uint64_t seed)
{
    const struct layout layout = layout_of(plan);
    unsigned char *base = mmap(NULL, layout.total, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        return NULL;
    }
    struct ledger *ledger = (void *)base;
    ledger->seed = seed;
    ledger->first = plan->first;
    ledger->capacity = capacity_of(plan);
    ledger->mapped = layout.total;
    ledger->record = (void *)(base + layout.record);
    ledger->name = (void *)(base + layout.name);
    ledger->index = (void *)(base + layout.index);
    for (unsigned i = 0; i < PLAN_GROUPS; i++) {
        ledger->seen[i] = (void *)(base + layout.seen[i]);
        ledger->groups[i].next = plan->first;
    }
    for (unsigned i = 0; i < plan->publishers; i++) {
        ledger->numbers[i] = (void *)(base + layout.numbers[i]);
    }
    return ledger;
}

void ledger_close(struct ledger *ledger)
{
    (void)munmap(ledger, ledger->mapped);
}

void ledger_fail(struct ledger *ledger, const char *format, ...)
{
    uint32_t none = 0;
    if (!atomic_compare_exchange_strong(&ledger->failed, &none, 1)) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(ledger->failure, sizeof ledger->failure, format, arguments);
    va_end(arguments);
    atomic_store(&ledger->failed, 2);
}

uint64_t ledger_at(const struct ledger *ledger, uint64_t sequence)
{
    const uint64_t at = sequence - ledger->first;
    return at < ledger->capacity ? at : ledger->capacity;
}

/* Sets `word` once; false if it has another value. */
static bool set_once(_Atomic uint64_t *word, uint64_t value)
{
    uint64_t there = 0;
    return atomic_compare_exchange_strong(word, &there, value) || there == value;
}

bool ledger_note(struct ledger *ledger, uint64_t at, size_t size, uint64_t digest,
                 const struct message_id *id)
{
    const uint64_t record = RECORD_MESSAGE | (uint64_t)size << 2 | (digest & RECORD_DIGEST_MASK);
    if (!set_once(&ledger->record[at], record)) {
        return false;
    }
    return !id || set_once(&ledger->name[at], 1 + ((uint64_t)id->publisher << 32 | id->number));
}

void ledger_note_aborted(struct ledger *ledger, uint64_t at)
{
    atomic_store(&ledger->record[at], RECORD_ABORTED);
}
