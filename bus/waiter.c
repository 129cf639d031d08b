/* SPDX-License-Identifier: Apache-2.0 */
#include "waiter.h"

#include "os_clock.h"

static atomic_u32 interrupts;

/* Those that have bit `bit` in common. */
static void ring_all_of(const struct participant *self, uint32_t bit)
{
    for (uint32_t index = bit; index < self->count; index += WAIT_BELL_BITS) {
        participant_ring(self, index);
    }
}

static void ring_bells(const struct shm_wait *wait, const struct participant *self)
{
    for (uint32_t i = 0; i < WAIT_BELL_WORDS; i++) {
        uint64_t bits = load64_relaxed(&wait->bells[i]);
        for (; bits != 0; bits &= bits - 1) {
            ring_all_of(self, 64 * i + (uint32_t)__builtin_ctzll(bits));
        }
    }
}

bool waiter_wake(struct shm_wait *wait, const struct participant *self)
{
    uint64_t sleepers = load64_acquire(&wait->sleepers); /* [acq:sleepers] */
    if ((sleepers & WAIT_FLAGS) == 0) {
        return false;
    }
    if (sleepers & WAIT_ASLEEP) {
        (void)add32_release(&wait->event, 1); /* [rel:event] */
        os_futex_wake_all(&wait->event);
    }
    if (sleepers & WAIT_BELLS) {
        ring_bells(wait, self);
    }
    /* Fails when somebody has raised a flag since: he may sleep after our wake-up. [rel:sleepers] */
    (void)cas64_release(&wait->sleepers, &sleepers, sleepers & ~WAIT_FLAGS);
    return true;
}

bool waiter_take(struct waiter_ticket *ticket, atomic_u32 *word)
{
    const uint32_t event = load32_acquire(word); /* [acq:event] [acq:bell] */
    if (ticket->fenced && ticket->futex.word == word && ticket->futex.expected == event) {
        return false;
    }
    *ticket = (struct waiter_ticket){.futex = {.word = word, .expected = event}};
    return true;
}

void waiter_raise(struct shm_wait *wait, uint64_t flag)
{
    /* The count even if the flag is up: a waker that saw it before must not take it down. [rel:sleepers] */
    const uint64_t before = add64_release(&wait->sleepers, WAIT_RAISED);
    if ((before & flag) == 0) {
        (void)or64_release(&wait->sleepers, flag); /* [rel:sleepers] */
    }
}

void waiter_raise_bell(struct shm_wait *wait, uint32_t index)
{
    atomic_u64 *word = &wait->bells[index % WAIT_BELL_BITS / 64];
    const uint64_t bit = UINT64_C(1) << index % 64;
    if ((load64_relaxed(word) & bit) == 0) {
        (void)or64_relaxed(word, bit); /* before the flag, which releases it: who sees that finds the bit */
    }
    waiter_raise(wait, WAIT_BELLS);
}

void waiter_forget(struct shm_wait *wait, const struct participant *self, uint32_t index)
{
    const uint64_t bit = UINT64_C(1) << index % 64;
    atomic_u64 *word = &wait->bells[index % WAIT_BELL_BITS / 64];
    if (index < self->count && (load64_relaxed(word) & bit) != 0) {
        (void)and64_relaxed(word,
                            ~bit); /* before the bell, which releases it: who hears that finds it gone */
        ring_all_of(self, index % WAIT_BELL_BITS);
    }
}

static int64_t at_most(int64_t most, int64_t limit)
{
    return most < limit ? most : limit;
}

void waiter_plan_sleep(struct waiter_plan *plan, const struct waiter_ticket *tickets, unsigned count,
                       const struct waiter_bounds *bounds)
{
    const int64_t now = os_clock_monotonic();
    int64_t most = at_most(bounds->most, bounds->deadline - now);
    plan->words[0] = tickets[0].futex;
    plan->count = 1;
    bool short_steps = !tickets[0].fenced;
    for (unsigned i = 1; i < count; i++) {
        short_steps |= !tickets[i].fenced || plan->count == OS_FUTEX_WORDS - 1;
        if (plan->count < OS_FUTEX_WORDS - 1) { /* one is left for interrupts */
            plan->words[plan->count++] = tickets[i].futex;
        }
    }
    most = short_steps ? at_most(most, SLEEP_UNFENCED_NS) : most;
    if (bounds->interrupts) {
        plan->words[plan->count++] =
            (struct os_futex_word){.word = &interrupts, .expected = *bounds->interrupts};
    }
    plan->until = now + most;
    if (most == SLEEP_MAX_NS) { /* all who have nothing to do look together: one timer, and warm caches */
        plan->until -= plan->until % SLEEP_MAX_NS;
    }
}

void waiter_execute(const struct waiter_plan *plan)
{
    int64_t until = plan->until;
    if (plan->count > 1) {
        if (os_futex_wait_any(plan->words, plan->count, until)) {
            return;
        }
        until = at_most(until, os_clock_monotonic() + SLEEP_UNFENCED_NS);
    }
    os_futex_wait(plan->words[0].word, plan->words[0].expected, until);
}

void waiter_sleep(const struct waiter_ticket *tickets, unsigned count, const struct waiter_bounds *bounds)
{
    struct waiter_plan plan;
    waiter_plan_sleep(&plan, tickets, count, bounds);
    waiter_execute(&plan);
}

uint32_t waiter_interrupts(void)
{
    return load32_acquire(&interrupts); /* [acq:interrupts] */
}

void waiter_interrupt(void)
{
    (void)add32_release(&interrupts, 1); /* [rel:interrupts] */
    os_futex_wake_all(&interrupts);
}
