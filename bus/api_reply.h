/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a thread will probably write next: a hint from api_publish.c to api_receive.c.
 *
 *   call        who                                       may overlap with
 *   reply_*     any thread, on thread-local memory only   everything
 *
 * killed        nothing is changed, here or in the segment
 *
 * Who waits for a message mostly answers it, through the publisher that it used last. The lines that the answer
 * goes to are in the cache of the one who asked. To ask for them the moment the message has come, before the
 * user sees it, lets their transfer overlap with all that lies between: a round trip of one-line messages takes
 * no longer than that of a bare line (docs/decisions/0010).
 */
#ifndef SHMBUS_BUS_API_REPLY_H
#define SHMBUS_BUS_API_REPLY_H

#include "ring_producer.h"

/*
 * The first line that the next message will probably be written to, if it is like the last one of this thread;
 * plus the number of lines behind it, in the address's low bits; 0: it sent none. To be prefetched only: it may
 * be unmapped.
 */
extern __thread uintptr_t reply_lines __attribute__((visibility("hidden")));

/* After a message of `size` bytes was sent. */
static inline void reply_expect(const struct producer *producer, size_t size)
{
    reply_lines = producer_next_lines(producer, size);
}

/* When a message has come that was waited for. */
static inline void reply_prefetch(uintptr_t lines)
{
    if (lines == 0) {
        return;
    }
    const uintptr_t more = lines % LINE_SIZE;
    for (uintptr_t i = 0; i <= more; i++) {
        prefetch_for_writing(
            (const void *)(lines - more + i * LINE_SIZE)); /* NOLINT(performance-no-int-to-ptr) */
    }
}

#endif
