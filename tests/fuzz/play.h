/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A play: two actors on a small bus that do what the fuzzer's input says, and damage between what they do. The
 * whole is deterministic: what was found can be found again. A target_*.c is one play.
 *
 *   input   shape, then until it ends: what happens next (damage, a crash, or an actor's turn), and its bytes
 *
 * concurrency   one play at a time in a process
 * killed        the next play of the same process id replaces the segment
 */
#ifndef SHMBUS_TESTS_FUZZ_PLAY_H
#define SHMBUS_TESTS_FUZZ_PLAY_H

#include "actor.h"
#include "scene.h"

struct play {
    struct scene scene;
    struct bytes bytes;
    struct actor actors[2];
};

/* Defined by each target. */
struct play_target {
    unsigned kinds;        /* what its actors do */
    enum scene_area focus; /* what half of the damage is done to */
    /* Brings the scene to where it gets interesting. */
    void (*prepare)(struct play *play);
    /* Has a last look at what the play has made of it; may be NULL. */
    void (*finish)(struct play *play);
};

extern const struct play_target play_target;

/* The bus that this process plays on: "fuzz.PID", or the value of SHMBUS_FUZZ_BUS. */
const char *play_bus_name(void);

/* Actor `actor` does `turns` operations of those kinds, as `seed` says. For prepare(). */
void play_rehearse(struct play *play, unsigned actor, unsigned kinds, unsigned turns, uint64_t seed);

/* Everybody dies where he is: the segment is as it was, the locks are gone. */
void play_crash(struct play *play);

/* What libFuzzer, AFL++ and the replayer call. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
