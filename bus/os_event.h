/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file descriptor that is readable or not: an eventfd. It cannot fill: what was signalled once stays so until it
 * is drained, however often it is signalled.
 *
 * concurrency   any thread
 * killed        process-local
 */
#ifndef SHMBUS_BUS_OS_EVENT_H
#define SHMBUS_BUS_OS_EVENT_H

/* Opens one that is readable. -EMFILE, -ENFILE, -ENOMEM. */
int os_event_open(void);

void os_event_signal(int fd);
void os_event_drain(int fd);
void os_event_close(int fd);

#endif
