/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts an input into messages and sends them. What has come is sent before more is waited for.
 *
 * Functions return an exit code; when it is not EXIT_OK they have said why.
 *
 * concurrency   one thread
 * killed        a claim that is being filled is given up by whoever waits for it
 */
#ifndef SHMBUS_TOOLS_FRAMING_H
#define SHMBUS_TOOLS_FRAMING_H

#include "input.h"
#include "sender.h"

/* Bytes before each message of --frame length: its size, little-endian. */
#define FRAME_HEADER 4

/* Each line without its newline; a last line may lack it. */
int send_lines(struct input *input, struct sender *sender);

/* Each message behind its size. */
int send_frames(struct input *input, struct sender *sender);

/* Messages of `size` bytes; the last may be shorter. */
int send_blocks(struct input *input, struct sender *sender, size_t size);

#endif
