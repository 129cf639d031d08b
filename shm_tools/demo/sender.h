/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The demo's one publisher: sends each phase's messages, written in place, and its end marks. Used by the
 * main thread only. Killed here: the readers die with it, the bus stays until somebody removes it.
 */
#ifndef DEMO_SENDER_H
#define DEMO_SENDER_H

#include "children.h"
#include "progress.h"

typedef struct sender {
    children *readers;
    shmbus_bus *bus;
    shmbus_publisher *lines;
    shmbus_publisher *blobs;
    int64_t first; /* CLOCK_MONOTONIC ns: the phase's first message */
    int64_t last;  /* and its last */
} sender;

/* Opens the bus and both channels. Returns 0, or prints why not and returns -1. */
int sender_open(sender *self, children *readers);
void sender_close(sender *self);

/* Sends a whole phase. Returns 0, or prints why not and returns -1. */
int sender_send(sender *self, const phase_plan *plan);

#endif
