/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A channel that `exec` sends to, without waiting: who finds no room is told by the waitset when there is some.
 *
 * Workers share outlets. Functions return what they could do, or a negative errno whose reason has been said.
 *
 * concurrency   one thread
 * killed        each message is whole or not there
 */
#ifndef SHMBUS_TOOLS_EXEC_OUTLET_H
#define SHMBUS_TOOLS_EXEC_OUTLET_H

#include <shmbus/shmbus.h>
#include <stdint.h>
#include <sys/uio.h>

struct outlet {
    const char *channel; /* NULL: there is none */
    shmbus_publisher *publisher;
    shmbus_waitset *set;
    uint64_t largest;
    int full;   /* in the set, until there is room */
    int failed; /* nothing can be sent any more */
};

/* Creates the channel when it is not there. EXIT_OK, or an exit code whose reason has been said. */
int outlet_open(struct outlet *outlet, shmbus_bus *bus, shmbus_waitset *set, const char *channel);

/*
 * Sends as many as there is room for now; the others are the caller's to send later. Who has failed once goes on to
 * fail, and says no more.
 */
int outlet_send(struct outlet *outlet, const struct iovec *messages, unsigned count);

/* The waitset says that there is room. */
void outlet_ready(struct outlet *outlet);

#endif
