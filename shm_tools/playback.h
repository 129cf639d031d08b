/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads recordings: pcap files of `record`, and lines of JSON of `record` or `tap`. What is in them is not trusted.
 *
 * Functions return an exit code: EXIT_SIGNAL + N when a signal asks to end while nothing comes; when it is another they
 * have said why.
 *
 * concurrency   one thread
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_PLAYBACK_H
#define SHMBUS_TOOLS_PLAYBACK_H

#include <stdio.h>

#include "message.h"

struct playback {
    FILE *file;
    const char *name;  /* for messages */
    struct pcap *pcap; /* NULL: lines of JSON. Owns `file` */
    uint64_t items;    /* packets or lines that were read */
    int64_t whole;     /* the file up to here is whole messages; -1: it cannot be told, it is a pipe */
    struct message_channel **channels;
    uint32_t *numbers; /* that the file gives them */
    uint32_t channel_count;
    char *line; /* the last one */
    size_t line_capacity;
    char *data; /* of the last message */
    size_t data_capacity;
};

/* Opens `path`, "-" for standard input. playback_close() is due either way. */
int playback_open(struct playback *playback, const char *path);
void playback_close(struct playback *playback);

/*
 * The next message, whose data is valid until the next call. Its channel stays valid until the close, and its number
 * counts the channels of the recording from 0. Clears `*there` at the end; says how much a recording that ends within
 * a message has left over.
 */
int playback_next(struct playback *playback, struct message *message, int *there);

#endif
