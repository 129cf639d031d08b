/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages and channels as JSON, one object a line. The keys are an interface: they may be added to, not changed.
 *
 * concurrency   any thread: no state
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_MESSAGE_JSON_H
#define SHMBUS_TOOLS_MESSAGE_JSON_H

#include "message.h"

/* A line of JSON with its newline, for free(). Ends the command when there is no memory. */
char *message_to_json(const struct message *message, size_t *length);
char *message_channel_to_json(const struct message_channel *channel, size_t *length);

/* What a line of JSON holds. */
enum message_line {
    MESSAGE_LINE_BROKEN,
    MESSAGE_LINE_CHANNEL,
    MESSAGE_LINE_MESSAGE,
};

struct message_parse {
    struct message_channel channel; /* of a message only its name is known */
    struct message message;         /* without `channel`; `data` is for free() */
    char problem[200];              /* of a broken line */
};

/* Reads a line without its newline. */
enum message_line message_from_json(const char *line, size_t length, struct message_parse *parse);

#endif
