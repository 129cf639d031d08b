/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows messages on standard output, for people or for programs.
 *
 * concurrency   one thread
 * killed        what is buffered is lost
 */
#ifndef SHMBUS_TOOLS_SHOWING_H
#define SHMBUS_TOOLS_SHOWING_H

#include "message.h"
#include "options.h"
#include "output.h"

struct showing_options {
    int format; /* index in the choice, see showing_specs */
    int json;
};
extern const struct option_spec showing_specs[];
#define SHOWING_SECTION(options)                                                                             \
    {                                                                                                        \
        "How:", showing_specs, (options)                                                                     \
    }

struct showing {
    struct output output;
    int format;
    int name_channels; /* there are several */
    char *text;        /* room for a message as it is shown */
    size_t capacity;
};

/* What SHOWING_HELP says is for the details of those who have these options. */
#define SHOWING_HELP                                                                                         \
    "text: sequence, publisher, and the message with what is not printable UTF-8 replaced. hex: its bytes\n" \
    "as hexdump -C shows them. raw: the messages themselves, with nothing between them.\n"                   \
    "json: an object a line, with the keys channel, sequence, publisher, size, missed (messages that were\n" \
    "gone before they could be seen, just before this one), aborted, time (seconds since 1970 when it was\n" \
    "sent if that is known, else when it was seen), sent_ns (when it was sent, CLOCK_MONOTONIC, or null),\n" \
    "and data, its text, or base64 if it is not UTF-8. Of a message that is cut they hold the beginning.\n"

void showing_begin(struct showing *showing, const struct showing_options *options, int name_channels);
void showing_end(struct showing *showing);

/* All return EXIT_OK, OUTPUT_ENDED, or an exit code whose reason has been said. */
int showing_message(struct showing *showing, const struct message *message);
int showing_flush(struct showing *showing);

#endif
