/* SPDX-License-Identifier: Apache-2.0 */
/* Kills those of DEATHS. BEFORE_DEATH(process) is what still happens before anybody can know. */
#ifndef BEFORE_DEATH
#define BEFORE_DEATH(victim) skip
#endif

byte killers_done;
#define NO_KILLER_LEFT (killers_done == HAS(DEATHS, 0) + HAS(DEATHS, 1) + HAS(DEATHS, 2))

/* Strikes at any moment, at the latest when nobody else can go on: also when its victim has done all it had to do. */
proctype killer(byte victim)
{
    d_step { BEFORE_DEATH(victim); dead[victim] = true; killers_done++ }
}

inline start_killers()
{
    for (i : 0 .. PROCESSES - 1) {
        if
        :: HAS(DEATHS, i) -> run killer(i)
        :: else
        fi
    };
    i = 0
}
