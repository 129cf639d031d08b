/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* fopencookie() */
#include "recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "capture.h"
#include "message_json.h"
#include "report.h"

#define NANOSECONDS INT64_C(1000000000)

/* What is recorded may be as secret as the bus, which only its owner may read by default. */
#define MODE 0600

int recorder_open(struct recorder *recorder, const char *path, enum recorder_format format)
{
    const int is_stdout = strcmp(path, "-") == 0;
    *recorder = (struct recorder){.format = format, .flushed = shmbus_now(), .output.fd = -1};
    const int fd = is_stdout ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_CLOEXEC, MODE);
    if (fd < 0) {
        return fail("cannot write %s: %s", path, strerror(errno));
    }
    if (format == RECORDER_PCAP && isatty(fd)) {
        (void)(is_stdout ? 0 : close(fd));
        return fail("a recording is binary, and %s is a terminal: give a file, or --format jsonl", path);
    }
    output_begin(&recorder->output, fd);
    recorder->output.name = is_stdout ? recorder->output.name : path;
    return EXIT_OK;
}

/* --------------------------------------------------------------------------------------------- pcap */

/* libpcap writes through stdio, which would lose what a signal interrupts: everything goes through the output. */
static ssize_t write_through(void *context, const char *bytes, size_t size)
{
    struct recorder *recorder = context;
    const struct iovec part = {.iov_base = (char *)bytes, .iov_len = size};
    recorder->err = recorder->err ? recorder->err : output_put(&recorder->output, &part, 1);
    recorder->bytes += size;
    return recorder->err == 0 ? (ssize_t)size : 0;
}

static int begin_pcap(struct recorder *recorder)
{
    FILE *file = fopencookie(recorder, "w", (cookie_io_functions_t){.write = write_through});
    recorder->packet = need_memory(CAPTURE_PACKET_MAX);
    recorder->pcap =
        pcap_open_dead_with_tstamp_precision(DLT_USER0, CAPTURE_PACKET_MAX, PCAP_TSTAMP_PRECISION_NANO);
    if (!file || !recorder->pcap) {
        return fail("cannot write %s: out of memory", recorder->output.name);
    }
    (void)setvbuf(file, NULL, _IONBF, 0); /* the output has a buffer */
    recorder->dumper = pcap_dump_fopen(recorder->pcap, file);
    if (!recorder->dumper && recorder->err == 0) {
        return fail("cannot write %s: %s", recorder->output.name, pcap_geterr(recorder->pcap));
    }
    return output_check(&recorder->output, recorder->err);
}

static int put_packet(struct recorder *recorder, int64_t time_ns, size_t size)
{
    const struct pcap_pkthdr header = {
        .ts = {.tv_sec = time_ns / NANOSECONDS, .tv_usec = time_ns % NANOSECONDS},
        .caplen = (bpf_u_int32)size,
        .len = (bpf_u_int32)size,
    };
    pcap_dump((u_char *)recorder->dumper, &header, recorder->packet);
    return output_check(&recorder->output, recorder->err);
}

static int put_pieces(struct recorder *recorder, const struct message *message)
{
    int result = EXIT_OK;
    size_t offset = 0;
    do {
        const size_t left = message->size - offset;
        const size_t size = left < CAPTURE_PIECE_MAX ? left : CAPTURE_PIECE_MAX;
        capture_put_message(recorder->packet, message, offset, size < left);
        if (size > 0) {
            memcpy(recorder->packet + CAPTURE_HEADER, (const char *)message->data + offset, size);
        }
        result = put_packet(recorder, message->time_ns, CAPTURE_HEADER + size);
        offset += size;
    } while (result == EXIT_OK && offset < message->size);
    return result;
}

/* ---------------------------------------------------------------------------------------- recording */

static int put_line(struct recorder *recorder, char *line, size_t length)
{
    const struct iovec part = {.iov_base = line, .iov_len = length};
    recorder->err = output_put(&recorder->output, &part, 1);
    free(line);
    recorder->bytes += length;
    return output_check(&recorder->output, recorder->err);
}

static int begin(struct recorder *recorder)
{
    if (recorder->begun) {
        return EXIT_OK;
    }
    recorder->begun = 1;
    /* A pipe or a device has nothing to cut off. */
    if (recorder->output.fd != STDOUT_FILENO && ftruncate(recorder->output.fd, 0) != 0 && errno != EINVAL) {
        return fail("cannot empty %s: %s", recorder->output.name, strerror(errno));
    }
    return recorder->format == RECORDER_PCAP ? begin_pcap(recorder) : EXIT_OK;
}

static int64_t wall_clock(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * NANOSECONDS + now.tv_nsec;
}

int recorder_channel(struct recorder *recorder, const struct message_channel *channel)
{
    const int result = begin(recorder);
    if (result != EXIT_OK) {
        return result;
    }
    if (recorder->format == RECORDER_PCAP) {
        return put_packet(recorder, wall_clock(), capture_put_channel(recorder->packet, channel));
    }
    size_t length = 0;
    char *line = message_channel_to_json(channel, &length);
    return put_line(recorder, line, length);
}

int recorder_message(struct recorder *recorder, const struct message *message)
{
    recorder->messages++;
    if (recorder->format == RECORDER_PCAP) {
        return put_pieces(recorder, message);
    }
    size_t length = 0;
    char *line = message_to_json(message, &length);
    return put_line(recorder, line, length);
}

int recorder_tick(struct recorder *recorder, int64_t now)
{
    if (now - recorder->flushed < RECORDER_FLUSH_NS) {
        return EXIT_OK;
    }
    recorder->flushed = now;
    recorder->err = output_flush(&recorder->output);
    return output_check(&recorder->output, recorder->err);
}

int recorder_close(struct recorder *recorder)
{
    if (recorder->output.fd < 0) {
        return EXIT_OK;
    }
    const int said = recorder->err;
    int err = said ? said : output_flush(&recorder->output);
    if (recorder->dumper) {
        pcap_dump_close(recorder->dumper);
    }
    if (recorder->pcap) {
        pcap_close(recorder->pcap);
    }
    if (recorder->output.fd != STDOUT_FILENO && close(recorder->output.fd) != 0) {
        err = err ? err : -errno;
    }
    free(recorder->packet);
    output_free(&recorder->output);
    return said == 0 ? output_check(&recorder->output, err) : said == -EPIPE ? OUTPUT_ENDED : EXIT_FAILED;
}
