/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Knows every message that was ever sent, and what each group has seen of them; says what must not be.
 *
 *   every delivery    whole, sent, at one and the same sequence for everybody
 *   a group           in order; a message again only if it is marked redelivered, whoever had it is gone, and he
 *                     has not given it back
 *   on block channels nothing that was committed is missing, where a group has seen all
 *
 * concurrency   one thread; none of it is a step of a process
 * killed        the world tells (oracle_died); a message that was being sent or received then may be there or not
 */
#ifndef SHMBUS_TESTS_SIM_ORACLE_H
#define SHMBUS_TESTS_SIM_ORACLE_H

#include "adapter.h"

#define ORACLE_SIZE_MIN 8u

void oracle_reset(uint64_t first_sequence, bool overwrite);

/* A message is about to be sent by `writer`: its number. */
uint32_t oracle_writes(uint32_t writer, size_t size);

/* What the message is made of, in two halves with a step before each. */
void oracle_fill(void *to, uint32_t message);

void oracle_claimed(uint32_t message, uint64_t sequence); /* it must not be seen until it is committed */
void oracle_commits(uint32_t message);                    /* it may be seen from here on... */
void oracle_sent(uint32_t message);                       /* ...and must be */
void oracle_failed(uint32_t message);                     /* nobody may ever see it */
void oracle_placed(uint32_t message, uint64_t sequence);  /* what was sent lies here */

/* A member joins: its number. */
uint32_t oracle_joins(struct adapter_group group);

/* It is inside a call that shows and gives back at once. */
void oracle_receives(uint32_t member, bool inside);

/* A message is shown to it; `passed` is what it counts as missed and aborted so far. */
void oracle_shows(uint32_t member, const shmbus_message *message, uint64_t passed);

/* Somebody who is no reader has seen message `sequence` in passing: its bytes, or that it was given up. */
void oracle_sights(uint64_t sequence, const struct adapter_sight *sight, const void *bytes);

/* What it was shown is given back. */
void oracle_released(uint32_t member);

void oracle_left(uint32_t member);
void oracle_died(uint32_t member);

/* The group has seen all before `tail`. */
void oracle_drained(uint32_t member, uint64_t tail);

/* At the end: what is missing? */
void oracle_finish(void);

/* Messages delivered in this schedule. */
uint64_t oracle_deliveries(void);
uint64_t oracle_redeliveries(void);

#endif
