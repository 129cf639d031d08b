/* SPDX-License-Identifier: Apache-2.0 */
/* Sleeping and waking: no wake-up is lost, none is made that nobody needs. */
#include "unit.h"

#include "os_barrier.h"
#include "os_clock.h"
#include "waiter.h"

#define LONG_NS INT64_C(30000000000)

UNIT(waiter, wakes_nobody_where_nobody_sleeps)
{
    struct shm_wait wait = {0};
    check(!waiter_wake(&wait));
    check(!waiter_notify(&wait, false));
    check(!waiter_notify(&wait, true));
    check_eq(load32_relaxed(&wait.event), 0);
}

UNIT(waiter, wakes_once)
{
    struct shm_wait wait = {0};
    (void)waiter_raise(&wait);
    check_eq(load32_relaxed(&wait.sleepers), WAIT_ASLEEP);
    check(waiter_notify(&wait, true));
    check_eq(load32_relaxed(&wait.sleepers), WAIT_NONE);
    check_eq(load32_relaxed(&wait.event), 1);
    check(!waiter_notify(&wait, true));
    check_eq(load32_relaxed(&wait.event), 1);
}

UNIT(waiter, does_not_sleep_through_a_wake_up)
{
    struct shm_wait wait = {0};
    const struct waiter_ticket ticket = waiter_raise(&wait);
    check(waiter_notify(&wait, true));
    const int64_t before = os_clock_monotonic();
    waiter_sleep(&wait, ticket, INT64_MAX, LONG_NS);
    check(os_clock_monotonic() - before < LONG_NS / 2);
}

UNIT(waiter, sleeps_no_longer_than_it_is_told)
{
    struct shm_wait wait = {0};
    const int64_t before = os_clock_monotonic();
    waiter_sleep(&wait, waiter_raise(&wait), INT64_MAX, 1000000);
    waiter_sleep(&wait, waiter_raise(&wait), before + 1000000, LONG_NS);
    waiter_sleep(&wait, waiter_raise(&wait), 1, LONG_NS);
    check(os_clock_monotonic() - before < LONG_NS);
}

/* Two threads hand a number to each other, each asleep until it comes. */
struct side {
    struct shm_wait wait;
    atomic_u64 number;
};

struct game {
    struct side sides[2];
    unsigned rounds;
    bool registered;
};

static void await(struct side *side, uint64_t number)
{
    while (load64_acquire(&side->number) != number) {
        const struct waiter_ticket ticket = waiter_raise(&side->wait);
        if (load64_acquire(&side->number) == number) {
            return;
        }
        const int64_t before = os_clock_monotonic();
        waiter_sleep(&side->wait, ticket, INT64_MAX, LONG_NS);
        check(os_clock_monotonic() - before < LONG_NS / 2); /* else a wake-up was lost */
    }
}

static void give(const struct game *game, struct side *side, uint64_t number)
{
    store64_release(&side->number, number);
    (void)waiter_notify(&side->wait, game->registered);
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
    struct game game = {.rounds = 5000, .registered = registered};
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
