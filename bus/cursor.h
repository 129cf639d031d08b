/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups as publishers see them: how far the slowest one lets them go, and how a new one steps in.
 *
 *   call            who                            may overlap with
 *   cursor_room     any publisher, at any time     everything
 *   cursor_join     holder of the directory lock   everything but another join
 *   cursor_oldest   holder of the directory lock   everything
 *
 * killed        cursor_room writes nothing. A joiner killed half-way leaves an active group with a cursor
 *               that is too low, held by a dead member: recovery frees it.
 *
 * The handshake between joining and publishing (Dekker's, with a fence on both sides):
 *
 *   publisher   limit = tail + grant; FENCE; look at the groups; go up to min(limit, slowest + slots)
 *   joiner      cursor = low, state = active; FENCE; look at the tail and at all publishers' limits
 *
 * Either the publisher sees the new group, or the joiner sees the publisher's limit and starts where that
 * limit cannot overwrite. As a grant is an eighth of the ring, seven eighths of it can be joined.
 */
#ifndef SHMBUS_BUS_CURSOR_H
#define SHMBUS_BUS_CURSOR_H

#include "ring.h"

/*
 * What may be claimed from a tail on. Where the arena was empty once and started again, `base` is the position
 * from then: groups at or behind its sequence hold no line before its line, though they may still show one
 * (they have read no arena record since). Late joiners may stand before it, and do hold older lines.
 */
struct cursor_room {
    uint32_t slots;
    uint32_t lines;
    position base;
    bool based;
};

/*
 * The room behind `tail`, whose full sequence is `sequence`, for publisher `self`. On block channels the
 * slowest group bounds it; where none does, unfinished claims of other publishers do. `exact` looks at what
 * members have released and not yet published as well: a cache miss for each of them.
 */
struct cursor_room cursor_room(const struct ring *ring, uint64_t sequence, position tail, uint32_t self,
                               bool exact, const position *base);

/*
 * Makes `group` active with GROUP_* `flags`, at the tail or at the oldest message that is certain to stay.
 * Returns the full sequence it starts at; the cursor holds its position.
 */
uint64_t cursor_join(const struct ring *ring, struct shm_group *group, uint64_t flags, bool oldest);

/* How far past `tail` publishers have gone, or may go without another look at the groups. */
void cursor_granted(const struct ring *ring, position tail, uint32_t *slots, uint32_t *lines);

/* The full sequence of position `p`, which is within the ring's reach of the tail. */
uint64_t cursor_sequence(const struct ring *ring, position p);

/* Entries of a table that were ever used: how far a scan must look. */
static inline uint32_t cursor_used(const atomic_u32 *count, uint32_t max)
{
    const uint32_t n = load32_acquire(count); /* [acq:tables] */
    return n < max ? n : max;
}

/* Does a member's entry belong to who took it, dead or alive? Else it is free, or left for others. */
static inline bool member_joined(uint64_t owner)
{
    return owner != OWNER_NONE && (owner & OWNER_STATE) == 0;
}

/* May it hold messages? */
static inline bool member_in_use(uint64_t owner)
{
    return owner != OWNER_NONE && (owner & OWNER_SPENT) == 0;
}

#endif
