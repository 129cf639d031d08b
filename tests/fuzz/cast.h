/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flipper's cast: processes that use a bus without pause while it is damaged, and say when they have done
 * some more of it. One that crashes, or does not get on, is told with what it was doing.
 *
 * concurrency   one thread directs
 * killed        the cast dies with the director
 */
#ifndef SHMBUS_TESTS_FUZZ_CAST_H
#define SHMBUS_TESTS_FUZZ_CAST_H

#include <stdint.h>

#define CAST_SIZE 3

/* Starts the processes, before this one has opened any bus. */
void cast_start(const char *bus_name, uint64_t seed);

/* All close what they have, and open the bus anew. */
void cast_reopen(void);

/* Waits until each has done some more. 0, or -1 when one has crashed or hangs: it says which and with what. */
int cast_goes_on(void);

/* Ends them all. 0, or -1 when one did not end well. */
int cast_end(void);

#endif
