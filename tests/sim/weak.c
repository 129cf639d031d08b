/* SPDX-License-Identifier: Apache-2.0 */
#include "weak.h"

#include "machine.h"

#include <inttypes.h>
#include <string.h>

#define WEAK_HISTORY 6u
#define CELLS 12288u /* each word of the segment may become one */
#define GRANULE 8u   /* bytes of plain memory that race together */

struct store {
    uint64_t value;
    uint32_t thread;
    uint32_t at;   /* its thread's time */
    uint64_t when; /* of all stores, this one's number */
    bool releases;
    struct weak_clock released;     /* what is known to who acquires it */
    uint32_t readers[WEAK_THREADS]; /* each thread's time when it first read this; 0: never */
};

/* A word, and the last stores to it. */
struct cell {
    const void *word;
    size_t size;
    uint32_t count;
    struct store stores[WEAK_HISTORY]; /* number n is at n % WEAK_HISTORY */
};

struct granule {
    bool used;
    uint32_t writer;
    uint32_t written;
    uint32_t read[WEAK_THREADS];
};

struct thread {
    struct weak_clock known;
    struct weak_clock acquired; /* by relaxed loads: known from the next acquire fence on */
    struct weak_clock fenced;   /* known at the last release fence: relaxed stores release it */
    bool has_fenced;
    uint64_t relaxed; /* stores that were there when it last let others go first */
    uint64_t visible; /* and the time before: these it sees */
};

static struct {
    struct random random;
    uint32_t stale;
    struct thread threads[WEAK_THREADS];
    uint64_t stores;
    uint32_t fences[WEAK_THREADS]; /* what all full fences have seen */
    uint16_t cell_of[SIM_MEMORY_SIZE / 4];
    struct cell cells[CELLS];
    uint32_t cell_count;
    struct granule granules[SIM_MEMORY_SIZE / GRANULE];
    uint32_t granules_used[SIM_MEMORY_SIZE / GRANULE];
    uint32_t granule_count;
} weak;

bool weak_on;
bool weak_eager;
bool weak_observed;

/* ------------------------------------------------------------------------------------------------ */
/* Clocks                                                                                             */
/* ------------------------------------------------------------------------------------------------ */

static void join(struct weak_clock *to, const struct weak_clock *from)
{
    for (uint32_t i = 0; i < WEAK_THREADS; i++) {
        to->after[i] = to->after[i] > from->after[i] ? to->after[i] : from->after[i];
        to->seen[i] = to->seen[i] > from->seen[i] ? to->seen[i] : from->seen[i];
    }
}

static uint32_t tick(struct thread *thread, uint32_t index)
{
    thread->known.after[index]++;
    return ++thread->known.seen[index];
}

static struct thread *self(uint32_t *index)
{
    const struct machine_process *process = machine_self();
    if (!weak_on || !process) {
        return NULL;
    }
    *index = process->thread;
    return &weak.threads[process->thread];
}

void weak_gives(struct weak_clock *clock, uint32_t thread)
{
    if (weak_on) {
        join(clock, &weak.threads[thread].known);
    }
}

void weak_takes(const struct weak_clock *clock)
{
    uint32_t index;
    struct thread *thread = self(&index);
    if (thread) {
        join(&thread->known, clock);
    }
}

void weak_told(void)
{
    for (uint32_t i = 0; i < WEAK_THREADS; i++) {
        weak_takes(&weak.threads[i].known);
    }
}

/* ------------------------------------------------------------------------------------------------ */
/* Words                                                                                              */
/* ------------------------------------------------------------------------------------------------ */

static uint64_t memory_value(const void *word, size_t size)
{
    uint64_t value = 0;
    memcpy(&value, word, size);
    return value;
}

static struct store *newest(struct cell *cell)
{
    return &cell->stores[(cell->count - 1) % WEAK_HISTORY];
}

/* As if it had always held what it holds now. */
static void begin(struct cell *cell)
{
    cell->count = 1;
    cell->stores[0] = (struct store){.value = memory_value(cell->word, cell->size)};
}

static struct cell *cell_at(const void *word, size_t size)
{
    uint16_t *number = &weak.cell_of[((uintptr_t)word - (uintptr_t)sim_memory) / 4];
    if (*number == 0) {
        if (weak.cell_count == CELLS) {
            machine_violation("the simulation has too few weak words");
        }
        struct cell *made = &weak.cells[weak.cell_count++];
        made->word = word;
        made->size = size;
        begin(made);
        *number = (uint16_t)weak.cell_count;
    }
    struct cell *cell = &weak.cells[*number - 1u];
    if (newest(cell)->value != memory_value(word, cell->size)) {
        begin(cell); /* written plainly, where nobody else could see it yet */
    }
    return cell;
}

static bool is_known(const struct store *store, const struct weak_clock *known)
{
    if (store->at <= known->seen[store->thread]) {
        return true;
    }
    for (uint32_t i = 0; i < WEAK_THREADS; i++) {
        if (store->readers[i] != 0 && store->readers[i] <= known->seen[i]) {
            return true;
        }
    }
    return false;
}

/* How many stores back a load may look. */
static uint32_t reach(const struct cell *cell, const struct thread *thread)
{
    const uint32_t kept = cell->count < WEAK_HISTORY ? cell->count : WEAK_HISTORY;
    uint32_t back = 0;
    while (back + 1 < kept) {
        const struct store *store = &cell->stores[(cell->count - 1 - back) % WEAK_HISTORY];
        if (store->when <= thread->visible || is_known(store, &thread->known)) {
            break;
        }
        back++;
    }
    return back;
}

/* Stores become visible at last, to who waits for them; nothing is synchronised by that. */
void weak_relax(void)
{
    uint32_t index;
    struct thread *thread = self(&index);
    if (thread) {
        thread->visible = thread->relaxed;
        thread->relaxed = weak.stores;
    }
}

static void see(struct thread *thread, uint32_t index, struct store *store, enum weak_order order)
{
    if (store->readers[index] == 0) {
        store->readers[index] = tick(thread, index);
    }
    if (store->releases) {
        join(order & WEAK_ACQUIRE ? &thread->known : &thread->acquired, &store->released);
    }
}

uint64_t weak_load(const void *word, size_t size, enum weak_order order)
{
    uint32_t index;
    struct thread *thread = self(&index);
    if (!thread) {
        return memory_value(word, size);
    }
    struct cell *cell = cell_at(word, size);
    uint32_t back = reach(cell, thread);
    if (back > 0) {
        back = random_one_in(&weak.random, weak_eager ? 2 : weak.stale)
                   ? (uint32_t)random_between(&weak.random, 1, back)
                   : 0;
        if (back > 0) {
            machine_trace("    sees %u stores back", back);
        }
    }
    weak_eager = false;
    struct store *store = &cell->stores[(cell->count - 1 - back) % WEAK_HISTORY];
    see(thread, index, store, order);
    return store->value;
}

uint64_t weak_latest(const void *word, size_t size)
{
    uint32_t index;
    struct thread *thread = self(&index);
    if (thread) {
        see(thread, index, newest(cell_at(word, size)), WEAK_RELAXED);
    }
    return memory_value(word, size);
}

/* One more store; `continues`: what the last one released, a read-modify-write releases too. */
static void append(struct cell *cell, struct thread *thread, uint32_t index, uint64_t value,
                   enum weak_order order, bool continues)
{
    const struct store *before = newest(cell);
    struct store store = {.value = value, .thread = index, .at = tick(thread, index), .when = ++weak.stores};
    if (continues && before->releases) {
        store.releases = true;
        store.released = before->released;
    }
    if (order & WEAK_RELEASE || thread->has_fenced) {
        store.releases = true;
        join(&store.released, order & WEAK_RELEASE ? &thread->known : &thread->fenced);
    }
    cell->stores[cell->count++ % WEAK_HISTORY] = store;
    memcpy((void *)(uintptr_t)cell->word, &value, cell->size);
}

void weak_store(void *word, size_t size, uint64_t value, enum weak_order order)
{
    uint32_t index;
    struct thread *thread = self(&index);
    if (!thread) {
        memcpy(word, &value, size);
        return;
    }
    append(cell_at(word, size), thread, index, value, order, false);
}

uint64_t weak_change(void *word, size_t size, enum weak_change change, uint64_t value, enum weak_order order)
{
    uint32_t index;
    struct thread *thread = self(&index);
    const uint64_t before = memory_value(word, size);
    uint64_t after = weak_changed(before, change, value);
    after = size == 4 ? (uint32_t)after : after;
    if (!thread) {
        memcpy(word, &after, size);
        return before;
    }
    struct cell *cell = cell_at(word, size);
    see(thread, index, newest(cell), order);
    append(cell, thread, index, after, order, true);
    return before;
}

bool weak_swap(void *word, size_t size, uint64_t expected, uint64_t desired, enum weak_order order)
{
    uint32_t index;
    struct thread *thread = self(&index);
    if (memory_value(word, size) == expected) {
        (void)weak_change(word, size, WEAK_EXCHANGE, desired, order);
        return true;
    }
    if (thread) {
        see(thread, index, newest(cell_at(word, size)), order);
    }
    return false;
}

/* ------------------------------------------------------------------------------------------------ */
/* Fences                                                                                             */
/* ------------------------------------------------------------------------------------------------ */

static void fence(struct thread *thread, enum weak_order order)
{
    if (order & WEAK_ACQUIRE) {
        join(&thread->known, &thread->acquired);
    }
    if (order == WEAK_SEQ_CST) {
        for (uint32_t i = 0; i < WEAK_THREADS; i++) {
            uint32_t *seen = &thread->known.seen[i];
            *seen = *seen > weak.fences[i] ? *seen : weak.fences[i];
            weak.fences[i] = *seen;
        }
    }
    if (order & WEAK_RELEASE) {
        thread->fenced = thread->known;
        thread->has_fenced = true;
    }
}

void weak_fence(enum weak_order order)
{
    uint32_t index;
    struct thread *thread = self(&index);
    if (thread) {
        fence(thread, order);
    }
}

void weak_fence_all(void)
{
    uint32_t index;
    struct thread *thread = self(&index);
    for (uint32_t i = 0; thread && i < WEAK_THREADS; i++) {
        fence(&weak.threads[i], WEAK_SEQ_CST);
    }
    weak_fence(WEAK_SEQ_CST);
}

/* ------------------------------------------------------------------------------------------------ */
/* Plain memory                                                                                       */
/* ------------------------------------------------------------------------------------------------ */

static struct granule *granule_at(uintptr_t offset)
{
    const uint32_t number = (uint32_t)(offset / GRANULE);
    struct granule *granule = &weak.granules[number];
    if (!granule->used) {
        granule->used = true;
        weak.granules_used[weak.granule_count++] = number;
    }
    return granule;
}

static void touch(uintptr_t offset, struct thread *thread, uint32_t index, bool writes)
{
    struct granule *granule = granule_at(offset);
    const struct weak_clock *known = &thread->known;
    if (granule->written > known->after[granule->writer]) {
        machine_violation("data race: byte %zu was written by process %u, unknown to process %u",
                          (size_t)offset, granule->writer, index);
    }
    if (!writes) {
        granule->read[index] = tick(thread, index);
        return;
    }
    for (uint32_t i = 0; i < WEAK_THREADS; i++) {
        if (granule->read[i] > known->after[i]) {
            machine_violation("data race: byte %zu is written by process %u, and was read by %u",
                              (size_t)offset, index, i);
        }
    }
    granule->writer = index;
    granule->written = tick(thread, index);
    memset(granule->read, 0, sizeof granule->read);
}

static void touch_all(const void *at, size_t size, bool writes)
{
    uint32_t index;
    struct thread *thread = self(&index);
    const uintptr_t start = (uintptr_t)at - (uintptr_t)sim_memory;
    if (!thread || start >= SIM_MEMORY_SIZE) {
        return;
    }
    for (uintptr_t offset = start / GRANULE * GRANULE; offset < start + size; offset += GRANULE) {
        touch(offset, thread, index, writes);
    }
}

void weak_reads(const void *from, size_t size)
{
    touch_all(from, size, false);
}

void weak_writes(const void *to, size_t size)
{
    touch_all(to, size, true);
}

void weak_words(const void *at, size_t size)
{
    const uintptr_t start = (uintptr_t)at - (uintptr_t)sim_memory;
    for (uintptr_t offset = start / 8 * 8; weak_on && start < SIM_MEMORY_SIZE && offset < start + size;
         offset += 8) {
        (void)cell_at(sim_memory + offset, 8);
    }
}

void weak_wrote(const void *to, size_t size)
{
    uint32_t index;
    struct thread *thread = self(&index);
    const uintptr_t start = (uintptr_t)to - (uintptr_t)sim_memory;
    for (uintptr_t offset = start / 8 * 8; thread && start < SIM_MEMORY_SIZE && offset < start + size;
         offset += 4) {
        if (weak.cell_of[offset / 4] != 0) {
            struct cell *cell = &weak.cells[weak.cell_of[offset / 4] - 1u];
            append(cell, thread, index, memory_value(cell->word, cell->size), WEAK_RELAXED, false);
        }
    }
}

void weak_emptied(const void *at, size_t size)
{
    const uintptr_t start = (uintptr_t)at - (uintptr_t)sim_memory;
    for (uintptr_t offset = start; weak_on && offset < start + size; offset += 4) {
        if (weak.cell_of[offset / 4] != 0) {
            begin(&weak.cells[weak.cell_of[offset / 4] - 1u]);
        }
        weak.granules[offset / GRANULE] = (struct granule){.used = weak.granules[offset / GRANULE].used};
    }
}

/* ------------------------------------------------------------------------------------------------ */
/* A schedule                                                                                         */
/* ------------------------------------------------------------------------------------------------ */

void weak_calm(void)
{
    weak_on = false;
}

void weak_reset(uint64_t seed, uint32_t stale)
{
    for (uint32_t i = 0; i < weak.cell_count; i++) {
        weak.cell_of[((uintptr_t)weak.cells[i].word - (uintptr_t)sim_memory) / 4] = 0;
    }
    for (uint32_t i = 0; i < weak.granule_count; i++) {
        weak.granules[weak.granules_used[i]] = (struct granule){0};
    }
    weak.cell_count = 0;
    weak.granule_count = 0;
    weak.stores = 0;
    memset(weak.threads, 0, sizeof weak.threads);
    memset(weak.fences, 0, sizeof weak.fences);
    weak.random = random_seeded(seed, 7);
    weak.stale = stale;
    weak_on = stale > 0;
}
