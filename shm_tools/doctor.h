/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The examinations of `shmbus doctor`. Each adds what it finds; none changes anything.
 *
 * concurrency   one thread; the buses may change meanwhile: see <shmbus/inspect.h>
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_DOCTOR_H
#define SHMBUS_TOOLS_DOCTOR_H

#include "attendance.h"
#include "findings.h"

/* A bus, looked at twice: what did not move in between stands still. */
struct patient {
    const char *name; /* as `doctor` was asked for it */
    struct snapshot before;
    struct snapshot now;
    struct attendance attendance; /* now */
    struct process changer;       /* who took the directory lock last */
    int error;                    /* 0, or the errno for which it cannot be looked at */
    char problem[512];            /* what shmbus_strerror() says of that */
};

/* The bus itself: who is attached to it, whose it is, its memory and directory. */
void doctor_bus(const struct patient *patient, struct findings *findings);

/* One channel of it: who waits for whom. */
void doctor_channel(const struct patient *patient, const struct snapshot_channel *channel,
                    struct findings *findings);

/* Participants that are stopped, and what they hold up. */
void doctor_paused(const struct patient *patient, struct findings *findings);

/* Whether logind removes the bus when its owner logs out. */
void doctor_logind(const struct patient *patient, struct findings *findings);

/* /dev/shm, the CPUs and huge pages. `resident` is what all buses have in memory. */
void doctor_host(uint64_t resident, struct findings *findings);

/* What the kernel lacks, or forbids us. */
void doctor_kernel(struct findings *findings);

/* Mends what it can, each after asking unless `yes`. */
void doctor_fix(struct findings *findings, int yes);

/* Texts of findings. */

/* "feeder" (pid 123) */
struct person {
    char text[160];
};
struct person doctor_person(const struct attendant *attendant);

/* Sets `command`, with names as a shell needs them: "shmbus VERB -b BUS", and -c CHANNEL -g GROUP if not NULL. */
void doctor_command(struct finding *finding, const char *verb, const char *bus, const char *channel,
                    const char *group);

/* Sets `command` to what lets a stopped process run again, if anything does, and the pid. */
void doctor_wake(struct finding *finding, const struct process *process);

#endif
