/* SPDX-License-Identifier: Apache-2.0 */
#include "playback.h"

#include <errno.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "capture.h"
#include "message_json.h"
#include "report.h"
#include "signals.h"

#define NANOSECONDS INT64_C(1000000000)
/* More than a bus has: looking for one of them stays cheap, whatever the file says. */
#define CHANNELS_MAX 4096

/* What came. */
enum item {
    ITEM_CHANNEL,
    ITEM_PIECE, /* of a message that goes on */
    ITEM_MESSAGE,
    ITEM_END,
    ITEM_TORN, /* the end, within something */
    ITEM_INTERRUPTED,
    ITEM_BROKEN, /* which has been said */
};

/* A signal that asks to end came while nothing else did. */
static int is_interrupted(const struct playback *playback)
{
    return signals_stop() && ferror(playback->file);
}

static int say_broken(const struct playback *playback, const char *why)
{
    return fail("%s is damaged, or no recording: %s %" PRIu64 " is %s", playback->name,
                playback->pcap ? "packet" : "line", playback->items, why);
}

/* ------------------------------------------------------------------------------------------- opening */

static int open_pcap(struct playback *playback)
{
    char problem[PCAP_ERRBUF_SIZE] = "";
    playback->pcap =
        pcap_fopen_offline_with_tstamp_precision(playback->file, PCAP_TSTAMP_PRECISION_NANO, problem);
    if (!playback->pcap) {
        return fail("%s is no recording: %s", playback->name, problem);
    }
    if (pcap_datalink(playback->pcap) != DLT_USER0) {
        return fail("%s is no recording of shmbus: its link type is %d, not USER0, %d", playback->name,
                    pcap_datalink(playback->pcap), DLT_USER0);
    }
    return EXIT_OK;
}

int playback_open(struct playback *playback, const char *path)
{
    const int is_stdin = strcmp(path, "-") == 0;
    *playback = (struct playback){.name = is_stdin ? "standard input" : path};
    playback->file = is_stdin ? stdin : fopen(path, "rbe");
    if (!playback->file) {
        return fail("cannot read %s: %s", path, strerror(errno));
    }
    errno = 0;
    const int first = getc(playback->file);
    if (is_interrupted(playback)) {
        return EXIT_SIGNAL + signals_stop();
    }
    if (first == EOF) {
        return errno ? fail("cannot read %s: %s", playback->name, strerror(errno))
                     : fail("%s is empty", playback->name);
    }
    (void)ungetc(first, playback->file);
    playback->whole = ftello(playback->file);
    return first == '{' ? EXIT_OK : open_pcap(playback);
}

void playback_close(struct playback *playback)
{
    if (playback->pcap) {
        pcap_close(playback->pcap);
    } else if (playback->file) {
        (void)fclose(playback->file);
    }
    for (uint32_t i = 0; i < playback->channel_count; i++) {
        free(playback->channels[i]);
    }
    free(playback->channels);
    free(playback->numbers);
    free(playback->line);
    free(playback->data);
}

/* ------------------------------------------------------------------------------------------ channels */

static struct message_channel *find_number(const struct playback *playback, uint32_t number)
{
    for (uint32_t i = 0; i < playback->channel_count; i++) {
        if (playback->numbers[i] == number) {
            return playback->channels[i];
        }
    }
    return NULL;
}

static struct message_channel *find_name(const struct playback *playback, const char *name)
{
    for (uint32_t i = 0; i < playback->channel_count; i++) {
        if (strcmp(playback->channels[i]->name, name) == 0) {
            return playback->channels[i];
        }
    }
    return NULL;
}

/* Describes `known` anew, or adds a channel. NULL: there are too many. */
static struct message_channel *take_channel(struct playback *playback, struct message_channel *known,
                                            const struct message_channel *channel)
{
    const uint32_t count = playback->channel_count;
    if (!known && count == CHANNELS_MAX) {
        return NULL;
    }
    if (!known) {
        playback->channels =
            need_more_memory(playback->channels, (count + 1) * sizeof(struct message_channel *));
        playback->numbers = need_more_memory(playback->numbers, (count + 1) * sizeof *playback->numbers);
        playback->numbers[count] = channel->number;
        known = playback->channels[count] = need_memory(sizeof *known);
        *known = (struct message_channel){.number = count};
        playback->channel_count++;
    }
    const uint32_t number = known->number;
    *known = *channel;
    known->number = number;
    return known;
}

/* --------------------------------------------------------------------------------------------- pcap */

static void append(struct playback *playback, size_t at, const void *bytes, size_t size)
{
    if (at + size > playback->data_capacity) {
        playback->data_capacity = 2 * (at + size);
        playback->data = need_more_memory(playback->data, playback->data_capacity);
    }
    if (size > 0) {
        memcpy(playback->data + at, bytes, size);
    }
}

/* Puts what the packet has behind the pieces before it. NULL, or what is wrong. */
static const char *join_piece(struct playback *playback, const struct capture_packet *packet, int64_t time_ns,
                              struct message *message, int is_first)
{
    const struct message_channel *channel = find_number(playback, packet->channel.number);
    const size_t joined = is_first ? 0 : message->size;
    if (!channel) {
        return "a message of a channel that is not described before it";
    }
    if (packet->offset != joined ||
        (joined > 0 && (channel != message->channel || packet->message.sequence != message->sequence))) {
        return "a piece of a message without the one before it";
    }
    append(playback, joined, packet->message.data, packet->message.size);
    *message = packet->message;
    message->channel = channel;
    message->time_ns = time_ns;
    message->data = playback->data;
    message->size += joined;
    return NULL;
}

static enum item take_packet(struct playback *playback, const struct pcap_pkthdr *header, const u_char *bytes,
                             struct message *message, int is_first)
{
    struct capture_packet packet;
    const int64_t time_ns = header->ts.tv_sec * NANOSECONDS + header->ts.tv_usec;
    const char *problem = capture_get(bytes, header->caplen, &packet);
    if (!problem && packet.kind == CAPTURE_MESSAGE) {
        problem = join_piece(playback, &packet, time_ns, message, is_first);
    } else if (!problem && !is_first) {
        problem = "a channel in the middle of a message";
    } else if (!problem &&
               !take_channel(playback, find_number(playback, packet.channel.number), &packet.channel)) {
        problem = "one channel too many";
    }
    if (problem) {
        (void)say_broken(playback, problem);
        return ITEM_BROKEN;
    }
    return packet.kind == CAPTURE_CHANNEL ? ITEM_CHANNEL : packet.more ? ITEM_PIECE : ITEM_MESSAGE;
}

static enum item read_packet(struct playback *playback, struct message *message, int is_first)
{
    struct pcap_pkthdr *header;
    const u_char *bytes;
    const int got = pcap_next_ex(playback->pcap, &header, &bytes);
    playback->items++;
    if (got == 1) {
        return take_packet(playback, header, bytes, message, is_first);
    }
    if (is_interrupted(playback)) {
        return ITEM_INTERRUPTED;
    }
    if (got == PCAP_ERROR_BREAK) {
        return is_first ? ITEM_END : ITEM_TORN;
    }
    if (feof(playback->file)) {
        return ITEM_TORN;
    }
    (void)fail("cannot read packet %" PRIu64 " of %s: %s", playback->items, playback->name,
               pcap_geterr(playback->pcap));
    return ITEM_BROKEN;
}

/* --------------------------------------------------------------------------------------------- JSON */

static enum item take_line(struct playback *playback, struct message_parse *parse, enum message_line kind,
                           struct message *message)
{
    struct message_channel *known = find_name(playback, parse->channel.name);
    /* Without a description, as tap --json writes it, a channel has the usual shape. */
    if (kind == MESSAGE_LINE_CHANNEL || !known) {
        known = take_channel(playback, known, &parse->channel);
    }
    free(playback->data);
    playback->data = (char *)parse->message.data;
    if (!known) {
        (void)say_broken(playback, "of one channel too many");
        return ITEM_BROKEN;
    }
    if (kind == MESSAGE_LINE_CHANNEL) {
        return ITEM_CHANNEL;
    }
    *message = parse->message;
    message->channel = known;
    return ITEM_MESSAGE;
}

static enum item read_line(struct playback *playback, struct message *message)
{
    struct message_parse parse;
    errno = 0;
    const ssize_t got = getline(&playback->line, &playback->line_capacity, playback->file);
    playback->items++;
    if (is_interrupted(playback)) {
        return ITEM_INTERRUPTED;
    }
    if (got < 0 && errno != 0) {
        (void)fail("cannot read line %" PRIu64 " of %s: %s", playback->items, playback->name,
                   strerror(errno));
        return ITEM_BROKEN;
    }
    if (got < 0) {
        return ITEM_END;
    }
    const int is_last = playback->line[got - 1] != '\n';
    const enum message_line kind = message_from_json(playback->line, (size_t)got, &parse);
    if (kind != MESSAGE_LINE_BROKEN) {
        return take_line(playback, &parse, kind, message);
    }
    if (is_last) {
        return ITEM_TORN;
    }
    (void)say_broken(playback, parse.problem);
    return ITEM_BROKEN;
}

/* ------------------------------------------------------------------------------------------- reading */

static void say_torn(const struct playback *playback)
{
    struct stat status;
    if (playback->whole >= 0 && fstat(fileno(playback->file), &status) == 0) {
        note("%s ends in the middle of a message: its last %" PRId64 " bytes are left out", playback->name,
             (int64_t)status.st_size - playback->whole);
    } else {
        note("%s ends in the middle of a message, which is left out", playback->name);
    }
}

int playback_next(struct playback *playback, struct message *message, int *there)
{
    enum item item = ITEM_CHANNEL;
    *message = (struct message){0};
    while (item == ITEM_CHANNEL || item == ITEM_PIECE) {
        const int is_first = item == ITEM_CHANNEL;
        if (is_first && playback->whole >= 0) {
            playback->whole = ftello(playback->file);
        }
        item = playback->pcap ? read_packet(playback, message, is_first) : read_line(playback, message);
    }
    if (item == ITEM_TORN) {
        say_torn(playback);
    }
    if (item == ITEM_INTERRUPTED) {
        return EXIT_SIGNAL + signals_stop();
    }
    *there = item == ITEM_MESSAGE;
    return item == ITEM_BROKEN ? EXIT_FAILED : EXIT_OK;
}
