/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes messages into a recording: a pcap file, or lines of JSON.
 *
 * Functions return EXIT_OK, OUTPUT_ENDED, or an exit code whose reason has been said.
 *
 * concurrency   one thread
 * killed        what was written stays readable: whole messages, and perhaps the beginning of one. The messages of
 *               the last RECORDER_FLUSH_NS, or of the last 128 KiB, are lost
 */
#ifndef SHMBUS_TOOLS_RECORDER_H
#define SHMBUS_TOOLS_RECORDER_H

#include "message.h"
#include "output.h"

/* What is buffered for so long is written. */
#define RECORDER_FLUSH_NS INT64_C(100000000)

enum recorder_format {
    RECORDER_PCAP,
    RECORDER_JSON,
};

struct recorder {
    enum recorder_format format;
    struct output output;
    uint64_t bytes; /* of the recording until now */
    uint64_t messages;
    int begun;
    int err; /* of the write that failed; it has been said */
    int64_t flushed;
    struct pcap *pcap; /* and what it writes to: */
    struct pcap_dumper *dumper;
    unsigned char *packet;
};

/* Opens `path`, "-" for standard output. What is in it is kept until the first thing is recorded. */
int recorder_open(struct recorder *recorder, const char *path, enum recorder_format format);

int recorder_channel(struct recorder *recorder, const struct message_channel *channel);
int recorder_message(struct recorder *recorder, const struct message *message);

/* Writes what is buffered, if that is due at `now`, CLOCK_MONOTONIC. */
int recorder_tick(struct recorder *recorder, int64_t now);

/* Writes what is buffered, and closes. Due after a failed recorder_open() too. */
int recorder_close(struct recorder *recorder);

#endif
