/* SPDX-License-Identifier: Apache-2.0 */
/* Sleeping and waking: no wake-up is lost, none is made that nobody needs. */
#include "unit.h"

#include "os_barrier.h"
#include "os_clock.h"
#include "waiter.h"

#define LONG_NS INT64_C(30000000000)

/* Participants in private memory: the waiter only rings their bells. */
#define PARTICIPANTS (WAIT_BELL_BITS + 8)

static struct participant *one_of(bool registered)
{
    static struct shm_participant table[PARTICIPANTS];
    static struct participant both[] = {{.table = table, .count = PARTICIPANTS},
                                        {.table = table, .count = PARTICIPANTS, .registered = true}};
    return &both[registered];
}

static uint64_t flags(const struct shm_wait *wait)
{
    return load64_relaxed(&wait->sleepers) & WAIT_FLAGS;
}

static struct waiter_ticket ticket_of(struct shm_wait *wait)
{
    struct waiter_ticket ticket = {0};
    check(waiter_take(&ticket, &wait->event));
    waiter_raise(wait, WAIT_ASLEEP);
    waiter_barrier(&ticket, one_of(true), false);
    return ticket;
}

static void sleep_for(const struct waiter_ticket *ticket, int64_t deadline, int64_t most)
{
    const struct waiter_bounds bounds = {.deadline = deadline, .most = most};
    waiter_sleep(ticket, 1, &bounds);
}

UNIT(waiter, wakes_nobody_where_nobody_sleeps)
{
    struct shm_wait wait = {0};
    check(!waiter_wake(&wait, one_of(true)));
    check(!waiter_notify(&wait, one_of(false), true));
    check(!waiter_notify(&wait, one_of(true), false));
    check_eq(load32_relaxed(&wait.event), 0);
}

UNIT(waiter, wakes_once)
{
    struct shm_wait wait = {0};
    waiter_raise(&wait, WAIT_ASLEEP);
    check_eq(flags(&wait), WAIT_ASLEEP);
    check(waiter_notify(&wait, one_of(true), false));
    check_eq(flags(&wait), 0);
    check_eq(load32_relaxed(&wait.event), 1);
    check(!waiter_notify(&wait, one_of(true), false));
    check_eq(load32_relaxed(&wait.event), 1);
}

UNIT(waiter, rings_the_bells_that_were_left)
{
    struct shm_wait wait = {0};
    struct participant *self = one_of(true);
    waiter_raise_bell(&wait, 3);
    waiter_raise_bell(&wait, WAIT_BELL_BITS - 1);
    waiter_raise_bell(&wait, WAIT_BELL_BITS + 5); /* shares its bit with 5 */
    const uint32_t before = load32_relaxed(&self->table[3].bell);
    check(waiter_notify(&wait, self, false));
    check_eq(load32_relaxed(&wait.event), 0);
    check_eq(load32_relaxed(&self->table[3].bell), before + 1);
    check_eq(load32_relaxed(&self->table[4].bell), before);
    check_eq(load32_relaxed(&self->table[5].bell), before + 1);
    check_eq(load32_relaxed(&self->table[WAIT_BELL_BITS - 1].bell), before + 1);
    check_eq(load32_relaxed(&self->table[WAIT_BELL_BITS + 5].bell), before + 1);
    check(!waiter_notify(&wait, self, false));
}

UNIT(waiter, forgets_who_leaves)
{
    struct shm_wait wait = {0};
    struct participant *self = one_of(true);
    waiter_raise_bell(&wait, 7);
    waiter_forget(&wait, self, 7); /* rings once more, for others of the same participant */
    const uint32_t before = load32_relaxed(&self->table[7].bell);
    check(waiter_notify(&wait, self, false)); /* the flag is up still */
    check_eq(load32_relaxed(&self->table[7].bell), before);
    waiter_forget(&wait, self, 7);
    waiter_forget(&wait, self, UINT32_MAX);
    check_eq(load32_relaxed(&self->table[7].bell), before);
    waiter_raise_bell(&wait, 7);
    waiter_forget(&wait, self, WAIT_BELL_BITS + 7); /* whose bit is that of 7 too, who may sleep */
    check_eq(load32_relaxed(&self->table[7].bell), before + 1);
}

/* Who raises a flag that is up may sleep after the wake-up that is under way. */
UNIT(waiter, leaves_a_flag_up_that_was_raised_again)
{
    struct shm_wait wait = {0};
    waiter_raise(&wait, WAIT_ASLEEP);
    const uint64_t seen = load64_relaxed(&wait.sleepers);
    waiter_raise(&wait, WAIT_ASLEEP);
    check(load64_relaxed(&wait.sleepers) != seen); /* the waker's CAS fails */
    check_eq(flags(&wait), WAIT_ASLEEP);
    waiter_raise(&wait, WAIT_BELLS);
    check_eq(flags(&wait), WAIT_ASLEEP | WAIT_BELLS);
    check(waiter_wake(&wait, one_of(true)));
    check_eq(flags(&wait), 0);
}

UNIT(waiter, takes_a_new_ticket_only_for_a_new_event)
{
    struct shm_wait wait = {0};
    struct waiter_ticket ticket = ticket_of(&wait);
    check_eq(waiter_take(&ticket, &wait.event), !ticket.fenced);
    (void)waiter_wake(&wait, one_of(true));
    check(waiter_take(&ticket, &wait.event));
}

UNIT(waiter, does_not_sleep_through_a_wake_up)
{
    struct shm_wait wait = {0};
    const struct waiter_ticket ticket = ticket_of(&wait);
    check(waiter_notify(&wait, one_of(true), false));
    const int64_t before = os_clock_monotonic();
    sleep_for(&ticket, INT64_MAX, LONG_NS);
    check(os_clock_monotonic() - before < LONG_NS / 2);
}

UNIT(waiter, sleeps_no_longer_than_it_is_told)
{
    struct shm_wait wait = {0};
    const struct waiter_ticket ticket = ticket_of(&wait);
    const int64_t before = os_clock_monotonic();
    sleep_for(&ticket, INT64_MAX, 1000000);
    sleep_for(&ticket, before + 1000000, LONG_NS);
    sleep_for(&ticket, 1, LONG_NS);
    check(os_clock_monotonic() - before < LONG_NS);
}

UNIT(waiter, is_not_interrupted_twice_by_one_interrupt)
{
    struct shm_wait wait = {0};
    const struct waiter_ticket ticket = ticket_of(&wait);
    uint32_t seen = waiter_interrupts();
    waiter_interrupt();
    check_eq(waiter_interrupts(), seen + 1);
    struct waiter_bounds bounds = {.deadline = INT64_MAX, .most = LONG_NS, .interrupts = &seen};
    const int64_t before = os_clock_monotonic();
    waiter_sleep(&ticket, 1, &bounds);
    check(os_clock_monotonic() - before < LONG_NS / 2);
    seen++;
    bounds.most = 2000000;
    waiter_sleep(&ticket, 1, &bounds);
    check(os_clock_monotonic() - before >= 2000000);
}

UNIT(waiter, sleeps_on_more_words_than_the_kernel_takes)
{
    static struct shm_wait waits[OS_FUTEX_WORDS + 10];
    static struct waiter_ticket tickets[OS_FUTEX_WORDS + 10];
    const unsigned count = OS_FUTEX_WORDS + 10;
    for (unsigned i = 0; i < count; i++) {
        tickets[i] = ticket_of(&waits[i]);
    }
    const struct waiter_bounds bounds = {.deadline = INT64_MAX, .most = LONG_NS};
    struct waiter_plan plan;
    waiter_plan_sleep(&plan, tickets, count, &bounds);
    check(plan.count < OS_FUTEX_WORDS); /* one is left for interrupts */
    check(plan.until <= os_clock_monotonic() + SLEEP_UNFENCED_NS);
    waiter_execute(&plan);
}

/* Two threads hand a number to each other, each asleep until it comes. */
struct side {
    struct shm_wait wait;
    atomic_u64 number;
};

struct game {
    struct side sides[2];
    unsigned rounds;
    const struct participant *self;
};

static void await(struct side *side, uint64_t number)
{
    while (load64_acquire(&side->number) != number) {
        const struct waiter_ticket ticket = ticket_of(&side->wait);
        if (load64_acquire(&side->number) == number) {
            return;
        }
        const int64_t before = os_clock_monotonic();
        sleep_for(&ticket, INT64_MAX, LONG_NS);
        check(os_clock_monotonic() - before < LONG_NS / 2); /* else a wake-up was lost */
    }
}

static void give(const struct game *game, struct side *side, uint64_t number)
{
    store64_release(&side->number, number);
    (void)waiter_notify(&side->wait, game->self, !game->self->registered);
}

static void *return_numbers(void *context)
{
    struct game *game = context;
    for (uint64_t i = 1; i <= game->rounds; i++) {
        await(&game->sides[1], i);
        give(game, &game->sides[0], i);
    }
    return NULL;
}

static void play(bool registered)
{
    struct game game = {.rounds = 5000, .self = one_of(registered)};
    pthread_t thread;
    check_eq(pthread_create(&thread, NULL, return_numbers, &game), 0);
    for (uint64_t i = 1; i <= game.rounds; i++) {
        give(&game, &game.sides[1], i);
        await(&game.sides[0], i);
    }
    check_eq(pthread_join(thread, NULL), 0);
}

UNIT(waiter, loses_no_wake_up)
{
    play(os_barrier_register());
}

UNIT(waiter, loses_no_wake_up_of_a_sender_that_fences)
{
    play(false);
}
