/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that all processes of a round share, apart from the bus: who has sent and seen what. Written
 * down as it happens; the parent judges it at the end.
 *
 *   call                        who                  may overlap with
 *   ledger_open, ledger_close   the parent, alone    nothing
 *   ledger_fail                 any process          everything: the first one's text stays
 *   others                      any process          everything
 *
 * killed        each entry is one atomic word: it was written or it was not. The mapping outlives its writers.
 */
#ifndef SHMBUS_TESTS_STRESS_LEDGER_H
#define SHMBUS_TESTS_STRESS_LEDGER_H

#include "message.h"
#include "plan.h"

#include <stdatomic.h>

/* What became of a message number of a publisher. */
#define NUMBER_TRIED 1u     /* it may be in the channel: its publisher may have died meanwhile */
#define NUMBER_COMMITTED 2u /* it is in the channel */

/* What lies at a sequence: {kind:2, size:22, digest:40}. */
#define RECORD_MESSAGE 1u
#define RECORD_ABORTED 2u
#define RECORD_KIND(record) ((unsigned)(record)&3u)
#define RECORD_SIZE(record) ((uint32_t)((record) >> 2) & 0x3fffffu)
#define RECORD_DIGEST_MASK (~UINT64_C(0) << 24)

/* How often a group was given the message of a sequence: plainly, and marked as redelivered. */
#define SEEN_PLAIN 1u
#define SEEN_MARKED 0x100u

struct publisher_ledger {
    _Atomic uint64_t next; /* number that a successor starts with */
    _Atomic uint64_t committed;
    _Atomic uint64_t aborted;
    _Atomic uint64_t deaths;
    _Atomic uint32_t done;
};

struct group_ledger {
    _Atomic uint64_t next; /* exclusive: sequence behind the last message seen */
    _Atomic uint64_t seen; /* messages */
    _Atomic uint64_t marked;
    _Atomic uint64_t missed; /* as the messages said */
    _Atomic uint64_t joins;
    _Atomic uint64_t joins_behind; /* joins that started with a message that was there before */
    _Atomic uint64_t deaths;
    _Atomic uint64_t excused; /* of the deaths: those that may have taken an unnoted message with them */
};

struct ledger {
    uint64_t seed;
    uint64_t first;    /* sequence of the first record */
    uint64_t capacity; /* records */
    size_t mapped;     /* bytes */
    _Atomic uint32_t failed;
    _Atomic uint32_t ready; /* workers */
    _Atomic uint32_t started;
    _Atomic uint32_t finish;  /* publishers: no more messages */
    _Atomic uint32_t stop;    /* readers: nothing will come any more */
    _Atomic uint32_t stopped; /* readers that have seen it */
    _Atomic uint32_t leave;
    _Atomic uint32_t done;   /* publishers */
    _Atomic uint64_t newest; /* sequence behind the highest that anybody has read */
    char failure[8000];
    struct publisher_ledger publishers[PLAN_PUBLISHERS];
    struct group_ledger groups[PLAN_GROUPS];
    _Atomic uint64_t *record;            /* of each sequence: RECORD_* */
    _Atomic uint64_t *name;              /* of each sequence: 1 + {publisher:8, number:32}, when known */
    _Atomic uint16_t *index;             /* of each sequence: 1 + the channel's number of its publisher */
    _Atomic uint16_t *seen[PLAN_GROUPS]; /* of each sequence: SEEN_* */
    _Atomic uint8_t *numbers[PLAN_PUBLISHERS]; /* of each message number: NUMBER_* */
};

/* Maps a ledger for `plan`; NULL when there is no memory. */
struct ledger *ledger_open(const struct plan *plan, uint64_t seed);

void ledger_close(struct ledger *ledger);

/* The round has failed: keeps the first text. Returns, the caller ends its process. */
void ledger_fail(struct ledger *ledger, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Index of `sequence` in the tables; `capacity` if it does not belong to the round. */
uint64_t ledger_at(const struct ledger *ledger, uint64_t sequence);

/*
 * Notes what lies at `at`, by its reader or its claimer. False: somebody noted something else. `id` may be
 * NULL when it is not known.
 */
bool ledger_note(struct ledger *ledger, uint64_t at, size_t size, uint64_t digest,
                 const struct message_id *id);

/* Notes that the claim at `at` is given up, before it is. */
void ledger_note_aborted(struct ledger *ledger, uint64_t at);

#endif
