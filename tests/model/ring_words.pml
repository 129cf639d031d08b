/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a channel that its protocols change (bus/layout.h), and who is alive.
 *
 * Each access to a word that others use is a step. What is only compared, or only ever counted up, has its full value: no
 * sequence wraps. Sequences start at SLOTS, so that those of one lap before are not negative. A payload is two words, of
 * which each message has its own value. Arena lines are not modelled, but for the records of ring_overwrite.pml.
 *
 * The model that includes this may define
 *
 *   SLOTS             [2]
 *   PROCESSES         that own entries, numbered from 0
 *   DEATHS            bit set of those that may be killed before any of their steps
 */
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef DEATHS
#define DEATHS 0
#endif

hidden byte i; /* of the loops inside d_step, and of init; 0 behind each */

#define HAS(set, i) (((set) >> (i)) & 1)

/* ---------------------------------------------------------------------------------------- tail and slots */

#define FIRST SLOTS
#define SLOT(seq) ((seq) % SLOTS)
#define LAP(seq) ((seq) / SLOTS + 1)

/* A stamp: {lap, ABORTED, WRITING}. */
#define WRITING 1
#define ABORTED 2
#define STAMP(seq, flags) (LAP(seq) << 2 | (flags))
#define LAP_OF(s) ((s) >> 2)
#define OLD_STAMP (LAP(0) << 2)

byte tail = FIRST;
byte stamp[SLOTS] = OLD_STAMP;

/* ring.h: ring_is_finished() */
#define IS_FINISHED(s, seq) (LAP_OF(s) > LAP(seq) || LAP_OF(s) == LAP(seq) && !((s) & WRITING))
/* ring_slot.h: slot_state(): 0, -EAGAIN, -ESTALE */
#define IS_THERE(s, seq) (LAP_OF(s) == LAP(seq) && !((s) & WRITING))
#define IS_NOT_YET(s, seq) (LAP_OF(s) < LAP(seq) || LAP_OF(s) == LAP(seq) && ((s) & WRITING))
#define IS_STALE(s, seq) (LAP_OF(s) > LAP(seq))

/* cursor.c: room_behind() */
#define FREE_BEHIND(seq, position) ((seq) - (position) < SLOTS -> SLOTS - ((seq) - (position)) : 0)
#define lower_room(seq, position)                                                                               \
    room = ((position) < (seq) && FREE_BEHIND(seq, position) < room -> FREE_BEHIND(seq, position) : room)

/* ------------------------------------------------------------------------------------------------ owners */

#define NONE 0
#define OWNED_BY(process) ((process) + 1) /* the process's generation is in it: nobody else is ever the same */

bool dead[PROCESSES];

/* participant.c: participant_alive(), of an owner */
#define ALIVE(own) (!dead[(own) - 1])

#if DEATHS
#define UNLESS_KILLED(process) unless { dead[process] }
#else
#define UNLESS_KILLED(process)
#endif
