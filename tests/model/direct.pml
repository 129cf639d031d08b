/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Senders, and sleepers who wait for nothing else, on one channel.
 *
 * Without FENCED these are readers that give room back and publishers that sleep for it. With FENCED they are publishers,
 * which say whether they fence, and readers that sleep for messages.
 *
 *   SENDERS         [2]
 *   SLEEPERS        [2]
 *   MESSAGES        of each sender [1]
 */
#ifndef SENDERS
#define SENDERS 2
#endif
#ifndef SLEEPERS
#define SLEEPERS 2
#endif
#ifndef MESSAGES
#define MESSAGES 1
#endif
#define CHANNELS 1
#define PARTICIPANTS 0
#define ACTORS SENDERS

#define CHANNEL_OF(s) 0
#define WORD_OF(me) 0
#define BELL(p) 0
#define BIT(p) 0

#include "machine.pml"
#include "protocol.pml"

init
{
    atomic {
        for (i : 0 .. SENDERS - 1) {
            run store_buffer(i);
            run sender(i, 0, MESSAGES)
        }
        for (i : 0 .. SLEEPERS - 1) {
            run direct(i, 0)
        }
        start_killers()
    }
}
