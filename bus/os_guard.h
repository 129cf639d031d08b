/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SIGBUS guard. Who may write a segment's file may truncate it or punch holes in it: then an access to the
 * mapping raises SIGBUS, which kills the process. With the guard installed, the process gets private memory there
 * instead, of zeros, in the place of *all* mappings of that segment: from then on it neither reads nor writes
 * anything of the segment, and can tell.
 *
 *   call                 who                               may overlap with
 *   os_guard_install     any thread                        everything
 *   os_guard_watch       who has just mapped               everything
 *   os_guard_tell        who uses the mapping              everything
 *   os_guard_lost        who uses the mapping              everything
 *   os_guard_unwatch     who is about to unmap             everything; waits for a handler that is at work on it
 *   the signal handler   whoever touches what is not there everything: it waits for nobody
 *
 * killed        process-local
 *
 * The table has a fixed size and is never locked: the handler must be able to read it wherever it interrupts.
 */
#ifndef SHMBUS_BUS_OS_GUARD_H
#define SHMBUS_BUS_OS_GUARD_H

#include "atomics.h"

#define GUARD_REGIONS 4096u /* most mappings */

/* Installs the handler, once for the process; what is mapped from now on is guarded. */
int os_guard_install(void);

/* Guards a mapping of the segment that `fd` stands for. -ENOMEM: there are GUARD_REGIONS already. */
int os_guard_watch(const void *address, uint64_t size, int fd);

/* Before the mapping goes. Nothing happens when it is not guarded. */
void os_guard_unwatch(const void *address);

/* `word`, which lies in the mapping that starts at `address`, becomes 1 when the memory is lost, or is already. */
void os_guard_tell(const void *address, atomic_u32 *word);

/* Was the memory of the mapping that starts at `address` taken away? */
bool os_guard_lost(const void *address);

#endif
