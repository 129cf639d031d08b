/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables at which processes hand numbers to each other, asleep whenever they wait. All of a table stands still if
 * one of them is not woken: nothing else at the table could wake him.
 *
 *   table with answers    the asker sends number n to all answerers; each sends it back; then comes n + 1
 *   table with room       a writer fills a ring of a few slots, a reader empties it; either waits for the other
 *
 *   call          who               may overlap with
 *   player_run    each player       everything: processes
 *
 * killed        players are only killed when all is over
 */
#ifndef SHMBUS_TESTS_STRESS_HANDOFF_H
#define SHMBUS_TESTS_STRESS_HANDOFF_H

#include "random.h"

#include <shmbus/shmbus.h>

#include <stdatomic.h>

#define ANSWERERS_MAX 3
#define PLAYERS_MAX (1 + ANSWERERS_MAX)
#define WIDTH_MAX 3

enum way {
    WAY_BLOCK,    /* in the call that receives or sends */
    WAY_ADAPTIVE, /* the same, after a spin */
    WAY_SET,      /* in shmbus_waitset_wait() */
    WAY_EPOLL,    /* in epoll_wait(), on the set's descriptor */
};

struct table {
    const char *name;
    enum way first; /* the asker, or the writer */
    unsigned count; /* of the others: answerers, or one reader */
    enum way others[ANSWERERS_MAX];
    unsigned width; /* channels that questions come through, in no order */
    unsigned room;  /* 0, or how many slots the ring of a table with room has */
};

/* What a player tells the parent. */
struct player_ledger {
    _Atomic uint64_t handoffs; /* numbers that it has got or got rid of */
    _Atomic uint64_t slept;    /* of them: had to sleep for it */
    _Atomic uint64_t number;   /* that it is about */
    _Atomic uint32_t waits;    /* is it in a call that waits? */
    _Atomic uint32_t ready;
};

struct player {
    const struct table *table;
    const char *bus_name;
    unsigned table_index;
    unsigned index; /* 0: the asker or writer */
    uint64_t seed;
    struct player_ledger *ledgers; /* of the table, by index */
};

const char *way_name(enum way way);
enum way player_way(const struct table *table, unsigned index);

/* Plays until killed. */
void player_run(const struct player *player) __attribute__((noreturn));

#endif
