/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OFD locks on single bytes far past the end of the segment file. They belong to the open file
 * description: the kernel drops them when the last fd of it is closed, whatever ends the process.
 *
 * concurrency   any thread; two threads with one fd do not exclude each other: use a mutex beside it
 * killed        the lock is released after the process's memory is torn down
 */
#ifndef SHMBUS_BUS_OS_LOCK_H
#define SHMBUS_BUS_OS_LOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Which byte. */
#define LOCK_DIRECTORY INT64_C(0x1000000000000000)                  /* creation and every directory change */
#define LOCK_PARTICIPANT(index) (LOCK_DIRECTORY + 0x1000 + (index)) /* liveness of a participant */
#define LOCK_PARTICIPANTS 0x1000                                    /* bytes for them, whatever the bus has */
#define LOCK_CHANNEL(index) (LOCK_DIRECTORY + 0x10000 + (index))    /* shared: the channel is in use */

/* Waits for the exclusive lock; EINTR does not end it. */
int os_lock_wait(int fd, int64_t byte);

/* Tries once. -EAGAIN when another open file description holds it. */
int os_lock_try(int fd, int64_t byte);

/* Takes the byte shared. */
int os_lock_shared(int fd, int64_t byte);

int os_lock_release(int fd, int64_t byte);

/* Does another open file description hold the byte, exclusively or shared? Works on a read-only fd. */
bool os_lock_is_held(int fd, int64_t byte);

/* Does another one hold it exclusively? That takes a descriptor for writing: who may only read cannot pretend it. */
bool os_lock_is_owned(int fd, int64_t byte);

/* The same for any of `count` bytes. */
bool os_lock_any_owned(int fd, int64_t first, int64_t count);

#endif
